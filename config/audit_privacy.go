package config

import (
	"bytes"

	"github.com/restante-mail/restante/audit"
)

// minPrivacyKey is the shortest key, in octets, that nobody tries out.
const minPrivacyKey = 16

// auditPrivacy is what the trail may say of people.
func (b *builder) auditPrivacy(t *AuditTable) (p audit.Privacy) {
	hashes := false
	for _, f := range []struct {
		key, written string
		choice       *audit.Choice
	}{{"user", t.User, &p.User}, {"client", t.Client, &p.Client}, {"from", t.From, &p.From}, {"subject", t.Subject, &p.Subject}} {
		if err := f.choice.UnmarshalText([]byte(f.written)); err != nil {
			b.addf(child("audit", f.key), "%v", err)
		}
		hashes = hashes || *f.choice == audit.Hash
	}
	p.Key = b.privacyKey(t.PrivacyKey, hashes)
	return p
}

// privacyKey reads the key of the hashes. It may be needed to search what was
// hashed before, also if nothing is now.
func (b *builder) privacyKey(path string, needed bool) []byte {
	if path == "" {
		if needed {
			b.addf("audit.privacy_key", "is missing, and hashes need a key; make one: openssl rand -hex 32 > audit-privacy.key")
		}
		return nil
	}
	key, err := b.files.read(path)
	key = bytes.TrimSpace(key)
	switch {
	case err != nil:
		b.addf("audit.privacy_key", "%s: %v", path, err)
	case len(key) < minPrivacyKey:
		b.addf("audit.privacy_key", "%s: has %d octets; a key has at least %d; make one: openssl rand -hex 32 > %s", path, len(key), minPrivacyKey, path)
	}
	return key
}
