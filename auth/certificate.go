package auth

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"slices"
	"strings"
)

// certificateKinds are the parts of a client certificate that an account can
// ask for. Whether the certificate itself is good is the listener's affair.
var certificateKinds = map[string]func(*x509.Certificate) []string{
	"email": func(c *x509.Certificate) []string { return c.EmailAddresses },
	"dns":   func(c *x509.Certificate) []string { return c.DNSNames },
	"cn":    func(c *x509.Certificate) []string { return []string{c.Subject.CommonName} },
	"uri": func(c *x509.Certificate) (uris []string) {
		for _, u := range c.URIs {
			uris = append(uris, u.String())
		}
		return uris
	},
	"sha256": func(c *x509.Certificate) []string {
		sum := sha256.Sum256(c.Raw)
		return []string{hex.EncodeToString(sum[:])}
	},
}

// matchCertificate tells whether a certificate is what a Secret describes:
// "email:", "dns:", "uri:" or "cn:" and a name that it must have, or "sha256:"
// and the hash of it in hexadecimal.
func matchCertificate(description string, c *x509.Certificate) bool {
	kind, want, _ := strings.Cut(description, ":")
	parts, known := certificateKinds[kind]
	return known && want != "" && slices.ContainsFunc(parts(c), func(have string) bool { return strings.EqualFold(have, want) })
}

func checkCertificate(description string) error {
	kind, want, _ := strings.Cut(description, ":")
	if certificateKinds[kind] == nil || want == "" {
		return errors.New("the certificate is not described as email:NAME, dns:NAME, uri:URI, cn:NAME or sha256:HEX")
	}
	if sum, err := hex.DecodeString(want); kind == "sha256" && (err != nil || len(sum) != sha256.Size) {
		return errors.New("sha256: needs 64 hexadecimal digits, without colons")
	}
	return nil
}
