package auth

import (
	"context"
	"crypto/md5"
	"encoding/hex"
	"errors"
	"strings"

	"github.com/restante-mail/restante/secret"
)

// byPassword looks for the secret that a password is. What cannot be guessed is
// compared first, for it costs nothing; then what has opened the account lately;
// and only then are hashes computed.
func (d *Directory) byPassword(ctx context.Context, account Account, secrets []Secret, a Attempt) (*Secret, error) {
	line, listed := d.Htpasswd.line(account.Name)
	if listed = listed && !account.Disabled; listed {
		secrets = append(secrets, Secret{Label: htpasswdLabel, Hash: line.encoded})
	}
	if s := byGenerated(secrets, a.Password); s != nil {
		return s, nil
	}
	s, err := d.bySealed(account.Name, secrets, a.Password)
	if s != nil {
		return s, nil
	}
	if s := d.Memory.opened(account.Name, a.Password, secrets, d.now()); s != nil {
		return s, nil
	}
	var hashed *Secret
	busy := d.Memory.work.do(ctx, func() { hashed = d.byHash(&account, secrets, a.Password, line, listed) })
	if busy != nil {
		return nil, busy
	}
	if hashed != nil {
		d.Memory.remember(account.Name, a.Password, hashed.Hash, d.now())
		return hashed, nil
	}
	return nil, err // a sealed secret that does not open is no reason to refuse another
}

// byGenerated compares with secrets of 128 bits.
func byGenerated(secrets []Secret, password secret.Text) *Secret {
	for i := range secrets {
		if salt, sum, err := parseHMAC(secrets[i].Hash); err == nil && same(sum, mac(salt, password)) {
			return &secrets[i]
		}
	}
	return nil
}

// bySealed compares with recoverable secrets.
func (d *Directory) bySealed(account string, secrets []Secret, password secret.Text) (*Secret, error) {
	var errs []error
	for i := range secrets {
		plain, err := d.recover(account, secrets[i])
		if err != nil {
			errs = append(errs, err)
		} else if !plain.Empty() && same([]byte(plain.Reveal()), []byte(password.Reveal())) {
			return &secrets[i], nil
		}
	}
	return nil, errors.Join(errs...)
}

// recover opens a recoverable secret; it is empty if the secret is none.
func (d *Directory) recover(account string, s Secret) (secret.Text, error) {
	if s.Sealed == "" {
		return secret.Text{}, nil
	}
	return d.Keys.Open(account, SecretPurpose(s.Label), s.Sealed)
}

// byHash computes hashes. However many the account has, and whether there is
// such an account at all, it does the same work until it finds the password:
// as much of argon2id as the account with the dearest hashes needs, and one
// comparison with a line of htpasswd files.
func (d *Directory) byHash(account *Account, secrets []Secret, password secret.Text, line htpasswdLine, listed bool) (found *Secret) {
	sums := map[cost][]byte{}
	done := 0
	for i := range secrets {
		c, sum, err := parseArgon(secrets[i].Hash)
		if err != nil {
			continue
		}
		if sums[c] == nil {
			sums[c] = d.Memory.compute(c, password)
			done += c.work()
		}
		if found == nil && same(sum, sums[c]) {
			found = &secrets[i]
		}
	}
	d.Memory.pad(d.Memory.mostWork(max(d.most, account.work()))-done, password)
	if d.Htpasswd == nil || len(d.Htpasswd.lines) == 0 {
		return found
	}
	if !listed {
		line = d.Htpasswd.likely(d.Memory.key, account.Name)
	}
	if d.Memory.compare(line, password) && listed && found == nil {
		found = &secrets[len(secrets)-1]
	}
	return found
}

// byDigest checks APOP's digest: MD5 of the challenge and the secret.
func (d *Directory) byDigest(account string, secrets []Secret, a Attempt) (opened *Secret, err error) {
	var errs []error
	for i := range secrets {
		plain, err := d.recover(account, secrets[i])
		if err != nil {
			errs = append(errs, err)
			continue
		}
		if !plain.Empty() && same([]byte(digest(a.Challenge, plain)), []byte(strings.ToLower(a.Digest))) {
			opened = &secrets[i]
		}
	}
	if opened != nil {
		return opened, nil
	}
	return nil, errors.Join(errs...)
}

func digest(challenge string, plain secret.Text) string {
	sum := md5.Sum([]byte(challenge + plain.Reveal()))
	return hex.EncodeToString(sum[:])
}
