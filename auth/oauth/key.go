package oauth

import (
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"

	"github.com/restante-mail/restante/secret"
)

// A Key is a service account's.
type Key struct {
	// ID names it to the provider; may be "".
	ID string
	// Email is the account's name, if the key file has it.
	Email string
	// PEM is the RSA key.
	PEM secret.Text
}

// minKey is what RFC 7518 section 3.3 demands of RS256, in bits.
const minKey = 2048

// ParseKey reads a key file: JSON as Google hands it out, or PEM. No error has
// any of it.
func ParseKey(data []byte) (*Key, error) {
	k := &Key{PEM: secret.New(string(data))}
	if isObject(data) {
		var file struct {
			Email string `json:"client_email"`
			ID    string `json:"private_key_id"`
			Key   string `json:"private_key"`
		}
		if json.Unmarshal(data, &file) != nil || file.Key == "" {
			return nil, errors.New("this JSON is no key of a service account: private_key is missing")
		}
		k.ID, k.Email, k.PEM = file.ID, file.Email, secret.New(file.Key)
	}
	block, _ := pem.Decode([]byte(k.PEM.Reveal()))
	if block == nil {
		return nil, errors.New("there is no PEM in it, and it is not the JSON file that the provider hands out")
	}
	key, err := parseRSA(block.Bytes)
	if err != nil {
		return nil, err
	}
	if key.N.BitLen() < minKey {
		return nil, errors.New("the RSA key has less than 2048 bits")
	}
	return k, nil
}

func parseRSA(der []byte) (*rsa.PrivateKey, error) {
	if key, err := x509.ParsePKCS1PrivateKey(der); err == nil {
		return key, nil
	}
	parsed, err := x509.ParsePKCS8PrivateKey(der)
	if key, ok := parsed.(*rsa.PrivateKey); err == nil && ok {
		return key, nil
	}
	return nil, errors.New("it is no private RSA key without a passphrase")
}
