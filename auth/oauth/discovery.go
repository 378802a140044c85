package oauth

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"
)

// discovery remembers what a provider has said of itself.
type discovery struct {
	mu      sync.Mutex
	known   Endpoints
	learned time.Time
}

// relearn is when it is asked again: endpoints move once in years.
const relearn = 24 * time.Hour

// document is OpenID Connect Discovery 1.0 section 3 (and RFC 8414, 8628).
type document struct {
	Issuer    string `json:"issuer"`
	Token     string `json:"token_endpoint"`
	Authorize string `json:"authorization_endpoint"`
	Device    string `json:"device_authorization_endpoint"`
}

// endpoints are those of the configuration, and else what discovery says.
func (p *Provider) endpoints(ctx context.Context, now func() time.Time) (Endpoints, error) {
	if p.Issuer == "" {
		return p.Endpoints, nil
	}
	d := &p.discovery
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.learned.IsZero() || now().Sub(d.learned) > relearn {
		found, err := p.discover(ctx, now)
		if err != nil && d.learned.IsZero() {
			return Endpoints{}, fmt.Errorf("discover the endpoints of %s: %w", p.Issuer, err)
		}
		if err == nil {
			d.known = found
		}
		d.learned = now() // also of a failure: what was known is good enough for another day
	}
	return p.Endpoints.Fill(d.known), nil
}

func (p *Provider) discover(ctx context.Context, now func() time.Time) (Endpoints, error) {
	c := p.call(ctx, now)
	address := strings.TrimSuffix(p.Issuer, "/") + "/.well-known/openid-configuration"
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return Endpoints{}, err
	}
	answer, err := c.RoundTrip(r)
	if err != nil {
		return Endpoints{}, c.failure(err, nil)
	}
	defer answer.Body.Close()
	body, _ := io.ReadAll(answer.Body) // it is in memory
	var d document
	if answer.StatusCode != http.StatusOK {
		return Endpoints{}, c.failure(errors.New("no document"), nil)
	}
	if err := json.Unmarshal(body, &d); err != nil {
		return Endpoints{}, &Failure{text: "the document of discovery is not one"}
	}
	return d.check(p.Issuer)
}

// check refuses a document that speaks for somebody else (section 4.3), or
// sends secrets over an open line.
func (d document) check(issuer string) (Endpoints, error) {
	if strings.TrimSuffix(d.Issuer, "/") != strings.TrimSuffix(issuer, "/") {
		return Endpoints{}, &Failure{text: fmt.Sprintf("the document there is of another issuer, %q", printable(d.Issuer, nil))}
	}
	for _, address := range []string{d.Token, d.Authorize, d.Device} {
		if address != "" && CheckURL(address) != nil {
			return Endpoints{}, &Failure{text: fmt.Sprintf("the document names an endpoint that is not https: %q", printable(address, nil))}
		}
	}
	return Endpoints{Token: d.Token, Authorize: d.Authorize, Device: d.Device}, nil
}
