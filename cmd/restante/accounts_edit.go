package main

import (
	"errors"
	"fmt"
	"net/netip"

	"github.com/spf13/cobra"

	"github.com/restante-mail/restante/auth"
	"github.com/restante-mail/restante/config"
	"github.com/restante-mail/restante/secret"
)

var noAddress netip.Addr

// secretFlags describe a secret.
type secretFlags struct {
	label, view, policy, expires, certificate, environment string
	networks                                               []string
	generate, recoverable                                  bool
}

func (f *secretFlags) add(c *cobra.Command) {
	s := c.Flags()
	s.StringVar(&f.label, "label", "", "the secret's name, for the log and for account remove")
	s.StringVar(&f.view, "view", "", "the view that it leads to")
	s.StringVar(&f.policy, "policy", "", "the policy that it gets instead of the route's")
	s.StringSliceVar(&f.networks, "network", nil, "where its user must be, such as 10.0.0.0/8")
	s.StringVar(&f.expires, "expires", "", "its last day, such as 2027-01-31, or a time")
	s.BoolVar(&f.generate, "generate", false, "make a secret of 128 bits, and print it, once")
	s.BoolVar(&f.recoverable, "recoverable", false, "keep the secret itself, sealed: APOP needs it")
	s.StringVar(&f.certificate, "certificate", "", "no secret but a client certificate: email:NAME, dns:NAME, uri:URI, cn:NAME or sha256:HEX")
	s.StringVar(&f.environment, "secret-env", "", "read the secret from this environment variable")
}

// apply puts the bounds that were given into a secret.
func (f *secretFlags) apply(c *cobra.Command, s *auth.Secret) error {
	changed := c.Flags().Changed
	if changed("view") {
		s.View = f.view
	}
	if changed("policy") {
		s.Policy = f.policy
	}
	if changed("network") {
		s.Networks = nil
		for _, text := range f.networks {
			p, err := parseNetwork(text)
			if err != nil {
				return usageError{fmt.Errorf("--network: %w", err), "account "}
			}
			s.Networks = append(s.Networks, p)
		}
	}
	if !changed("expires") {
		return nil
	}
	var err error
	if s.Expires = (auth.Secret{}).Expires; f.expires != "" {
		s.Expires, err = auth.ParseExpiry(f.expires)
	}
	if err != nil {
		return usageError{fmt.Errorf("--expires: %w", err), "account "}
	}
	return nil
}

// parseNetwork takes a network or a single address.
func parseNetwork(text string) (netip.Prefix, error) {
	if a, err := netip.ParseAddr(text); err == nil {
		return netip.PrefixFrom(a, a.BitLen()), nil
	}
	p, err := netip.ParsePrefix(text)
	if err == nil && p != p.Masked() {
		err = fmt.Errorf("%s has address bits behind its /%d", text, p.Bits())
	}
	return p, err
}

// read asks for the secret, or makes it. It is done before the state file is
// changed, for that waits for nobody.
func (f *secretFlags) read(c *cobra.Command, p *prompter, name string) (plain secret.Text, hash string, err error) {
	switch {
	case f.certificate != "":
		return plain, "", nil
	case f.generate:
		plain, hash = auth.Generate()
	case f.environment != "":
		plain, err = fromEnvironment(f.environment)
	default:
		plain, err = p.ask("New POP3 secret of "+name, true)
	}
	return plain, hash, err
}

// fill puts the secret itself into s, and what else must be known of it.
func (f *secretFlags) fill(s *auth.Secret, a *auth.Account, keys *auth.Keyring, plain secret.Text, hash string) (err error) {
	s.Hash, s.Sealed, s.Certificate = "", "", f.certificate
	switch {
	case f.certificate != "":
	case f.recoverable:
		s.Sealed, err = keys.Seal(a.Name, auth.SecretPurpose(s.Label), plain)
	case hash != "":
		s.Hash = hash
	default:
		s.Hash = auth.HashPassword(plain, likeOf(a))
	}
	return err
}

// likeOf is a hash whose salt the account's next one shares.
func likeOf(a *auth.Account) string {
	for _, s := range a.Secrets {
		if auth.IsPasswordHash(s.Hash) {
			return s.Hash
		}
	}
	return ""
}

