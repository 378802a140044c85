package config

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/restante-mail/restante/auth"
	"github.com/restante-mail/restante/policy"
)

// AuthTable is [auth].
type AuthTable struct {
	// KeyFile holds the keys that secrets are sealed with; left out: the state
	// file's name with .key at its end.
	KeyFile string `toml:"key_file"`
	// Htpasswd are files of htpasswd(1), whose users are accounts.
	Htpasswd []string `toml:"htpasswd"`
	// SweepEvery is how often retention acts for accounts whose clients do not
	// come; 0s: it does not.
	SweepEvery Duration `toml:"sweep_every"`
}

// AccountTable is one [[account]]: a login with secrets of its own.
type AccountTable struct {
	// Name is what the client signs in with.
	Name string `toml:"name"`
	// Disabled accounts cannot sign in.
	Disabled bool `toml:"disabled"`
	// Language is the one that its user reads; left out: the policy's.
	Language string `toml:"language"`
	// Method is how to sign in upstream: password, master, oauth2 or external;
	// left out: as the upstream's master user.
	Method string `toml:"method"`
	// User signs in upstream; left out: the user that the route names.
	User string `toml:"user"`
	// ActAs is whose mailbox it is upstream, if not that user's.
	ActAs string `toml:"act_as"`
	// Password is the password upstream, sealed.
	Password string `toml:"password"`
	// Provider names the OAuth2 provider.
	Provider string `toml:"provider"`
	// Grant is how its first token is got.
	Grant string `toml:"grant"`
	// Secrets open the account, each by itself.
	Secrets []SecretTable `toml:"secret"`
}

// SecretTable is one [[account.secret]].
type SecretTable struct {
	// Label is what the log calls it.
	Label string `toml:"label"`
	// Hash is of a password, or of a generated secret.
	Hash string `toml:"hash"`
	// Sealed is the secret itself, sealed, as APOP needs it.
	Sealed string `toml:"sealed"`
	// Certificate is what a client certificate must have.
	Certificate string `toml:"certificate"`
	// View is the view that it leads to.
	View string `toml:"view"`
	// Policy replaces the route's.
	Policy string `toml:"policy"`
	// Network is where its user must be.
	Network []string `toml:"network"`
	// Expires is its last day.
	Expires string `toml:"expires"`
}

// sweepEvery is 0 if it is written so.
func (b *builder) sweepEvery() time.Duration {
	const path = "auth.sweep_every"
	if b.written(path) && b.Auth.SweepEvery == (Duration{}) {
		return 0
	}
	return b.duration(path, b.Auth.SweepEvery, Defaults().Auth.SweepEvery)
}

// keyFile is where the keys are; "" if nothing says.
func (c *Config) keyFile() string {
	if c.Auth.KeyFile != "" || c.State == "" {
		return c.Auth.KeyFile
	}
	return c.State + ".key"
}

func (b *builder) buildAccounts() {
	seen := map[string]int{}
	for i := range b.Accounts {
		path := element("account", i)
		a := b.buildAccount(path, &b.Accounts[i])
		if j, again := seen[auth.Fold(a.Name)]; again {
			b.addf(child(path, "name"), "%q is the name of the account in %s too; names must differ", a.Name, b.places.where(element("account", j)))
		}
		seen[auth.Fold(a.Name)] = i
		b.accounts = append(b.accounts, a)
	}
	b.readHtpasswd()
	b.checkAccountUse()
}

func (b *builder) buildAccount(path string, t *AccountTable) auth.Account {
	a := auth.Account{Name: t.Name, Disabled: t.Disabled, Language: t.Language, Upstream: auth.Identity{
		Method: auth.Method(t.Method), User: t.User, ActAs: t.ActAs, Sealed: t.Password, Provider: t.Provider, Grant: t.Grant}}
	for i := range t.Secrets {
		a.Secrets = append(a.Secrets, b.buildSecret(element(child(path, "secret"), i), &t.Secrets[i]))
	}
	if err := a.Check(); err != nil && !b.failedWithin(path) { // what follows from a mistake only hides it
		b.addf(path, "%v", err)
	}
	if b.keyFile() == "" && (t.Password != "" || slices.ContainsFunc(a.Secrets, func(s auth.Secret) bool { return s.Sealed != "" })) {
		b.addf(path, "has sealed secrets, and nothing says where the key is; set key_file in [auth]")
	}
	return a
}

