package policy

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

const day = 24 * time.Hour

// Age is a length of time that may be written in days: "14d", "36h".
type Age time.Duration

// UnmarshalText reads days, or whatever time.ParseDuration reads.
func (a *Age) UnmarshalText(text []byte) error {
	s := string(text)
	if days, ok := strings.CutSuffix(s, "d"); ok {
		n, err := strconv.ParseUint(days, 10, 16) // 65,535 days are 179 years
		if err != nil {
			return fmt.Errorf("%q is not a number of days such as 14d", s)
		}
		*a = Age(time.Duration(n) * day)
		return nil
	}
	d, err := time.ParseDuration(s)
	if err != nil {
		return fmt.Errorf("%q is not an age such as 14d or 36h", s)
	}
	*a = Age(d)
	return nil
}

// MarshalText writes whole days as days.
func (a Age) MarshalText() ([]byte, error) {
	d := time.Duration(a)
	if d%day == 0 {
		return []byte(strconv.FormatInt(int64(d/day), 10) + "d"), nil
	}
	return []byte(d.String()), nil
}

// Size is a number of octets that may be written with a unit: "25MB", "512KiB".
type Size int64

// sizeUnits from long to short, so that a suffix is not mistaken for a shorter
// one.
var sizeUnits = []struct {
	name   string
	octets uint64
}{
	{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30},
	{"KB", 1e3}, {"MB", 1e6}, {"GB", 1e9}, {"B", 1}, {"", 1},
}

// UnmarshalText reads a whole number and a unit.
func (s *Size) UnmarshalText(text []byte) error {
	for _, unit := range sizeUnits {
		number, ok := strings.CutSuffix(string(text), unit.name)
		if !ok {
			continue
		}
		n, err := strconv.ParseUint(strings.TrimSpace(number), 10, 63)
		if err != nil || n > math.MaxInt64/unit.octets {
			break
		}
		*s = Size(n * unit.octets)
		return nil
	}
	return fmt.Errorf("%q is not a size such as 25MB or 512KiB", text)
}

// MarshalText writes octets.
func (s Size) MarshalText() ([]byte, error) { return strconv.AppendInt(nil, int64(s), 10), nil }
