package config

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"slices"
	"strings"
	"time"
)

// pairFiles name a certificate chain and its key.
type pairFiles struct{ cert, key string }

// A pair is a loaded certificate with its key.
type pair struct{ tls.Certificate }

func (p *pair) getClient(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
	return &p.Certificate, nil
}

// A certificate remembers what there may be to warn about.
type certificate struct {
	place               Problem // where it was configured; no text
	file                string
	notBefore, notAfter time.Time
}

func (c certificate) warning(now time.Time) string {
	switch {
	case now.After(c.notAfter):
		return c.file + " expired on " + c.notAfter.UTC().Format(time.DateOnly) + "; clients will refuse it"
	case now.Before(c.notBefore):
		return c.file + " is not valid before " + c.notBefore.UTC().Format(time.DateTime) + " UTC; is the clock right?"
	}
	return ""
}

// certificate loads the pair that the table at path names, once for each pair;
// nil if it names none, or none that works.
func (b *builder) certificate(path, cert, key string) *pair {
	files := pairFiles{cert, key}
	switch {
	case cert == "" && key == "":
		return nil
	case cert == "":
		b.addf(child(path, "cert"), "is missing; it must name the certificate for the key %s", key)
		return nil
	case key == "":
		b.addf(child(path, "key"), "is missing; it must name the private key for the certificate %s", cert)
		return nil
	case b.pairs[files] != nil:
		return b.pairs[files]
	}
	p := b.loadPair(path, files)
	if p != nil {
		b.pairs[files] = p
		b.certificates = append(b.certificates, certificate{
			place: b.places.problem(child(path, "cert"), ""), file: cert,
			notBefore: p.Leaf.NotBefore, notAfter: p.Leaf.NotAfter,
		})
	}
	return p
}

func (b *builder) loadPair(path string, files pairFiles) *pair {
	certPEM, certErr := b.files.read(files.cert)
	if certErr == nil {
		certErr = checkCertificates(certPEM)
	}
	if certErr != nil {
		b.addf(child(path, "cert"), "%s: %v", files.cert, certErr)
	}
	keyPEM, err := b.files.read(files.key)
	if err != nil {
		b.addf(child(path, "key"), "%s: %v", files.key, err)
	}
	if certErr != nil || err != nil {
		return nil
	}
	c, err := tls.X509KeyPair(certPEM, keyPEM)
	if err != nil {
		b.addf(child(path, "key"), "%s: %s", files.key, keyProblem(err, files.cert))
		return nil
	}
	return &pair{c}
}

// keyProblem says what is wrong with a key whose certificate is good.
func keyProblem(err error, cert string) string {
	text := strings.TrimPrefix(err.Error(), "tls: ")
	switch {
	case strings.Contains(text, "does not match"):
		return "does not belong to the certificate in " + cert
	case strings.Contains(text, "failed to find"):
		return "holds no PEM private key"
	}
	return text
}

// checkCertificates wants at least one certificate, and no broken one.
func checkCertificates(data []byte) error {
	found := false
	for block, rest := pem.Decode(data); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != "CERTIFICATE" {
			continue
		}
		if _, err := x509.ParseCertificate(block.Bytes); err != nil {
			return err
		}
		found = true
	}
	if !found {
		return errors.New("holds no PEM certificate")
	}
	return nil
}

// authorities loads the file that ca names; nil stands for the system's.
func (b *builder) authorities(path, ca string) *x509.CertPool {
	if ca == "" {
		return nil
	}
	data, err := b.files.read(ca)
	if err == nil {
		err = checkCertificates(data)
	}
	if err != nil {
		b.addf(path, "%s: %v", ca, err)
		return nil
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(data)
	return pool
}

// A Certificate is one that is in use, and until when it may be.
type Certificate struct {
	File     string
	NotAfter time.Time
}

// Certificates are those of listeners and upstreams, each file once.
func (s *Snapshot) Certificates() []Certificate {
	all := make([]Certificate, 0, len(s.certificates))
	for _, c := range s.certificates {
		known := slices.ContainsFunc(all, func(o Certificate) bool { return o.File == c.file })
		if !known {
			all = append(all, Certificate{c.file, c.notAfter})
		}
	}
	return all
}
