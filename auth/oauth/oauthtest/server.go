// Package oauthtest is a server of OAuth2 tokens for tests: authorization code
// with PKCE (RFC 6749, 7636), device codes (RFC 8628), refresh tokens that are
// replaced at each use and revoked at the second (RFC 9700), client credentials,
// signed assertions (RFC 7523), introspection (RFC 7662) and discovery. It takes
// the RFCs at their word and refuses what a lenient server would let pass. It
// keeps everything in memory, and has no users but those that a test names.
package oauthtest

import (
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"sync"
	"time"
)

// T is what of testing.TB is needed.
type T interface {
	Helper()
	Cleanup(func())
}

// A Client is a program that may ask for tokens.
type Client struct {
	Secret string // "": a public client
	// Header: the secret must come in HTTP's header, else it must be in the form.
	Header bool
	// Key of a service account.
	Key *rsa.PublicKey
}

// A Server runs until its test ends. Its fields are set before it is asked, or
// with Set.
type Server struct {
	*httptest.Server
	mu sync.Mutex
	// Clients by name.
	Clients map[string]Client
	// Life of access tokens; a negative one is not told.
	Life time.Duration
	// Keep: refresh tokens are not replaced.
	Keep bool
	// NoRefresh: there are none.
	NoRefresh bool
	// JWT: access tokens are signed, not opaque.
	JWT bool
	// Interval of device codes, in seconds.
	Interval int
	// User is who sits at the browser; "" declines.
	User string
	// Fault, if not nil, sees requests for tokens first, and tells whether it
	// has answered.
	Fault func(http.ResponseWriter, *http.Request) bool
	// Now is the server's clock.
	Now func() time.Time
	// Key signs tokens.
	Key *rsa.PrivateKey

	codes    map[string]code
	devices  map[string]*device
	refresh  map[string]*family
	access   map[string]access
	asked    map[string]int
	inFlight int
	most     int
}

// A family is one consent and all refresh tokens that come of it.
type family struct {
	client, user, scope string
	current             string
	revoked             bool
}

type access struct {
	client, user, scope string
	expires             time.Time
	family              *family
}

// signingKey is that of all servers of a test: making one takes a while.
var signingKey = sync.OnceValue(func() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err) // it never fails
	}
	return key
})

// New starts one with the public client "printer".
func New(t T) *Server {
	t.Helper()
	s := &Server{
		Clients: map[string]Client{"printer": {}}, Life: time.Hour, User: "alice", Interval: 1, Now: time.Now, Key: signingKey(),
		codes: map[string]code{}, devices: map[string]*device{}, refresh: map[string]*family{}, access: map[string]access{}, asked: map[string]int{},
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /.well-known/openid-configuration", s.discovery)
	mux.HandleFunc("GET /authorize", s.authorize)
	mux.HandleFunc("POST /device", s.device)
	mux.HandleFunc("POST /token", s.token)
	mux.HandleFunc("POST /introspect", s.introspect)
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		w.Header().Set("Date", s.Now().UTC().Format(http.TimeFormat))
		s.mu.Unlock()
		mux.ServeHTTP(w, r)
	}))
	t.Cleanup(s.Close)
	return s
}

// Set changes fields while the server runs.
func (s *Server) Set(change func(*Server)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(s)
}

// Asked is how many requests for tokens of a grant there were.
func (s *Server) Asked(grant string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked[grant]
}

// AtOnce is the most requests for tokens that were under way together.
func (s *Server) AtOnce() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.most
}

// Revoke takes back every consent, as an owner does who changes a password.
func (s *Server) Revoke() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range s.refresh {
		f.revoked = true
	}
	s.access = map[string]access{}
}

// Forget makes access tokens worthless, and leaves the consent.
func (s *Server) Forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.access = map[string]access{}
}

// Holds tells whether the token is good, and whose it is.
func (s *Server) Holds(token string) (user string, good bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	a, ok := s.access[token]
	return a.user, ok && s.Now().Before(a.expires)
}

// Consent gives a first refresh token, as if somebody had consented.
func (s *Server) Consent(client, user string) (accessToken, refreshToken string, expires time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f := &family{client: client, user: user, scope: "mail"}
	return s.issue(f)
}

// issue makes an access token, and the family's next refresh token. s.mu is held.
func (s *Server) issue(f *family) (accessToken, refreshToken string, expires time.Time) {
	expires = s.Now().Add(max(s.Life, -s.Life))
	accessToken = s.accessToken(f.client, f.user, f.scope, expires)
	s.access[accessToken] = access{f.client, f.user, f.scope, expires, f}
	if s.NoRefresh {
		return accessToken, "", expires
	}
	if f.current == "" || !s.Keep {
		f.current = "refresh." + rand.Text()
		s.refresh[f.current] = f
	}
	return accessToken, f.current, expires
}

func (s *Server) discovery(w http.ResponseWriter, _ *http.Request) {
	reply(w, http.StatusOK, map[string]any{
		"issuer": s.URL, "token_endpoint": s.URL + "/token", "authorization_endpoint": s.URL + "/authorize",
		"device_authorization_endpoint": s.URL + "/device", "introspection_endpoint": s.URL + "/introspect",
	})
}

// introspect answers to whoever is a client with a secret.
func (s *Server) introspect(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	name, password, _ := r.BasicAuth()
	if c, known := s.Clients[name]; !known || c.Secret == "" || c.Secret != password {
		reply(w, http.StatusUnauthorized, map[string]any{"error": "invalid_client"})
		return
	}
	a, known := s.access[r.PostFormValue("token")]
	if !known || !s.Now().Before(a.expires) {
		reply(w, http.StatusOK, map[string]any{"active": false})
		return
	}
	reply(w, http.StatusOK, map[string]any{
		"active": true, "username": a.user, "client_id": a.client, "scope": a.scope, "exp": a.expires.Unix(), "token_type": "Bearer",
	})
}

func reply(w http.ResponseWriter, status int, body map[string]any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}

// Fail answers with an error of RFC 6749 section 5.2.
func Fail(w http.ResponseWriter, status int, code, description string) {
	reply(w, status, map[string]any{"error": code, "error_description": description})
}
