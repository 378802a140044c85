package auth

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"time"

	"github.com/restante-mail/restante/secret"
	"github.com/restante-mail/restante/store"
	"github.com/restante-mail/restante/upstream"
)

// A Directory knows the accounts of one configuration: those that it names,
// those of the state file, and the lines of htpasswd files. It is safe for
// concurrent use. What the state file has is asked at every sign-in, so that a
// secret that was changed or removed counts at once.
type Directory struct {
	// Keys open what is sealed.
	Keys *Keyring
	// Store has accounts too; nil if there is no state file.
	Store store.Accounts
	// Htpasswd gives accounts one more secret each, and logins that are in no
	// other place an account with the default identity; nil: there is none.
	Htpasswd *Htpasswd
	// Tokens are for accounts that need them; nil: none can be had.
	Tokens Tokens
	// Memory outlives reloads.
	Memory *Memory
	// Now is the clock; nil is time.Now.
	Now func() time.Time

	configured map[string]Account // by folded name
	most       int                // work of argon2id that a password of theirs can need
}

// Tokens knows where access tokens come from, for accounts whose Identity is
// ByOAuth2.
type Tokens interface {
	// Source gives tokens for an account that is user upstream. Its error is for
	// the administrator.
	Source(a Account, user string) (upstream.TokenSource, error)
}

// What can become of a sign-in; use errors.Is. Any other error is a failure of
// the state file or of the configuration.
var (
	// ErrWrong: it is not who they say, or not from there, or not any more.
	// Nobody but the log is told which.
	ErrWrong = errors.New("the name or the secret is wrong")
	// ErrTryLater: too much to do just now.
	ErrTryLater = errors.New("it may work later")
	// ErrSetup: an administrator has to repair something first.
	ErrSetup = errors.New("the account is not set up completely")
)

// NewDirectory makes a Directory of the accounts that the configuration names.
// They were checked, and their names differ.
func NewDirectory(configured []Account) *Directory {
	d := &Directory{configured: map[string]Account{}, Memory: NewMemory(), most: usual("").work()}
	for _, a := range configured {
		d.configured[Fold(a.Name)] = a
		d.most = max(d.most, a.work())
	}
	return d
}

// maxCosts are the different salts and costs that the password hashes of one
// account may have: each is a computation at every wrong password, whoever's.
const maxCosts = 4

// CheckCosts says what is wrong with an account's hashes together.
func (a *Account) CheckCosts() error {
	if n := len(a.costs()); n > maxCosts {
		return fmt.Errorf("its password hashes have %d different salts, and %d are allowed: make them with \"restante account hash --like HASH\"", n, maxCosts)
	}
	return nil
}

// costs are the computations that the account's password hashes need.
func (a *Account) costs() (all []cost) {
	for _, s := range a.Secrets {
		if c, _, err := parseArgon(s.Hash); err == nil && !slices.Contains(all, c) {
			all = append(all, c)
		}
	}
	return all
}

// work is that of comparing a password with all of the account's hashes.
func (a *Account) work() (sum int) {
	for _, c := range a.costs() {
		sum += c.work()
	}
	return sum
}

// An Attempt is somebody who wants in.
type Attempt struct {
	// Name of the account, without a view.
	Name string
	// Password is the secret itself; not set with Digest and Certificate.
	Password secret.Text
	// Digest is APOP's answer to Challenge (RFC 1939 section 7).
	Digest, Challenge string
	// Certificate was verified by the listener.
	Certificate *x509.Certificate
	// Client is the address that they come from.
	Client netip.Addr
}

// A Grant is an account that was opened, and by which of its secrets.
type Grant struct {
	Account Account
	Secret  Secret
}

// htpasswdLabel is what the log calls the secret of an htpasswd file.
const htpasswdLabel = "htpasswd"

