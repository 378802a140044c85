package bridge

import (
	"context"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/restante-mail/restante/secret"
	"github.com/restante-mail/restante/upstream"
)

// A connection that signed in with a token serves no other session after the
// token's end, and always within the credential bound.
func TestWarmEndsWithTheToken(t *testing.T) {
	for _, test := range []struct{ life, warmFor time.Duration }{
		{3 * time.Minute, 3 * time.Minute}, {time.Hour, defaultCredentialBound}, {0, defaultCredentialBound}, {-time.Minute, 0},
	} {
		f := newFake(t, "one")
		f.caps = "IMAP4rev1 SASL-IR AUTH=XOAUTH2"
		u := f.upstream()
		began := time.Now()
		now := began
		u.pool.now = func() time.Time { return now }
		login := upstream.Login{User: "alice", Secret: secret.New("token"), Bearer: true}
		if test.life != 0 {
			login.Expires = began.Add(test.life)
		}
		come(t, u, login)
		for now.Sub(began) < test.warmFor-30*time.Second {
			now = now.Add(30 * time.Second)
			if !come(t, u, login) {
				t.Fatalf("life %v: cold after %v", test.life, now.Sub(began))
			}
		}
		now = began.Add(test.warmFor)
		if come(t, u, login) {
			t.Errorf("life %v: warm after %v", test.life, now.Sub(began))
		}
	}
}

// purse gives tokens in turn.
type purse struct {
	given []string
	err   error
}

func (p *purse) Token(context.Context, secret.Text) (upstream.Token, error) {
	if p.err != nil {
		return upstream.Token{}, p.err
	}
	next := p.given[0]
	p.given = p.given[1:]
	return upstream.Token{Secret: secret.New(next), Expires: time.Now().Add(time.Hour)}, nil
}

// A session that outlives its token comes back with another if its connection
// breaks, and the connection is then for who has that one.
func TestTokenEndsDuringTheSession(t *testing.T) {
	f := newFake(t, "one")
	f.caps = "IMAP4rev1 SASL-IR AUTH=XOAUTH2"
	u := f.upstream()
	purse := &purse{given: []string{"second"}}
	login := upstream.Login{User: "alice", Secret: secret.New("first"), Bearer: true, Tokens: purse}
	opened, err := u.Open(t.Context(), login)
	if err != nil {
		t.Fatal(err)
	}
	messages, err := opened.Messages(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	f.hangUpAll()
	text, err := opened.Open(t.Context(), messages[0].ID, upstream.Whole)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(text); err != nil || string(got) != "one" {
		t.Errorf("it reads %q, %v", got, err)
	}
	_ = text.Close()
	_ = opened.Close()
	signIns := f.heard("AUTHENTICATE")
	if len(signIns) != 2 || !strings.HasSuffix(signIns[1], b64("user=alice\x01auth=Bearer second\x01\x01")) {
		t.Errorf("sign-ins: %q", signIns)
	}
	second := login
	second.Secret = secret.New("second")
	if !come(t, u, second) || come(t, u, login) {
		t.Error("the connection is not for who has the second token alone")
	}
}

// If there is no other token, the session ends with the reason.
func TestNoOtherToken(t *testing.T) {
	f := newFake(t, "one")
	f.caps = "IMAP4rev1 SASL-IR AUTH=XOAUTH2"
	no := &upstream.Error{Kind: upstream.Denied, Doing: "get a token", Err: context.Canceled}
	opened, err := f.upstream().Open(t.Context(), upstream.Login{User: "alice", Secret: secret.New("first"), Bearer: true, Tokens: &purse{err: no}})
	if err != nil {
		t.Fatal(err)
	}
	defer opened.Close()
	messages, err := opened.Messages(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	f.hangUpAll()
	_, err = opened.Open(t.Context(), messages[0].ID, upstream.Whole)
	kindIs(t, err, upstream.Denied, "get a token")
}
