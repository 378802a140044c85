package gateway_test

import (
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/restante-mail/restante/gateway"
	"github.com/restante-mail/restante/pop3"
)

// TestAllowance: what is over the day's allowance is refused, message by
// message, in this session and the next, until the next day. Nothing is lost,
// and the session goes on.
func TestAllowance(t *testing.T) {
	for name, most := range map[string]gateway.Allowance{"messages": {Messages: 3}, "octets": {Octets: int64(len(letters(2)[0])+len(letters(2)[1])) + 1}} {
		t.Run(name, func(t *testing.T) {
			server, _ := memory(t, letters(5))
			g := over(server, nil)
			now := time.Date(2026, 11, 22, 23, 0, 0, 0, time.UTC)
			g.Now, g.Allowance = func() time.Time { return now }, most
			address := front(t, g)
			fetch := func(from, to, want int) {
				t.Helper()
				c := signIn(t, address)
				defer c.Close()
				got := 0
				for n := from; n <= to; n++ {
					switch err := retr(t, c, n); {
					case err == nil:
						got++
					case !strings.Contains(err.Error(), "[SYS/TEMP]") || !strings.Contains(err.Error(), "tomorrow"):
						t.Errorf("RETR %d: %v", n, err)
					}
				}
				if got != want {
					t.Errorf("%d messages, want %d", got, want)
				}
				quit(t, c)
			}
			fetch(1, 2, 2)
			fetch(1, 5, 1)
			fetch(1, 5, 0)
			now = now.Add(time.Hour)
			fetch(1, 2, 2)
		})
	}
}

// retr reads a message, or tells why not.
func retr(t *testing.T, c *pop3.Client, n int) error {
	t.Helper()
	r, err := c.Retr(t.Context(), n)
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, r)
	return errors.Join(err, r.Close())
}
