package config

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Duration is a length of time, written with units: "30s", "1h30m", "14d". It
// is a struct so that the TOML decoder cannot take a bare number for
// nanoseconds.
type Duration struct{ time.Duration }

// maxDays keeps days in the range of a time.Duration (292 years).
const maxDays = 100_000

// UnmarshalText reads whole days, or whatever time.ParseDuration reads.
func (d *Duration) UnmarshalText(text []byte) error {
	s := string(text)
	if days, ok := strings.CutSuffix(s, "d"); ok {
		n, err := strconv.ParseUint(days, 10, 32)
		if err == nil && n <= maxDays {
			d.Duration = time.Duration(n) * 24 * time.Hour
			return nil
		}
	}
	v, err := time.ParseDuration(s)
	if err != nil {
		return fmt.Errorf("%q is not a length of time; write a number with a unit, such as %q, %q or %q",
			s, "30s", "10m", "14d")
	}
	d.Duration = v
	return nil
}
