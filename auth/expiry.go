package auth

import (
	"fmt"
	"time"
)

// ParseExpiry reads when a secret ends: a day, whose end in UTC is meant, or a
// time with its zone (RFC 3339).
func ParseExpiry(text string) (time.Time, error) {
	if day, err := time.Parse(time.DateOnly, text); err == nil {
		return day.AddDate(0, 0, 1), nil
	}
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return at, fmt.Errorf("%q is not a day such as 2027-01-31, or a time such as 2027-01-31T12:00:00Z", text)
	}
	return at, nil
}
