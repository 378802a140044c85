package oauth

import (
	"net/http"
	"testing"
	"time"

	"github.com/oauth2-proxy/mockoidc"

	"github.com/restante-mail/restante/secret"
)

// A provider that others have written: discovery, a code with PKCE, and refresh.
// It tells the life of a token in nanoseconds, which are taken for seconds: a
// token is never believed to be good for longer than a day.
func TestOthersProvider(t *testing.T) {
	m, err := mockoidc.Run()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = m.Shutdown() }()
	d := newDesk(t)
	m.AccessTTL, m.RefreshTTL = time.Hour, 240*time.Hour
	p := d.provider(User)
	p.Issuer, p.ClientID, p.ClientSecret, p.Scopes = m.Issuer(), m.ClientID, secret.New(m.ClientSecret), []string{"openid", "email"}
	saved, err := d.keeper.Code(bounded(t), p, "alice", "", func(m Prompt) { go visit(t, m.URL) }, nil)
	if err != nil {
		t.Fatal(err)
	}
	source := d.keeper.Source(p, "alice", "")
	first, err := source.Token(bounded(t), secret.Text{})
	if err != nil || first.Secret.Reveal() != saved.Access.Reveal() || first.Expires.Sub(d.clock.Now()) > maxLife {
		t.Errorf("Token: %v; good for %v", err, first.Expires.Sub(d.clock.Now()))
	}
	wantUser(t, m, first.Secret)
	d.clock.add(25 * time.Hour)
	second, err := source.Token(bounded(t), secret.Text{})
	if err != nil {
		t.Fatal(err)
	}
	wantUser(t, m, second.Secret)
	for range 2 { // one for discovery, which does without
		m.QueueError(&mockoidc.ServerError{Code: http.StatusInternalServerError, Error: mockoidc.InternalServerError, Description: "on purpose"})
	}
	d.clock.add(25 * time.Hour)
	if _, err = source.Token(bounded(t), secret.Text{}); err == nil || Revoked(err) {
		t.Errorf("Token while the provider fails: %v", err)
	}
	d.clock.add(time.Minute)
	if _, err = source.Token(bounded(t), secret.Text{}); err != nil {
		t.Errorf("Token afterwards: %v", err)
	}
}

// wantUser shows the token to the provider.
func wantUser(t *testing.T, m *mockoidc.MockOIDC, token secret.Text) {
	t.Helper()
	r, err := http.NewRequest(http.MethodGet, m.UserinfoEndpoint(), nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+token.Reveal())
	answer, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		t.Errorf("the provider says %s to its token", answer.Status)
	}
}
