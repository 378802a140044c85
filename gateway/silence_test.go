package gateway

import (
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/restante-mail/restante/secret"
	"github.com/restante-mail/restante/upstream"
)

func TestSilence(t *testing.T) {
	const password = `p"w\d 7e1d4c and more`
	plain := func(user string) string {
		return base64.StdEncoding.EncodeToString([]byte("\x00" + user + "\x00" + password))
	}
	for _, test := range []struct {
		text  string
		holds bool
	}{
		{"NO wrong password", false},
		{"NO LOGIN alice " + password, true},
		{`NO LOGIN alice "p\"w\\d 7e1d4c and more"`, true},
		{"NO " + strconv.Quote(password), true},
		{"NO AUTHENTICATE PLAIN " + plain("a"), true},
		{"NO AUTHENTICATE PLAIN " + plain("al"), true},
		{"NO AUTHENTICATE PLAIN " + plain("ali"), true},
		{"NO " + hex.EncodeToString([]byte(password)), true},
		{"NO you said " + password[:15], true},
		{"NO " + plain("alice")[:28], true},
	} {
		cause := &upstream.Error{Kind: upstream.Rejected, Doing: "sign in", Err: errors.New(test.text)}
		err := silence(clientError(cause), secret.New(password))
		if shown := strings.Contains(err.Error(), test.text) && test.text != ""; shown == test.holds {
			t.Errorf("%q becomes %q", test.text, err)
		}
		if upstream.KindOf(err) != upstream.Rejected {
			t.Errorf("%q: a program sees something else", test.text)
		}
	}
	if err := silence(nil, secret.New("x")); err != nil {
		t.Error(err)
	}
	if err := fmt.Errorf("x"); silence(err, secret.New("")) != err {
		t.Error("an empty secret is found everywhere")
	}
}
