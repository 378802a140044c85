package bridge

import (
	"fmt"
	"testing"

	"github.com/restante-mail/restante/upstream"
)

// TestAddFolder: what LIST says, in all forms, and what makes no sense.
func TestAddFolder(t *testing.T) {
	for _, test := range []struct{ line, want string }{
		{`(\HasNoChildren \Trash) "/" "Deleted Items"`, `[{Deleted Items [\Trash]}]`},
		{`() NIL INBOX`, `[{INBOX []}]`},
		{`(\HasChildren \Sent \Important) "." {4}` + "\r\nSent", `[{Sent [\Sent \Important]}]`},
		{` (\Noselect) "/" "a \"b\""`, `[{a "b" []}]`},
		{``, `[]`}, {`(`, `[]`}, {`(\Trash`, `[]`}, {`(\Trash)`, `[]`}, {`(\Trash) "/"`, `[]`}, {`x) "/" y`, `[]`}, {`) "/" y`, `[]`},
	} {
		folders := []upstream.SurveyedFolder{}
		addFolder(&folders, []byte(test.line+"\r\n"))
		if got := fmt.Sprint(folders); got != test.want {
			t.Errorf("%q: %s, want %s", test.line, got, test.want)
		}
	}
	full := make([]upstream.SurveyedFolder, maxSurveyed)
	if addFolder(&full, []byte("() NIL a\r\n")); len(full) != maxSurveyed {
		t.Errorf("%d folders", len(full))
	}
}
