package gateway_test

import (
	"testing"

	"github.com/restante-mail/restante/gateway"
)

// TestMaildropNames: letter case makes no second mailbox, and nothing makes one
// of two users.
func TestMaildropNames(t *testing.T) {
	tests := []struct {
		a, b string
		same bool
	}{
		{"alice", "ALICE", true},
		{"andr\xe9", "ANDR\xe9", true},
		{"andr\xe9", "andr\xe8", false},
		{"\u212aate", "kate", false},
		{"\u00c9ric", "\u00e9ric", false},
	}
	for _, test := range tests {
		if same := gateway.Maildrop("x", test.a) == gateway.Maildrop("x", test.b); same != test.same {
			t.Errorf("%q and %q are the same: %v", test.a, test.b, same)
		}
	}
}
