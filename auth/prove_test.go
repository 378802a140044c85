package auth

import (
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"errors"
	"net/url"
	"strings"
	"testing"

	"github.com/restante-mail/restante/secret"
	"github.com/restante-mail/restante/upstream"
)

type provider struct{ upstream.TokenSource }

func (p provider) Source(a Account, user string) (upstream.TokenSource, error) {
	if a.Upstream.Provider != "m365" || user != "alice@example.com" {
		return nil, errors.New("no such provider")
	}
	return p, nil
}

func TestProve(t *testing.T) {
	k := freshKeyring(t)
	own := mustSeal(t, k, "alice", UpstreamPurpose, "own")
	shared := mustSeal(t, k, "main", MasterPurpose, "shared")
	master := Master{Upstream: "main", User: "chief", Sealed: shared}
	d := NewDirectory(nil)
	d.Keys, d.Tokens = k, provider{}
	for _, test := range []struct {
		name     string
		identity Identity
		master   Master
		want     string // user, whom they act as, secret
	}{
		{"the upstream's master user", Identity{}, master, "chief alice@example.com shared"},
		{"by name", Identity{Method: ByMaster, ActAs: "box"}, master, "chief box shared"},
		{"one of the account's own", Identity{Method: ByMaster, User: "deputy", Sealed: own}, master, "deputy alice@example.com own"},
		{"a password", Identity{Method: ByPassword, Sealed: own}, Master{}, "alice@example.com  own"},
		{"a password of somebody else", Identity{Method: ByPassword, User: "al", Sealed: own}, Master{}, "al  own"},
		{"a password, for a shared mailbox", Identity{Method: ByPassword, ActAs: "team", Sealed: own}, Master{}, "alice@example.com team own"},
		{"a certificate", Identity{Method: ByCertificate, User: "al"}, Master{}, "al  external"},
		{"a token", Identity{Method: ByOAuth2, Provider: "m365"}, Master{}, "alice@example.com  token"},
		{"a token of nobody we know", Identity{Method: ByOAuth2, Provider: "other"}, Master{}, ""},
		{"no master user", Identity{}, Master{Upstream: "main"}, ""},
		{"another's password", Identity{Method: ByPassword, Sealed: shared}, master, ""},
	} {
		p, err := d.Prove(Account{Name: "Alice", Upstream: test.identity}, "alice@example.com", test.master)
		got := strings.Join([]string{p.User, p.ActAs, p.Secret.Reveal()}, " ")
		if owner := test.identity.Owner("alice@example.com"); err == nil && owner != p.Owner() {
			t.Errorf("%s: the owner is %q, or %q", test.name, owner, p.Owner())
		}
		switch {
		case err != nil:
			got = ""
		case p.External:
			got += "external"
		case p.Tokens != nil:
			got += "token"
		}
		if got != test.want || (err != nil) != errors.Is(err, ErrSetup) {
			t.Errorf("%s: %q, %v; want %q", test.name, got, err, test.want)
		}
	}
}

func TestMatchCertificate(t *testing.T) {
	uri, _ := url.Parse("urn:device:7")
	c := &x509.Certificate{Raw: []byte("der"), Subject: pkix.Name{CommonName: "Printer 7"}, DNSNames: []string{"printer.example.com"},
		EmailAddresses: []string{"a@example.com", "alice@example.com"}, URIs: []*url.URL{uri}}
	sum := sha256.Sum256(c.Raw)
	fingerprint := hex.EncodeToString(sum[:])
	for description, want := range map[string]bool{
		"email:alice@example.com": true, "email:ALICE@example.com": true, "email:bob@example.com": false, "dns:alice@example.com": false,
		"dns:printer.example.com": true, "dns:example.com": false, "cn:printer 7": true, "cn:printer": false, "uri:urn:device:7": true,
		"sha256:" + fingerprint: true, "sha256:" + strings.Repeat("0", 64): false,
	} {
		if got := matchCertificate(description, c); got != want {
			t.Errorf("%s: %v", description, got)
		}
		if err := checkCertificate(description); err != nil {
			t.Errorf("%s: %v", description, err)
		}
	}
	for _, description := range []string{"", "cn:", "email", "o:Example", "sha256:12", "sha256:" + strings.Repeat("0", 62) + ":0"} {
		if matchCertificate(description, &x509.Certificate{}) || checkCertificate(description) == nil {
			t.Errorf("%q passes", description)
		}
	}
}

func TestCheck(t *testing.T) {
	k := freshKeyring(t)
	sealed := mustSeal(t, k, "alice", "p", "x")
	hash := func() string { return HashPassword(secret.New("x"), "") }
	one := []Secret{{Label: "a", Hash: hash()}}
	good := []Account{
		{Name: "alice"}, {Name: "alice", Secrets: one, Upstream: Identity{Method: ByPassword, Sealed: sealed}},
		{Name: "a", Secrets: []Secret{{Label: "a", Sealed: sealed}, {Label: "b", Certificate: "cn:x"}}},
		{Name: "a", Upstream: Identity{Method: ByOAuth2, Provider: "m365", Grant: "device"}},
		{Name: "a", Upstream: Identity{Method: ByMaster, User: "chief", Sealed: sealed, ActAs: "box"}},
	}
	for _, a := range good {
		if err := a.Check(); err != nil {
			t.Errorf("%+v: %v", a, err)
		}
		settings, err := a.Encode()
		if err != nil {
			t.Fatal(err)
		}
		if back, err := Decode(a.Name, settings); err != nil || len(back.Secrets) != len(a.Secrets) || back.Upstream != a.Upstream {
			t.Errorf("%s: %+v, %v", settings, back, err)
		}
	}
	bad := map[string]Account{
		"no name": {}, "line end": {Name: "a\nb"}, "long": {Name: strings.Repeat("x", maxText+1)},
		"no label": {Name: "a", Secrets: []Secret{{Hash: hash()}}}, "nothing": {Name: "a", Secrets: []Secret{{Label: "a"}}},
		"two kinds": {Name: "a", Secrets: []Secret{{Label: "a", Hash: hash(), Sealed: sealed}}},
		"plain":     {Name: "a", Secrets: []Secret{{Label: "a", Hash: "secret"}}}, "not sealed": {Name: "a", Secrets: []Secret{{Label: "a", Sealed: "secret"}}},
		"twice":      {Name: "a", Secrets: append(one, one...)},
		"salts":      {Name: "a", Secrets: []Secret{{Label: "a", Hash: hash()}, {Label: "b", Hash: hash()}, {Label: "c", Hash: hash()}, {Label: "d", Hash: hash()}, {Label: "e", Hash: hash()}}},
		"many":       {Name: "a", Secrets: make([]Secret, maxSecrets+1)},
		"method":     {Name: "a", Upstream: Identity{Method: "kerberos"}},
		"unsealed":   {Name: "a", Upstream: Identity{Method: ByPassword}},
		"useless":    {Name: "a", Upstream: Identity{Sealed: sealed}},
		"half":       {Name: "a", Upstream: Identity{Method: ByMaster, User: "chief"}},
		"nobody":     {Name: "a", Upstream: Identity{Method: ByOAuth2}},
		"provider":   {Name: "a", Upstream: Identity{Provider: "m365"}},
		"injection":  {Name: "a", Upstream: Identity{Method: ByCertificate, User: "a\r\nb"}},
		"plain text": {Name: "a", Upstream: Identity{Method: ByPassword, Sealed: "secret"}},
	}
	for name, a := range bad {
		if err := a.Check(); err == nil {
			t.Errorf("%s: %+v passes", name, a)
		}
	}
}
