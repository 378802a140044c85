package peertest

import (
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"path/filepath"
)

// tokens are how Dovecot judges tokens of OAuth2.
type tokens struct {
	introspection string
	key           *rsa.PublicKey
}

// WithTokens takes tokens by XOAUTH2 and OAUTHBEARER, too, and asks the
// introspection endpoint about each, a URL with the client's name and secret.
func WithTokens(introspection string) Option {
	return func(s *settings) { s.tokens = &tokens{introspection: introspection} }
}

// WithSignedTokens takes JWTs that were signed with the key (kid "test"), and asks
// nobody.
func WithSignedTokens(key *rsa.PublicKey) Option {
	return func(s *settings) { s.tokens = &tokens{key: key} }
}

// prepareTokens writes what Dovecot's oauth2 passdb reads.
func (d *DovecotServer) prepareTokens() {
	t := d.settings.tokens
	if t == nil {
		return
	}
	if t.key == nil {
		d.write("oauth2.conf.ext", fmt.Sprintf("introspection_mode = post\nintrospection_url = %s\nusername_attribute = username\nactive_attribute = active\nactive_value = true\ntimeout_msecs = 5000\n", t.introspection))
		return
	}
	der, err := x509.MarshalPKIXPublicKey(t.key)
	if err != nil {
		d.t.Fatalf("%v", err)
	}
	keys := filepath.Join("keys", "default", "RS256")
	for _, sub := range []string{"keys", filepath.Dir(keys), keys} {
		d.owner.mkdir(d.t, filepath.Join(d.dir, sub))
	}
	d.write(filepath.Join(keys, "test"), string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})))
	d.write("oauth2.conf.ext", fmt.Sprintf("introspection_mode = local\nlocal_validation_key_dict = fs:posix:prefix=%s/\nusername_attribute = sub\n", filepath.Join(d.dir, "keys")))
}

// tokenConfig adds the passdb in front of the others.
func (d *DovecotServer) tokenConfig() string {
	if d.settings.tokens == nil {
		return ""
	}
	return fmt.Sprintf(`
auth_mechanisms = plain login xoauth2 oauthbearer
passdb {
  driver = oauth2
  mechanisms = xoauth2 oauthbearer
  args = %s/oauth2.conf.ext
}
`, d.dir)
}
