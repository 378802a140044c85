package upstream

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"sync/atomic"
	"time"
)

// A Visit is what connecting to one address came to, without signing in.
type Visit struct {
	Address string
	// Took is how long it took until a client could sign in: TLS, greeting and
	// capabilities included.
	Took time.Duration
	// TLS has Version 0 if there is no TLS, or if it failed.
	TLS tls.ConnectionState
	// Chain is what the server showed, its own certificate first, whether it was
	// believed or not.
	Chain []*x509.Certificate
	Report
	Err error
}

// Call makes a Visit of a probe, which is to use the settings for TLS that it is given.
func Call(ctx context.Context, address string, settings *tls.Config, probe func(context.Context, *tls.Config) (Report, error)) Visit {
	v := Visit{Address: address}
	if settings = settings.Clone(); settings == nil {
		settings = new(tls.Config)
	}
	settings.ClientSessionCache = nil // a resumed session would show no chain
	before := settings.VerifyConnection
	settings.VerifyConnection = func(state tls.ConnectionState) error {
		v.TLS, v.Chain = state, state.PeerCertificates
		if before != nil {
			return before(state)
		}
		return nil
	}
	start := time.Now()
	v.Report, v.Err = probe(ctx, settings)
	v.Took = time.Since(start)
	var untrusted *tls.CertificateVerificationError
	if errors.As(v.Err, &untrusted) {
		v.Chain = untrusted.UnverifiedCertificates
	}
	return v
}

// A Surveyor is a Mailbox that tells more of its server than any session needs.
type Surveyor interface {
	// Survey may be asked until Apply. It changes nothing.
	Survey(ctx context.Context) (Survey, error)
}

// A Survey is what a server tells after sign-in.
type Survey struct {
	// Capabilities, sorted.
	Capabilities []string
	// Folders are all that the account has; none over POP3.
	Folders []SurveyedFolder
	// ReadsLeaveNoTrace: a message may be read that no client has asked for.
	ReadsLeaveNoTrace bool
}

// A SurveyedFolder is a folder and its special uses, such as \Junk.
type SurveyedFolder struct {
	Name string   `json:"name"` // as the server writes it
	Uses []string `json:"uses,omitempty"`
}

// Watch returns conn, or, if somebody wants to know of round trips, one that
// tells.
func (h Hooks) Watch(conn net.Conn) net.Conn {
	if h.RoundTrip == nil {
		return conn
	}
	return &watched{Conn: conn, tell: h.RoundTrip}
}

// watched counts answers: the first octets that come after something was sent.
type watched struct {
	net.Conn
	tell func()
	sent atomic.Bool
}

func (w *watched) Write(p []byte) (int, error) {
	w.sent.Store(true)
	return w.Conn.Write(p)
}

func (w *watched) Read(p []byte) (int, error) {
	n, err := w.Conn.Read(p)
	if n > 0 && w.sent.Swap(false) {
		w.tell()
	}
	return n, err
}