func (f *secretFlags) tell(c *cobra.Command, plain secret.Text) {
	if f.generate && f.certificate == "" {
		fmt.Fprintf(c.OutOrStdout(), "the secret, which is shown this once: %s\n", plain.Reveal())
	}
}

// identityFlags describe an identity upstream.
type identityFlags struct {
	method, user, actAs, provider, grant, environment string
	language                                          string // not of the identity, but of the account
	password                                          bool
}

func (f *identityFlags) add(c *cobra.Command) {
	s := c.Flags()
	s.StringVar(&f.method, "method", "", "how to sign in upstream: password, master, oauth2 or external (left out: as the upstream's master user)")
	s.StringVar(&f.user, "user", "", "who signs in upstream (left out: the user that the route names)")
	s.StringVar(&f.actAs, "act-as", "", "whose mailbox it is upstream, if not that user's")
	s.StringVar(&f.provider, "provider", "", "the OAuth2 provider in the configuration")
	s.StringVar(&f.grant, "grant", "", "how its first token is got, if not as the provider is configured")
	s.StringVar(&f.environment, "upstream-password-env", "", "read the password upstream from this environment variable")
	s.StringVar(&f.language, "language", "", "what is written to its user is in English (en) or Thai (th); left out: as the policy says")
}

// given tells whether anything of it is on the command line.
func (f *identityFlags) given(c *cobra.Command) bool {
	for _, name := range []string{"method", "user", "act-as", "provider", "grant", "upstream-password", "upstream-password-env"} {
		if c.Flags().Changed(name) {
			return true
		}
	}
	return false
}

// apply puts what was given into an identity. Another method begins anew.
func (f *identityFlags) apply(c *cobra.Command, a *auth.Account) {
	changed, i := c.Flags().Changed, &a.Upstream
	if changed("language") {
		a.Language = f.language
	}
	if changed("method") && auth.Method(f.method) != i.Method {
		*i = auth.Identity{Method: auth.Method(f.method)}
	}
	for _, field := range []struct {
		name string
		to   *string
		text string
	}{{"user", &i.User, f.user}, {"act-as", &i.ActAs, f.actAs}, {"provider", &i.Provider, f.provider}, {"grant", &i.Grant, f.grant}} {
		if changed(field.name) {
			*field.to = field.text
		}
	}
}

// needsPassword tells whether the identity has one that is not known yet.
func (f *identityFlags) needsPassword(c *cobra.Command) bool {
	m := auth.Method(f.method)
	return f.password || f.environment != "" || m == auth.ByPassword || m == auth.ByMaster && f.user != ""
}

func (f *identityFlags) read(p *prompter, name string) (secret.Text, error) {
	if f.environment != "" {
		return fromEnvironment(f.environment)
	}
	return p.ask("Password upstream for "+name, false)
}

func (o *accountsOptions) addCommand() *cobra.Command {
	var s secretFlags
	var i identityFlags
	var bare bool
	c := &cobra.Command{
		Use:   "add USER",
		Short: "Add an account, or another secret to it",
		Long: "Add an account with its first secret and its identity upstream; or, to an account that is there, another\n" +
			"secret with a --label of its own.",
		Args: argumentCount(1),
		RunE: func(c *cobra.Command, args []string) error { return o.add(c, args[0], &s, &i, bare) },
	}
	s.add(c)
	i.add(c)
	c.Flags().BoolVar(&bare, "no-secret", false, "add no secret: the account is opened by a line of an htpasswd file, or by nobody yet")
	return c
}

func (o *accountsOptions) add(c *cobra.Command, name string, s *secretFlags, i *identityFlags, bare bool) (err error) {
	p := &prompter{in: c.InOrStdin(), out: c.ErrOrStderr()}
	var plain, upstream secret.Text
	var hash string
	if _, _, err := o.load(); err != nil { // before anything is asked
		return err
	}
	if !bare {
		if plain, hash, err = s.read(c, p, name); err != nil {
			return err
		}
	}
	if i.needsPassword(c) {
		if upstream, err = i.read(p, name); err != nil {
			return err
		}
	}
	var snapshot *config.Snapshot
	err = o.amend(c.Context(), name, func(conf *config.Snapshot, keys *auth.Keyring, a *auth.Account, found bool) error {
		snapshot = conf
		if found && i.given(c) {
			return fmt.Errorf("account %q is there already; its identity upstream is changed with account set", name)
		}
		if found && bare {
			return fmt.Errorf("account %q is there already", name)
		}
		i.apply(c, a)
		if err := sealUpstream(a, keys, upstream); err != nil || bare {
			return err
		}
		return addSecret(c, a, keys, s, plain, hash)
	})
	if err != nil {
		return err
	}
	s.tell(c, plain)
	tellUse(c, snapshot, name)
	return nil
}