// failedWithin tells whether something inside of a table was reported.
func (b *builder) failedWithin(path string) bool {
	for at := range b.failed {
		if strings.HasPrefix(at, path+".") {
			return true
		}
	}
	return false
}

func (b *builder) buildSecret(path string, t *SecretTable) auth.Secret {
	s := auth.Secret{Label: t.Label, Hash: t.Hash, Sealed: t.Sealed, Certificate: t.Certificate, View: t.View, Policy: t.Policy,
		Networks: b.parseNetworks(child(path, "network"), t.Network)}
	if t.Expires != "" {
		var err error
		if s.Expires, err = auth.ParseExpiry(t.Expires); err != nil {
			b.addf(child(path, "expires"), "%v", err)
		}
	}
	if _, known := b.policyNamed(t.Policy); t.Policy != "" && !known {
		b.addf(child(path, "policy"), "there is no [policy.%s], and no preset with this name", t.Policy)
	}
	if t.View != "" && !slices.ContainsFunc(b.routes, func(r Route) bool { return r.views.declares(t.View) }) {
		b.addf(child(path, "view"), "no route declares a view %q", t.View)
	}
	return s
}

func (b *builder) policyNamed(name string) (policy.Policy, bool) {
	if t := b.Policies[name]; t != nil {
		return t.Policy, true
	}
	return policy.Preset(name)
}

// readHtpasswd puts all files together; of lines with one name the first counts.
func (b *builder) readHtpasswd() {
	var all strings.Builder
	for i, name := range b.Auth.Htpasswd {
		path := element("auth.htpasswd", i)
		text, err := b.files.read(name)
		if err != nil {
			b.addf(path, "%s: %v", name, err)
			continue
		}
		_, problems := auth.ReadHtpasswd(string(text))
		for _, problem := range problems {
			b.warnf(path, "%s: %s; nobody can sign in by it", name, problem)
		}
		all.Write(text)
		all.WriteByte('\n')
	}
	if len(b.Auth.Htpasswd) > 0 {
		b.htpasswd, _ = auth.ReadHtpasswd(all.String())
	}
}

// checkAccountUse finds accounts that nothing uses, and routes that want
// accounts where there can be none.
func (b *builder) checkAccountUse() {
	used := false
	for i, r := range b.routes {
		if r.Accounts == auth.UseNone {
			continue
		}
		used = true
		if len(b.Accounts) == 0 && b.htpasswd == nil && b.State == "" {
			b.addf(child(element("route", i), "accounts"), "there are no accounts; add [[account]], or htpasswd in [auth], or a state file for restante account add")
		}
	}
	for _, part := range []struct {
		path  string
		there bool
	}{{"account[0]", len(b.Accounts) > 0}, {"auth.htpasswd", b.htpasswd != nil}} {
		if part.there && !used {
			b.warnf(part.path, "no route uses accounts; write accounts = \"only\" or \"first\" in one")
		}
	}
}

// master is an upstream's master user.
func (b *builder) master(path string, t *UpstreamTable, u *Upstream) {
	u.Master = auth.Master{Upstream: u.Name, User: t.MasterUser, Sealed: t.MasterPassword}
	at := child(path, "master_password")
	switch {
	case t.MasterUser == "" && t.MasterPassword == "":
	case t.MasterUser == "" || t.MasterPassword == "":
		b.addf(child(path, "master_user"), "master_user and master_password belong together")
	case auth.CheckSealed(t.MasterPassword) != nil:
		b.addf(at, "must be sealed; restante account seal --upstream %s prints it", u.Name)
	case b.keyFile() == "":
		b.addf(at, "nothing says where the key is that it is sealed with; set key_file in [auth]")
	}
}

