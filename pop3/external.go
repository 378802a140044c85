package pop3

import (
	"crypto/x509"
	"slices"
)

// externalServer takes the name that the client asks for, which may be none:
// the certificate has names too (RFC 4422 appendix A).
type externalServer struct{ cred *Credentials }

func (e *externalServer) Next(response []byte) (challenge []byte, done bool, err error) {
	if response == nil {
		return []byte{}, false, nil
	}
	e.cred.User = string(response)
	return nil, true, nil
}

// certificate is the client's, if it has one that was verified.
func (c *conn) certificate() *x509.Certificate {
	if c.peer.TLS == nil || len(c.peer.TLS.VerifiedChains) == 0 {
		return nil
	}
	return c.peer.TLS.PeerCertificates[0]
}

// nameIn is who a certificate says that its owner is.
func nameIn(c *x509.Certificate) string {
	if len(c.EmailAddresses) > 0 {
		return c.EmailAddresses[0]
	}
	return c.Subject.CommonName
}

// mechanisms are those that are configured, exist, and can work for this client.
func (c *conn) mechanisms() []string {
	if c.quirks.NoPlainSASL && c.tls == nil {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(c.server.mechanisms()), func(name string) bool {
		return name == mechExternal && c.certificate() == nil || c.server.Offers != nil && !c.server.Offers(name)
	})
}
