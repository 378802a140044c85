package gateway_test

import (
	"testing"

	"github.com/restante-mail/restante/gateway"
	"github.com/restante-mail/restante/pop3"
	"github.com/restante-mail/restante/pop3/pop3test"
)

// TestConformanceUnderQuirks: what is done for old programs breaks no promise,
// and teaches nobody a wrong size.
func TestConformanceUnderQuirks(t *testing.T) {
	for name, quirks := range map[string]pop3.Quirks{
		"Outlook": {NoNULs: true, EndOfHeader: true}, "Netscape": {EndOfHeader: true},
	} {
		t.Run(name, func(t *testing.T) {
			pop3test.Run(t, func(t *testing.T, messages [][]byte) pop3test.Fixture {
				server, inbox := memory(t, messages)
				return pop3test.Fixture{
					Backend: over(server, func(r *gateway.Route) { r.ExactSizes = true }),
					User:    user, Password: password, Quirks: quirks,
					Remaining: func(testing.TB) [][]byte { return contents(inbox) },
				}
			})
		})
	}
}