// declares tells whether a route knows a view.
func (v *views) declares(name string) bool {
	return v.recent && strings.EqualFold(name, recentView) ||
		slices.ContainsFunc(v.names, func(n string) bool { return strings.EqualFold(n, name) })
}

// named is the view as it was declared.
func (v *views) named(name string) string {
	for _, n := range v.names {
		if strings.EqualFold(n, name) {
			return n
		}
	}
	return strings.ToLower(name) // recent, or none
}

// errNarrow is why a secret's view or policy cannot be had.
var errNarrow = errors.New("the secret's view or policy cannot be used")

// Narrow is the route for one of its views, and with another policy if
// policyName is not "".
func (s *Snapshot) Narrow(r Route, view, policyName string) (Route, error) {
	if view != "" && !r.views.declares(view) {
		return r, fmt.Errorf("%w: the route declares no view %q", errNarrow, view)
	}
	narrowed := r.origin.as(r.Base, r.views.named(view))
	narrowed.origin = r.origin
	if policyName == "" {
		return narrowed, nil
	}
	p, known := s.policies[policyName]
	if !known {
		return r, fmt.Errorf("%w: there is no policy %q", errNarrow, policyName)
	}
	if p.Lock == "" && narrowed.Forget {
		p.Lock = policy.LockShared
	}
	narrowed.Policy, narrowed.PolicyName = p, policyName
	switch {
	case narrowed.Upstream.Protocol == POP3 && len(p.OverPOP3()) > 0:
		lack := p.OverPOP3()[0]
		return r, fmt.Errorf("%w: policy %q has %s, and upstream %q speaks POP3, which has %s", errNarrow, policyName,
			strings.Join(lack.Keys, " and "), r.Upstream.Name, lack.What)
	case s.State == "" && p.NeedsState():
		return r, fmt.Errorf("%w: policy %q needs a state file", errNarrow, policyName)
	case narrowed.Forget && (p.NeedsState() || p.Removes()):
		return r, fmt.Errorf("%w: nothing is remembered of the view recent, and policy %q removes or remembers", errNarrow, policyName)
	}
	return narrowed, nil
}

// Settled is the route of a user wherever they are, and whether there is one
// that does not depend on that.
func (s *Snapshot) Settled(user string) (Route, bool) {
	for i := range s.routes {
		r := &s.routes[i]
		if base, view := r.views.split(user); r.when.user == nil || r.when.user.MatchString(base) {
			led := r.as(base, view)
			led.origin = r
			return led, r.when.network == nil && r.when.listeners == nil
		}
	}
	return Route{}, false
}

// ViewNames are those of the views of which something is remembered; "" is the
// one that every maildrop has.
func (r Route) ViewNames() []string { return append([]string{""}, r.views.names...) }

// ListenerRoutes are the routes that clients of a listener can take.
func (s *Snapshot) ListenerRoutes(name string) (routes []Route) {
	for _, r := range s.routes {
		if r.when.listeners == nil || slices.Contains(r.when.listeners, name) {
			routes = append(routes, r)
		}
	}
	return routes
}

// UsesAccounts tells whether any route does.
func (s *Snapshot) UsesAccounts() bool {
	return slices.ContainsFunc(s.routes, func(r Route) bool { return r.Accounts != auth.UseNone })
}

// KeyFile says where the key file is, by a configuration that need not be good
// yet: what is to be sealed may still be missing in it. The files must be TOML.
func KeyFile(path string) (string, error) {
	r := newReader(path)
	for _, file := range r.files(path) {
		r.add(file)
	}
	if r.broken {
		return "", r.err(r.sources)
	}
	return r.keyFile(), nil
}
