package pop3test

import (
	"testing"

	"github.com/restante-mail/restante/pop3"
)

// TestQuirks: with any liberty taken all other promises are kept, and sizes stay true.
func TestQuirks(t *testing.T) {
	for name, quirks := range map[string]pop3.Quirks{
		"outlook": {NoNULs: true, EndOfHeader: true}, "c-client and mailkit": {NoPlainSASL: true, NoAPOP: true},
	} {
		t.Run(name, func(t *testing.T) {
			Run(t, func(t *testing.T, messages [][]byte) Fixture {
				f := NewMemory(messages...).Fixture()
				f.Quirks = quirks
				return f
			})
		})
	}
}
