package oauthtest

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// refusal is an error of RFC 6749 section 5.2.
type refusal struct{ code, description string }

func (r *refusal) Error() string { return r.code }

// token answers requests for tokens.
func (s *Server) token(w http.ResponseWriter, r *http.Request) {
	s.enter(r)
	defer s.leave()
	s.mu.Lock()
	fault := s.Fault
	s.mu.Unlock()
	if fault != nil && fault(w, r) {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	answer, err := s.grant(r)
	var no *refusal
	if errors.As(err, &no) {
		status := http.StatusBadRequest
		if no.code == "invalid_client" {
			status = http.StatusUnauthorized
		}
		Fail(w, status, no.code, no.description)
		return
	}
	reply(w, http.StatusOK, answer)
}

func (s *Server) enter(r *http.Request) {
	_ = r.ParseForm() // grant looks at what came of it
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked[r.PostForm.Get("grant_type")]++
	s.inFlight++
	s.most = max(s.most, s.inFlight)
}

func (s *Server) leave() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.inFlight--
}

func (s *Server) grant(r *http.Request) (map[string]any, error) {
	form := r.PostForm
	for _, values := range form {
		if len(values) > 1 { // RFC 6749 section 3.2
			return nil, &refusal{"invalid_request", "a parameter is there twice"}
		}
	}
	if r.Header.Get("Content-Type") != "application/x-www-form-urlencoded" || r.URL.RawQuery != "" {
		return nil, &refusal{"invalid_request", "not a form"}
	}
	grant := form.Get("grant_type")
	if grant == "urn:ietf:params:oauth:grant-type:jwt-bearer" {
		return s.byAssertion(form.Get("assertion"))
	}
	client, err := s.client(r)
	if err != nil {
		return nil, err
	}
	switch grant {
	case "refresh_token":
		return s.byRefresh(client, form)
	case "authorization_code":
		return s.byCode(client, form)
	case "urn:ietf:params:oauth:grant-type:device_code":
		return s.byDevice(client, form)
	case "client_credentials":
		if s.Clients[client].Secret == "" { // section 4.4: confidential clients only
			return nil, &refusal{"unauthorized_client", ""}
		}
		return s.own(client, "", form.Get("scope"))
	}
	return nil, &refusal{"unsupported_grant_type", grant}
}

// client is who asks, and has proved it in its one way.
func (s *Server) client(r *http.Request) (string, error) {
	name, password, header := r.BasicAuth()
	if !header {
		name, password = r.PostForm.Get("client_id"), r.PostForm.Get("client_secret")
	} else {
		name, _ = url.QueryUnescape(name) // section 2.3.1
		password, _ = url.QueryUnescape(password)
	}
	c, known := s.Clients[name]
	if !known || c.Secret != password || header != c.Header || header && r.PostForm.Get("client_secret") != "" {
		return "", &refusal{"invalid_client", "who are you?"}
	}
	return name, nil
}

// byRefresh takes each token once. A second time somebody has stolen it, and
// nobody can know who: all that came of the consent ends.
func (s *Server) byRefresh(client string, form url.Values) (map[string]any, error) {
	f := s.refresh[form.Get("refresh_token")]
	if f == nil || f.client != client || f.revoked {
		return nil, &refusal{"invalid_grant", "the refresh token is not good"}
	}
	if f.current != form.Get("refresh_token") {
		f.revoked = true
		return nil, &refusal{"invalid_grant", "the refresh token was used before"}
	}
	return s.answer(f), nil
}

func (s *Server) byCode(client string, form url.Values) (map[string]any, error) {
	c, known := s.codes[form.Get("code")]
	delete(s.codes, form.Get("code"))
	sum := sha256.Sum256([]byte(form.Get("code_verifier")))
	if !known || c.client != client || c.redirect != form.Get("redirect_uri") || !s.Now().Before(c.expires) ||
		base64.RawURLEncoding.EncodeToString(sum[:]) != c.challenge {
		return nil, &refusal{"invalid_grant", "the code is not good"}
	}
	return s.answer(&family{client: client, user: c.user, scope: c.scope}), nil
}

