// Package auth holds accounts: POP3 logins with secrets of their own, and the
// identity upstream that each stands for. It decides whether somebody is who
// they say, and with what to sign in upstream for them. It speaks no protocol,
// opens no connection, and knows nothing of mail: the gateway asks it, and does
// the rest. How a token is got from an OAuth2 provider is the affair of package
// auth/oauth.
//
// Secrets at rest are hashes, or sealed with a key file (see Keyring).
package auth

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// An Account is a POP3 login that is decided here, and who it is upstream.
type Account struct {
	// Name is what the client signs in with, without a view. Letter case does
	// not count.
	Name string `json:"-"`
	// Disabled accounts cannot sign in, whatever the secret.
	Disabled bool `json:"disabled,omitempty"`
	// Secrets open the account, each by itself.
	Secrets []Secret `json:"secrets,omitempty"`
	// Upstream is how to sign in for it.
	Upstream Identity `json:"upstream,omitzero"`
	// Language is the one that its user reads; "" is the policy's.
	Language string `json:"language,omitempty"`
}

// A Secret opens an account, within the bounds that it names.
type Secret struct {
	// Label names it among the account's secrets; it is in the log.
	Label string `json:"label"`
	// Hash is what the secret is compared with, as HashPassword or
	// HashGenerated makes it. One of Hash, Sealed and Certificate is set.
	Hash string `json:"hash,omitempty"`
	// Sealed is the secret itself, sealed for SecretPurpose(Label): APOP needs it.
	Sealed string `json:"sealed,omitempty"`
	// Certificate describes the client certificate that opens the account by
	// EXTERNAL: see matchCertificate.
	Certificate string `json:"certificate,omitempty"`
	// View is the declared view that it leads to; "" is whichever the client
	// asks for.
	View string `json:"view,omitempty"`
	// Policy replaces the route's, by name.
	Policy string `json:"policy,omitempty"`
	// Networks are where its user must be; none is anywhere.
	Networks []netip.Prefix `json:"networks,omitempty"`
	// Expires is when it ends; the zero time is never.
	Expires time.Time `json:"expires,omitzero"`
}

// A Method is a way to sign in upstream.
type Method string

const (
	// ByPassword signs in with a password of the account's own.
	ByPassword Method = "password"
	// ByMaster signs in as a master user that acts for the account (SASL PLAIN
	// with an authorization identity).
	ByMaster Method = "master"
	// ByOAuth2 signs in with a token that a provider gives.
	ByOAuth2 Method = "oauth2"
	// ByCertificate signs in with the upstream's client certificate (EXTERNAL).
	ByCertificate Method = "external"
)

// Methods are all there are.
var Methods = []Method{ByPassword, ByMaster, ByOAuth2, ByCertificate}

// An Identity is who an account is upstream, and how that is proved.
type Identity struct {
	// Method "" is ByMaster with the master user of the upstream.
	Method Method `json:"method,omitempty"`
	// User signs in; "" is the user that the route names. ByMaster: the master
	// user; "" is the upstream's.
	User string `json:"user,omitempty"`
	// ActAs is whose mailbox it is, if not User's; ByMaster, "" is the user that
	// the route names.
	ActAs string `json:"act_as,omitempty"`
	// Sealed is the password of User, sealed for UpstreamPurpose.
	Sealed string `json:"sealed,omitempty"`
	// Provider is the name of the OAuth2 provider in the configuration.
	Provider string `json:"provider,omitempty"`
	// Grant is how its first token is got: "device", "code",
	// "client_credentials" or "service_account"; "" is the provider's default.
	Grant string `json:"grant,omitempty"`
}

// UpstreamPurpose is what the password of an Identity is sealed for.
const UpstreamPurpose = "upstream password"

// SecretPurpose is what a recoverable Secret is sealed for.
func SecretPurpose(label string) string { return "secret " + label }

// Bounds, far above what anybody uses.
const (
	// maxSecrets of one account: a household of devices.
	maxSecrets = 64
	// maxText of a name: more than a line of POP3 has room for.
	maxText = 1000
	// maxLabel is what fits a column.
	maxLabel = 80
)

// Encode writes an account for the state file. The name goes beside it.
func (a Account) Encode() ([]byte, error) { return json.Marshal(a) }

// Decode reads what Encode wrote.
func Decode(name string, settings []byte) (Account, error) {
	a := Account{}
	if err := json.Unmarshal(settings, &a); err != nil {
		return a, fmt.Errorf("account %q in the state file: %w", name, err)
	}
	a.Name = name
	return a, nil
}

