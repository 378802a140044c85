package audit

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"time"
)

// A Signer signs checkpoints.
type Signer struct {
	key ed25519.PrivateKey
	id  string
}

// A Verifier knows public keys by their ids.
type Verifier map[string]ed25519.PublicKey

// keyID names a key in 16 hex digits.
func keyID(public ed25519.PublicKey) string {
	s := sha256.Sum256(public)
	return hex.EncodeToString(s[:8])
}

// ID names the key, as checkpoints do.
func (s *Signer) ID() string { return s.id }

// NewKey makes a key pair, both as PEM: the private one is PKCS #8, the public
// one SubjectPublicKeyInfo, as openssl reads and writes them.
func NewKey() (private, public []byte, id string, err error) {
	pub, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, nil, "", err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, nil, "", err
	}
	pubDER, err := x509.MarshalPKIXPublicKey(pub)
	if err != nil {
		return nil, nil, "", err
	}
	private = pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
	public = pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: pubDER})
	return private, public, keyID(pub), nil
}

var errNoKey = errors.New("holds no ed25519 key in PEM; make one with restante audit keygen")

// ReadSigner reads a private key in PEM.
func ReadSigner(data []byte) (*Signer, error) {
	block, _ := pem.Decode(data)
	if block == nil || block.Type != "PRIVATE KEY" {
		return nil, errNoKey
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	key, ok := parsed.(ed25519.PrivateKey)
	if err != nil || !ok {
		return nil, errNoKey
	}
	return &Signer{key, keyID(key.Public().(ed25519.PublicKey))}, nil
}

// Add reads a key in PEM, public or private, and returns its id.
func (v Verifier) Add(data []byte) (id string, err error) {
	if s, err := ReadSigner(data); err == nil {
		v[s.id] = s.key.Public().(ed25519.PublicKey)
		return s.id, nil
	}
	block, _ := pem.Decode(data)
	if block == nil || block.Type != "PUBLIC KEY" {
		return "", errNoKey
	}
	parsed, err := x509.ParsePKIXPublicKey(block.Bytes)
	key, ok := parsed.(ed25519.PublicKey)
	if err != nil || !ok {
		return "", errNoKey
	}
	id = keyID(key)
	v[id] = key
	return id, nil
}

// signed is what comes before a signature, so that no other use of the key can
// be taken for one.
const signed = "restante audit checkpoint 1\n"

// sigMember begins the last member of a signed line.
const sigMember = `,"sig":"`

// checkpoint appends a checkpoint to the chain, signed if there is a key. The
// signature is over the line up to itself, and so over the hash of the line
// before, and so over the whole chain.
func (h *head) checkpoint(s *Signer, why string, now time.Time) []byte {
	r := record{Event: kindCheckpoint, Why: why}
	if s == nil {
		return h.link(r.encode(now))
	}
	r.Key = s.id
	unsigned := *h
	body := unsigned.link(r.encode(now))
	body = body[:len(body)-1]
	sig := ed25519.Sign(s.key, append([]byte(signed), body...))
	line := append(body, sigMember...)
	line = base64.RawStdEncoding.AppendEncode(line, sig)
	line = append(line, `"}`...)
	*h = head{h.chain, h.seq + 1, sha256.Sum256(line)}
	return line
}

// check checks the signature of a checkpoint line.
func (v Verifier) check(line []byte, r record) error {
	at := bytes.LastIndex(line, []byte(sigMember))
	key, known := v[r.Key]
	switch {
	case r.Sig == "" || at < 0:
		return errUnsigned
	case !known:
		return fmt.Errorf("%w %.40q", errUnknownKey, r.Key)
	}
	sig, err := base64.RawStdEncoding.Strict().DecodeString(r.Sig)
	if err != nil || !bytes.Equal(line[at+len(sigMember):], []byte(r.Sig+`"}`)) ||
		!ed25519.Verify(key, append([]byte(signed), line[:at]...), sig) {
		return errBadSignature
	}
	return nil
}

var (
	errUnsigned     = errors.New("is not signed")
	errUnknownKey   = errors.New("is signed with a key that was not given")
	errBadSignature = errors.New("has a signature that is not true")
)