func (s *Server) byDevice(client string, form url.Values) (map[string]any, error) {
	d := s.devices[form.Get("device_code")]
	now := s.Now()
	switch {
	case d == nil || d.client != client:
		return nil, &refusal{"invalid_grant", "no such code"}
	case !now.Before(d.expires):
		return nil, &refusal{"expired_token", ""}
	case !d.polled.IsZero() && now.Sub(d.polled) < d.interval-100*time.Millisecond: // what the network may do
		d.interval += 5 * time.Second
		return nil, &refusal{"slow_down", ""}
	case d.denied:
		return nil, &refusal{"access_denied", ""}
	case d.user == "":
		d.polled = now
		return nil, &refusal{"authorization_pending", ""}
	}
	delete(s.devices, form.Get("device_code"))
	return s.answer(&family{client: client, user: d.user, scope: d.scope}), nil
}

// own is a token without a refresh token.
func (s *Server) own(client, user, scope string) (map[string]any, error) {
	expires := s.Now().Add(max(s.Life, -s.Life))
	token := s.accessToken(client, user, scope, expires)
	s.access[token] = access{client: client, user: user, scope: scope, expires: expires}
	return s.worded(token, ""), nil
}

func (s *Server) answer(f *family) map[string]any {
	token, refresh, _ := s.issue(f)
	return s.worded(token, refresh)
}

func (s *Server) worded(token, refresh string) map[string]any {
	answer := map[string]any{"access_token": token, "token_type": "Bearer"}
	if s.Life >= 0 {
		answer["expires_in"] = int64(s.Life / time.Second)
	}
	if refresh != "" {
		answer["refresh_token"] = refresh
	}
	return answer
}

// byAssertion checks what RFC 7523 section 3 demands.
func (s *Server) byAssertion(assertion string) (map[string]any, error) {
	var head struct{ Alg, Kid string }
	var claims struct {
		Iss, Sub, Aud, Scope string
		Exp, Iat             int64
	}
	parts := strings.Split(assertion, ".")
	if len(parts) != 3 || decode(parts[0], &head) != nil || decode(parts[1], &claims) != nil || head.Alg != "RS256" {
		return nil, &refusal{"invalid_grant", "Invalid JWT"}
	}
	signature, err := base64.RawURLEncoding.DecodeString(parts[2])
	sum := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	c := s.Clients[claims.Iss]
	if err != nil || c.Key == nil || rsa.VerifyPKCS1v15(c.Key, crypto.SHA256, sum[:], signature) != nil {
		return nil, &refusal{"invalid_grant", "Invalid JWT Signature."}
	}
	now := s.Now().Unix()
	if claims.Aud != s.URL+"/token" || claims.Iat > now || claims.Exp <= now || claims.Exp > now+3600 {
		return nil, &refusal{"invalid_grant", "Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe."}
	}
	return s.own(claims.Iss, claims.Sub, claims.Scope)
}

func decode(part string, into any) error {
	data, err := base64.RawURLEncoding.DecodeString(part)
	if err != nil {
		return err
	}
	return json.Unmarshal(data, into)
}

// accessToken is opaque, or a JWT as RFC 9068 has it.
func (s *Server) accessToken(client, user, scope string, expires time.Time) string {
	if !s.JWT {
		return "access." + rand.Text()
	}
	head, _ := json.Marshal(map[string]string{"alg": "RS256", "typ": "JWT", "kid": "test"})
	claims, _ := json.Marshal(map[string]any{
		"iss": s.URL, "sub": user, "aud": "mail", "azp": "default", "client_id": client, "scope": scope, "jti": rand.Text(),
		"iat": s.Now().Add(-10 * time.Second).Unix(), "exp": expires.Unix(),
	})
	text := base64.RawURLEncoding.EncodeToString(head) + "." + base64.RawURLEncoding.EncodeToString(claims)
	sum := sha256.Sum256([]byte(text))
	signature, _ := rsa.SignPKCS1v15(rand.Reader, s.Key, crypto.SHA256, sum[:]) // fails only for keys that are too short
	return text + "." + base64.RawURLEncoding.EncodeToString(signature)
}