func sealUpstream(a *auth.Account, keys *auth.Keyring, password secret.Text) (err error) {
	if !password.Empty() {
		a.Upstream.Sealed, err = keys.Seal(a.Name, auth.UpstreamPurpose, password)
	}
	return err
}

func addSecret(c *cobra.Command, a *auth.Account, keys *auth.Keyring, f *secretFlags, plain secret.Text, hash string) error {
	made := auth.Secret{Label: f.label}
	if made.Label == "" {
		made.Label = "main"
	}
	if a.Secret(made.Label) != nil {
		return fmt.Errorf("account %q has a secret %q already; give another --label, or change it with account set", a.Name, made.Label)
	}
	if err := errors.Join(f.apply(c, &made), f.fill(&made, a, keys, plain, hash)); err != nil {
		return err
	}
	a.Secrets = append(a.Secrets, made)
	return nil
}

func (o *accountsOptions) setCommand() *cobra.Command {
	var s secretFlags
	var i identityFlags
	var replace, disabled bool
	c := &cobra.Command{
		Use:   "set USER",
		Short: "Change an account, or one of its secrets",
		Long: "Change an account's identity upstream, or disable it; with --label, what that secret leads to, or (with\n" +
			"--secret, --generate or --certificate) the secret itself.",
		Args: argumentCount(1),
		RunE: func(c *cobra.Command, args []string) error {
			return o.set(c, args[0], &s, &i, replace || s.generate || s.certificate != "" || s.environment != "", disabled)
		},
	}
	s.add(c)
	i.add(c)
	c.Flags().BoolVar(&replace, "secret", false, "ask for a new secret")
	c.Flags().BoolVar(&i.password, "upstream-password", false, "ask for a new password upstream")
	c.Flags().BoolVar(&disabled, "disabled", false, "nobody can sign in; --disabled=false ends it")
	return c
}

func (o *accountsOptions) set(c *cobra.Command, name string, s *secretFlags, i *identityFlags, replace, disabled bool) (err error) {
	p := &prompter{in: c.InOrStdin(), out: c.ErrOrStderr()}
	var plain, upstream secret.Text
	var hash string
	if _, _, err := o.load(); err != nil {
		return err
	}
	if replace && s.label == "" {
		return usageError{errors.New("say which secret is to be replaced: --label"), "account set "}
	}
	if replace {
		if plain, hash, err = s.read(c, p, name); err != nil {
			return err
		}
	}
	if i.needsPassword(c) {
		if upstream, err = i.read(p, name); err != nil {
			return err
		}
	}
	err = o.amend(c.Context(), name, func(_ *config.Snapshot, keys *auth.Keyring, a *auth.Account, found bool) error {
		if !found {
			return fmt.Errorf("there is no account %q", name)
		}
		if c.Flags().Changed("disabled") {
			a.Disabled = disabled
		}
		i.apply(c, a)
		if err := sealUpstream(a, keys, upstream); err != nil {
			return err
		}
		return setSecret(c, a, keys, s, replace, plain, hash)
	})
	if err == nil {
		s.tell(c, plain)
	}
	return err
}

func setSecret(c *cobra.Command, a *auth.Account, keys *auth.Keyring, f *secretFlags, replace bool, plain secret.Text, hash string) error {
	if f.label == "" {
		return nil
	}
	kept := a.Secret(f.label)
	if kept == nil {
		return fmt.Errorf("account %q has no secret %q", a.Name, f.label)
	}
	if err := f.apply(c, kept); err != nil || !replace {
		return err
	}
	if !c.Flags().Changed("recoverable") {
		f.recoverable = kept.Sealed != "" // it stays what it was
	}
	return f.fill(kept, a, keys, plain, hash)
}