// Secret returns the secret with a label; nil if there is none.
func (a *Account) Secret(label string) *Secret {
	i := slices.IndexFunc(a.Secrets, func(s Secret) bool { return s.Label == label })
	if i < 0 {
		return nil
	}
	return &a.Secrets[i]
}

// Check says what is wrong with an account, in words for its administrator.
func (a *Account) Check() error {
	if err := checkName("the account's name", a.Name, maxText); err != nil {
		return err
	}
	if len(a.Secrets) > maxSecrets {
		return fmt.Errorf("%d secrets are too many; %d are allowed", len(a.Secrets), maxSecrets)
	}
	for i, s := range a.Secrets {
		if err := s.check(); err != nil {
			return fmt.Errorf("secret %q: %w", s.Label, err)
		}
		if a.Secret(s.Label) != &a.Secrets[i] {
			return fmt.Errorf("secret %q: there are two with this label", s.Label)
		}
	}
	if err := a.CheckCosts(); err != nil {
		return err
	}
	if !slices.Contains([]string{"", "en", "th"}, a.Language) {
		return fmt.Errorf("the language %q is not known; use en or th", a.Language)
	}
	return a.Upstream.Check()
}

func (s *Secret) check() error {
	if err := checkName("the label", s.Label, maxLabel); err != nil {
		return err
	}
	switch set := count(s.Hash, s.Sealed, s.Certificate); {
	case set == 0:
		return errors.New("it has none of hash, sealed and certificate")
	case set > 1:
		return errors.New("it has more than one of hash, sealed and certificate; make a secret of each")
	case s.Hash != "":
		return checkHash(s.Hash)
	case s.Sealed != "":
		return CheckSealed(s.Sealed)
	}
	return checkCertificate(s.Certificate)
}

// Check says what is wrong with an identity.
func (i *Identity) Check() error {
	switch i.Method {
	case "", ByCertificate:
		if i.Sealed != "" {
			return errors.New("it has a password that nothing uses; say by which method to sign in upstream")
		}
	case ByPassword:
		if i.Sealed == "" {
			return errors.New("signing in upstream by password needs the sealed password")
		}
	case ByMaster:
		if (i.Sealed == "") != (i.User == "") {
			return errors.New("a master user of the account's own needs both a user and a sealed password")
		}
	case ByOAuth2:
		if i.Provider == "" {
			return errors.New("signing in upstream by oauth2 needs the name of a provider")
		}
	default:
		return fmt.Errorf("%q is no method to sign in upstream; write one of password, master, oauth2, external", i.Method)
	}
	if i.Method != ByOAuth2 && i.Provider+i.Grant != "" {
		return errors.New("a provider and a grant are for oauth2")
	}
	if strings.ContainsAny(i.User+i.ActAs, "\r\n\x00") || len(i.User)+len(i.ActAs) > maxText {
		return errors.New("the user upstream has line ends, or is too long")
	}
	if i.Sealed != "" {
		return CheckSealed(i.Sealed)
	}
	return nil
}

func checkName(what, name string, limit int) error {
	control := func(r rune) bool { return r < ' ' || r == 0x7f }
	switch {
	case name == "":
		return fmt.Errorf("%s is missing", what)
	case len(name) > limit:
		return fmt.Errorf("%s is longer than %d octets", what, limit)
	case strings.ContainsFunc(name, control):
		return fmt.Errorf("%s has control characters", what)
	}
	return nil
}

func count(texts ...string) (set int) {
	for _, t := range texts {
		if t != "" {
			set++
		}
	}
	return set
}

// Fold makes one name of those that differ in the case of ASCII letters alone.
func Fold(name string) string {
	octets := []byte(name)
	for i, c := range octets {
		if 'A' <= c && c <= 'Z' {
			octets[i] = c + 'a' - 'A'
		}
	}
	return string(octets)
}

// PolicyOf is the policy that the account's secrets give a view ("" is the
// route's), and whether it is one and the same for all that lead there.
func (a *Account) PolicyOf(view string) (policyName string, one bool) {
	one = true
	found := false
	for _, s := range a.Secrets {
		if s.View != "" && Fold(s.View) != Fold(view) {
			continue
		}
		one = one && (!found || s.Policy == policyName)
		policyName, found = s.Policy, true
	}
	return policyName, one
}
