package bridge

import (
	"context"
	"net/url"
	"testing"

	"github.com/restante-mail/restante/auth/oauth/oauthtest"
	"github.com/restante-mail/restante/peertest"
	"github.com/restante-mail/restante/secret"
	"github.com/restante-mail/restante/upstream"
)

// Dovecot judges tokens, by asking who gave them and by their signature, and
// both mechanisms bring them to it.
func TestDovecotTakesTokens(t *testing.T) {
	for _, kind := range []string{"introspection", "signature"} {
		for _, mechanism := range []string{"XOAUTH2", "OAUTHBEARER"} {
			t.Run(kind+" "+mechanism, func(t *testing.T) { takesTokens(t, kind, mechanism) })
		}
	}
}

func takesTokens(t *testing.T, kind, mechanism string) {
	server := oauthtest.New(t)
	server.Set(func(s *oauthtest.Server) {
		s.JWT = kind == "signature"
		s.Clients["dovecot"] = oauthtest.Client{Secret: "looks"}
	})
	at, _ := url.Parse(server.URL + "/introspect")
	at.User = url.UserPassword("dovecot", "looks")
	option := peertest.WithTokens(at.String())
	if kind == "signature" {
		option = peertest.WithSignedTokens(&server.Key.PublicKey)
	}
	d := peertest.Dovecot(t, option, peertest.WithConfig("auth_mechanisms = plain "+mechanism))
	d.Deliver("alice", "INBOX", []byte("Subject: hello\r\n\r\nbody\r\n"))
	u := open(t, Options{Addresses: []string{d.IMAPAddr()}, Security: Plain})
	token, _, expires := server.Consent("printer", "alice")
	login := upstream.Login{User: "alice", Secret: secret.New(token), Bearer: true, Expires: expires}
	for range 2 {
		m, err := u.Open(context.Background(), login)
		if err != nil {
			t.Fatal(err)
		}
		messages, err := m.Messages(context.Background())
		if err != nil || len(messages) != 1 {
			t.Errorf("%d messages, %v", len(messages), err)
		}
		_ = m.Close()
	}
	for what, bad := range map[string]upstream.Login{
		"a token of nobody": {User: "alice", Secret: secret.New("nonsense"), Bearer: true},
		"bob's name":        {User: "bob", Secret: secret.New(token), Bearer: true},
	} {
		_, err := u.Open(context.Background(), bad)
		kindIs(t, err, upstream.Rejected, "")
		t.Log(what, err)
	}
}
