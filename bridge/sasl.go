package bridge

import (
	"errors"
	"strings"

	"github.com/emersion/go-sasl"

	"github.com/restante-mail/restante/upstream"
)

// bearer is a SASL client for a token. Both mechanisms say everything at once;
// a challenge can only be the details of a refusal, which want an answer
// before the server says NO. go-sasl's OAUTHBEARER gives none, and has no
// XOAUTH2.
type bearer struct {
	mechanism        string
	response, answer []byte
	refused          bool
}

func (b *bearer) Start() (string, []byte, error) { return b.mechanism, b.response, nil }

func (b *bearer) Next([]byte) ([]byte, error) {
	if b.refused {
		return nil, errors.New("a second challenge after the token was refused")
	}
	b.refused = true
	return b.answer, nil
}

// oauthBearer speaks RFC 7628: a GS2 header with the identity, and the token.
func oauthBearer(login upstream.Login) sasl.Client {
	user := strings.NewReplacer("=", "=3D", ",", "=2C").Replace(actAs(login))
	response := "n,a=" + user + ",\x01auth=Bearer " + login.Secret.Reveal() + "\x01\x01"
	return &bearer{mechanism: "OAUTHBEARER", response: []byte(response), answer: []byte{1}}
}

// xoauth2 speaks what Google invented and Microsoft took over.
func xoauth2(login upstream.Login) sasl.Client {
	response := "user=" + actAs(login) + "\x01auth=Bearer " + login.Secret.Reveal() + "\x01\x01"
	return &bearer{mechanism: "XOAUTH2", response: []byte(response)}
}

// actAs is the only name that these mechanisms have room for.
func actAs(login upstream.Login) string {
	if login.Identity != "" {
		return login.Identity
	}
	return login.User
}
