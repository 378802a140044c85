package pop3_test

import (
	"bytes"
	"errors"
	"io"
	"net"
	"testing"

	"github.com/emersion/go-sasl"

	"github.com/restante-mail/restante/pop3"
	"github.com/restante-mail/restante/pop3/pop3test"
	"github.com/restante-mail/restante/secret"
)

// clientOf connects to a server of ours; the client is closed with the test.
func clientOf(t *testing.T, address string) *pop3.Client {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	c, err := pop3.NewClient(t.Context(), conn, pop3.ClientOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func TestClientWithOurServer(t *testing.T) {
	var mail [][]byte
	for _, odd := range pop3test.Odd {
		mail = append(mail, odd.Message)
	}
	backend := pop3test.NewMemory(mail...)
	server := pop3test.Start(t, &pop3.Server{Backend: backend})
	ctx, c := t.Context(), clientOf(t, server.Address)
	if _, err := c.Capabilities(ctx); err != nil {
		t.Fatal(err)
	}
	if err := c.Login(ctx, backend.User, secret.New(backend.Password)); err != nil {
		t.Fatal(err)
	}
	sizes, names, err := c.ListUIDL(ctx)
	if err != nil || len(sizes) != len(mail) || len(names) != len(mail) {
		t.Fatal(len(sizes), len(names), err)
	}
	var numbers []int
	for i, odd := range pop3test.Odd {
		numbers = append(numbers, i+1)
		body, err := c.Retr(ctx, i+1)
		clientCompare(t, odd.Name, body, err, pop3test.Canonical(odd.Message))
		body, err = c.Top(ctx, i+1, 2)
		clientCompare(t, odd.Name+", TOP", body, err, pop3test.Top(pop3test.Canonical(odd.Message), 2))
	}
	refused, err := c.Dele(ctx, append(numbers, len(mail)+1)...)
	if err != nil || errors.Join(refused[:len(mail)]...) != nil || refused[len(mail)] == nil {
		t.Errorf("DELE: %v, %v", refused, err)
	}
	if err := c.Quit(ctx); err != nil {
		t.Error(err)
	}
	server.Ends(1)
	if left := backend.Mail(); len(left) > 0 {
		t.Errorf("%d messages are left", len(left))
	}
}

func clientCompare(t *testing.T, name string, body *pop3.ClientBody, err error, want []byte) {
	t.Helper()
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	got, err := io.ReadAll(body)
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("%s: %d octets %.40q, %v; want %d %.40q", name, len(got), got, err, len(want), want)
	}
	if err := body.Close(); err != nil {
		t.Error(err)
	}
}

func TestClientSignsInToOurServer(t *testing.T) {
	backend := pop3test.NewMemory()
	server := pop3test.Start(t, &pop3.Server{Backend: backend})
	right, wrong := secret.New(backend.Password), secret.New("wrong")
	ways := map[string]func(pass secret.Text) sasl.Client{
		"PLAIN":       func(p secret.Text) sasl.Client { return sasl.NewPlainClient("", backend.User, p.Reveal()) },
		"LOGIN":       func(p secret.Text) sasl.Client { return sasl.NewLoginClient(backend.User, p.Reveal()) },
		"XOAUTH2":     func(p secret.Text) sasl.Client { return pop3.NewXOAuth2Client(backend.User, p) },
		"OAUTHBEARER": func(p secret.Text) sasl.Client { return pop3.NewOAuthBearerClient(backend.User, p) },
	}
	for name, way := range ways {
		c := clientOf(t, server.Address)
		var refused *pop3.ReplyError
		if err := c.Auth(t.Context(), way(wrong)); !errors.As(err, &refused) || refused.Code != pop3.CodeAuth {
			t.Errorf("%s with a wrong password: %v", name, err)
		}
		if err := c.Auth(t.Context(), way(right)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if err := c.Quit(t.Context()); err != nil {
			t.Errorf("%s: QUIT: %v", name, err)
		}
	}
}
