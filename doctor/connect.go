package doctor

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"strings"
	"syscall"
	"time"

	"github.com/restante-mail/restante/upstream"
)

// visit judges one address.
func (d *Diagnosis) visit(f *Facts, v *upstream.Visit) {
	if v.Err != nil {
		problem, remedy := unreachable(f, v)
		d.find("connect", v.Address+": "+problem, remedy)
		return
	}
	for _, c := range v.Chain {
		if left := c.NotAfter.Sub(f.Now); endsSoon(c, left) {
			d.find("connect", fmt.Sprintf("%s: the certificate of %s ends in %v, on %s", v.Address, subject(c), left.Round(time.Hour), c.NotAfter.Format(time.DateTime)),
				"see to it that it is renewed; connections are refused from then on")
		}
	}
}

// endsSoon: certificates are renewed when a third of their life is left, or a
// month before; what has a tenth or two weeks, whichever is less, was forgotten.
func endsSoon(c *x509.Certificate, left time.Duration) bool {
	return left < min(14*24*time.Hour, c.NotAfter.Sub(c.NotBefore)/10)
}

// subject is what people call a certificate.
func subject(c *x509.Certificate) string {
	if len(c.DNSNames) > 0 {
		return strings.Join(c.DNSNames, ", ")
	}
	return c.Subject.CommonName
}

// unreachable says in words why there is no connection.
func unreachable(f *Facts, v *upstream.Visit) (problem, remedy string) {
	if problem, remedy = untrusted(f, v); problem != "" {
		return problem, remedy
	}
	var dns *net.DNSError
	var plain tls.RecordHeaderError
	var network net.Error
	switch {
	case errors.As(v.Err, &dns):
		return "the name cannot be resolved: " + dns.Error(), "look whether url is written right, and at this machine's resolver"
	case errors.Is(v.Err, syscall.ECONNREFUSED):
		return "nobody answers at this port", "look at the port in url (993 and 995 for TLS, 143 and 110 for STARTTLS), and whether the server runs"
	case errors.Is(v.Err, syscall.EHOSTUNREACH), errors.Is(v.Err, syscall.ENETUNREACH):
		return "there is no way to this address", "look at this machine's network"
	case errors.As(v.Err, &plain):
		return "no TLS is spoken at this port", "imap:// or pop3:// instead of imaps:// or pop3s://, which begins TLS by STARTTLS; or the port for TLS"
	case errors.As(v.Err, &network) && network.Timeout():
		return "it did not answer in time", "look for a firewall in between; a port that expects TLS is silent to imap:// and pop3://, too"
	}
	return v.Err.Error(), ""
}

// untrusted explains certificates that are not believed.
func untrusted(f *Facts, v *upstream.Visit) (problem, remedy string) {
	var name x509.HostnameError
	var invalid x509.CertificateInvalidError
	var unknown x509.UnknownAuthorityError
	switch {
	case errors.As(v.Err, &name):
		return fmt.Sprintf("the certificate is not for %q, but for %s", name.Host, names(name.Certificate)),
			"write the name that it is for into url, or as server_name in [[upstream]]"
	case errors.As(v.Err, &invalid) && invalid.Reason == x509.Expired && f.Now.Before(invalid.Cert.NotBefore):
		return fmt.Sprintf("the certificate of %s is not valid before %s", subject(invalid.Cert), invalid.Cert.NotBefore.Format(time.DateTime)),
			"look at this machine's clock"
	case errors.As(v.Err, &invalid) && invalid.Reason == x509.Expired:
		return fmt.Sprintf("the certificate of %s has expired on %s", subject(invalid.Cert), invalid.Cert.NotAfter.Format(time.DateTime)),
			"renew it at the server; if the day seems right, look at this machine's clock"
	case errors.As(v.Err, &unknown) && len(v.Chain) > 0:
		return fmt.Sprintf("the certificate is signed by %q, whom this machine does not trust", v.Chain[len(v.Chain)-1].Issuer.CommonName),
			"for an authority of your own, ca = \"FILE.pem\" in [[upstream]]; for a public one, the server must send the certificates in between, too"
	}
	return "", ""
}

func names(c *x509.Certificate) string {
	all := c.DNSNames
	for _, ip := range c.IPAddresses {
		all = append(all, ip.String())
	}
	if len(all) == 0 {
		return "no name at all (only names in subjectAltName count)"
	}
	return strings.Join(all, ", ")
}
