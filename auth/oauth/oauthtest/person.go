package oauthtest

import (
	"crypto/rand"
	"net"
	"net/http"
	"net/url"
	"time"
)

// code is what a browser brings back.
type code struct {
	client, redirect, challenge, user, scope string
	expires                                  time.Time
}

// device is a device code and what the person has made of it.
type device struct {
	client, scope, userCode string
	user                    string
	denied                  bool
	expires, polled         time.Time
	interval                time.Duration
}

// authorize consents at once, as User. Without PKCE nobody gets a code.
func (s *Server) authorize(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	q := r.URL.Query()
	back, err := url.Parse(q.Get("redirect_uri"))
	if _, known := s.Clients[q.Get("client_id")]; !known || err != nil || back.Scheme != "http" || !loopback(back.Hostname()) {
		http.Error(w, "unknown client or redirect_uri", http.StatusBadRequest) // RFC 6749 section 4.1.2.1: no redirect
		return
	}
	answer := url.Values{"state": {q.Get("state")}, "iss": {s.URL}}
	switch {
	case q.Get("response_type") != "code" || q.Get("code_challenge_method") != "S256" || len(q.Get("code_challenge")) != 43 || q.Get("state") == "":
		answer.Set("error", "invalid_request")
	case s.User == "":
		answer.Set("error", "access_denied")
	default:
		c := rand.Text()
		s.codes[c] = code{q.Get("client_id"), q.Get("redirect_uri"), q.Get("code_challenge"), s.User, q.Get("scope"), s.Now().Add(time.Minute)}
		answer.Set("code", c)
	}
	back.RawQuery = answer.Encode()
	http.Redirect(w, r, back.String(), http.StatusFound)
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

func (s *Server) device(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	client := r.PostFormValue("client_id")
	if _, known := s.Clients[client]; !known {
		Fail(w, http.StatusUnauthorized, "invalid_client", "")
		return
	}
	name := "device." + rand.Text()
	d := &device{
		client: client, scope: r.PostFormValue("scope"), userCode: rand.Text()[:8],
		expires: s.Now().Add(10 * time.Minute), interval: time.Duration(s.Interval) * time.Second,
	}
	s.devices[name] = d
	reply(w, http.StatusOK, map[string]any{
		"device_code": name, "user_code": d.userCode, "verification_uri": s.URL + "/activate", "expires_in": 600, "interval": s.Interval,
	})
}

// Approve is the person who types the code; user "" declines. It tells whether
// there is such a code.
func (s *Server) Approve(userCode, user string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, d := range s.devices {
		if d.userCode == userCode {
			d.user, d.denied = user, user == ""
			return true
		}
	}
	return false
}
