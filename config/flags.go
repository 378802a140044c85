package config

import "strings"

// DefaultListen is where clients are listened for if nobody says where.
const DefaultListen = "pop3://127.0.0.1:1110"

// ForUpstream makes the configuration that needs no file: one upstream, some
// listeners, one policy for everybody ("" is the default). A listener is
// pop3://host:port, which offers STLS if there is a certificate, or
// pop3s://host:port for implicit TLS; none stands for DefaultListen. Problems
// found here and by Compile name the flags of restante serve.
func ForUpstream(url string, listen []string, cert, key, policyName string) (*Config, error) {
	c := Defaults()
	c.origins = places{
		"upstream":        {path: "--upstream"},
		"upstream[0]":     {path: "--upstream"},
		"upstream[0].url": {path: "--upstream"},
		"tls.cert":        {path: "--cert"},
		"tls.key":         {path: "--key"},
		"route[0].policy": {path: "--policy"},
	}
	c.TLS.Cert, c.TLS.Key = cert, key
	c.Upstreams = []UpstreamTable{{URL: url}}
	c.Routes = []RouteTable{{Policy: policyName}}
	p := newProblems(c.origins)
	if len(listen) == 0 {
		listen = []string{DefaultListen}
	}
	for i, text := range listen {
		c.listenOn(element("listener", i), text, p)
	}
	if err := p.err(nil); err != nil {
		return nil, err
	}
	return c, nil
}

func (c *Config) listenOn(path, text string, p *problems) {
	for _, field := range []string{path, child(path, "address"), child(path, "tls"), child(path, "name")} {
		c.origins[field] = place{path: "--listen " + clip(text, 80)}
	}
	scheme, address, found := strings.Cut(text, "://")
	t := ListenerTable{Address: strings.TrimSuffix(address, "/")}
	switch {
	case found && scheme == "pop3": // Compile chooses between none and starttls
	case found && scheme == "pop3s":
		t.TLS = ImplicitTLS.String()
	default:
		p.addf(path, "write pop3://host:port, or pop3s://host:port for implicit TLS")
	}
	c.Listeners = append(c.Listeners, t)
}