// Find returns an account, and whether there is one. Its name is spelled as who
// made it has spelled it, or in small letters, and not as name is.
func (d *Directory) Find(ctx context.Context, name string) (a Account, found bool, err error) {
	folded := Fold(name)
	if a, found = d.configured[folded]; found {
		return a, true, nil
	}
	if d.Store != nil {
		kept, found, err := d.Store.Account(ctx, folded)
		if err != nil {
			return a, false, fmt.Errorf("look for account %q: %w", name, err)
		}
		if found {
			a, err = Decode(folded, kept.Settings)
			return a, true, err
		}
	}
	if _, found = d.Htpasswd.line(folded); found {
		return Account{Name: folded}, true, nil
	}
	return Account{Name: folded}, false, nil
}

// Names are those of all accounts that can be opened, sorted.
func (d *Directory) Names(ctx context.Context) ([]string, error) {
	known := map[string]bool{}
	for name, a := range d.configured {
		known[name] = !a.Disabled
	}
	if d.Store != nil {
		kept, err := d.Store.ListAccounts(ctx)
		if err != nil {
			return nil, err
		}
		for _, k := range kept {
			a, err := Decode(k.Name, k.Settings)
			if _, hidden := known[k.Name]; !hidden {
				known[k.Name] = err == nil && !a.Disabled
			}
		}
	}
	for name := range d.Htpasswd.Names() {
		if _, there := known[name]; !there {
			known[name] = true
		}
	}
	maps.DeleteFunc(known, func(_ string, open bool) bool { return !open })
	return slices.Sorted(maps.Keys(known)), nil
}

// Stamp is another text when the account has changed, and the same as long as it
// has not.
func (d *Directory) Stamp(ctx context.Context, name string) string {
	a, found, err := d.Find(ctx, name)
	if err != nil || !found {
		return ""
	}
	settings, _ := a.Encode() // no Account fails to
	line, _ := d.Htpasswd.line(a.Name)
	return string(settings) + line.encoded
}

// Judge decides whether an attempt opens its account. How much work a refusal
// takes does not depend on whether there is such an account.
func (d *Directory) Judge(ctx context.Context, a Attempt) (Grant, error) {
	account, _, err := d.Find(ctx, a.Name)
	if err != nil {
		return Grant{}, err
	}
	secrets := account.usable(a.Client, d.now())
	var opened *Secret
	switch {
	case a.Certificate != nil:
		opened = byCertificate(secrets, a)
	case a.Digest != "":
		opened, err = d.byDigest(account.Name, secrets, a)
	default:
		opened, err = d.byPassword(ctx, account, secrets, a)
	}
	if err != nil {
		return Grant{}, err
	}
	if opened == nil {
		return Grant{}, fmt.Errorf("account %q: %w", account.Name, ErrWrong)
	}
	d.note(account.Name, opened.Label)
	return Grant{account, *opened}, nil
}

// usable are the secrets that may be used now, from there.
func (a *Account) usable(client netip.Addr, now time.Time) (secrets []Secret) {
	if a.Disabled {
		return nil
	}
	for _, s := range a.Secrets {
		inside := func(p netip.Prefix) bool { return p.Contains(client) }
		if (s.Expires.IsZero() || now.Before(s.Expires)) && (len(s.Networks) == 0 || slices.ContainsFunc(s.Networks, inside)) {
			secrets = append(secrets, s)
		}
	}
	return secrets
}

func byCertificate(secrets []Secret, a Attempt) *Secret {
	for i := range secrets {
		if matchCertificate(secrets[i].Certificate, a.Certificate) {
			return &secrets[i]
		}
	}
	return nil
}

// note remembers the use of a secret, to the hour: a poll every minute must not
// be a write every minute.
func (d *Directory) note(account, label string) {
	if now := d.now(); d.Store != nil && d.Memory.firstUse(account, label, now) {
		d.Store.NoteUse(account, label, now.Unix())
	}
}

func (d *Directory) now() time.Time {
	if d.Now != nil {
		return d.Now()
	}
	return time.Now()
}
