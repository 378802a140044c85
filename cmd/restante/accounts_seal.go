package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/restante-mail/restante/auth"
	"github.com/restante-mail/restante/config"
	"github.com/restante-mail/restante/secret"
	"github.com/restante-mail/restante/store"
)

// errNoKeyFile: nothing says where keys are.
var errNoKeyFile = errors.New("nothing says where the key file is; set key_file in [auth], or name a state file, beside which it then is")

func (o *accountsOptions) keys() (*config.Snapshot, *auth.Keyring, error) {
	c, keys, err := o.load()
	if err == nil && c.KeyFile == "" {
		err = errNoKeyFile
	}
	return c, keys, err
}

func (o *accountsOptions) sealCommand() *cobra.Command {
	var label, upstream, provider string
	c := &cobra.Command{
		Use:   "seal [USER]",
		Short: "Print a secret as it may be written into a configuration file",
		Long: "Read a secret and print it sealed, for a configuration file: for USER the password upstream, or with --label\n" +
			"the recoverable POP3 secret of that label; with --upstream the password of that upstream's master user;\n" +
			"with --oauth the client secret of that OAuth2 provider.",
		Args: func(c *cobra.Command, args []string) error {
			if named := append(slices.DeleteFunc([]string{upstream, provider}, func(s string) bool { return s == "" }), args...); len(named) != 1 {
				return usageError{errors.New("say whose secret it is: either USER, or --upstream NAME, or --oauth NAME"), "account seal "}
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error {
			name, purpose := strings.Join(args, ""), auth.UpstreamPurpose
			switch {
			case upstream != "":
				name, purpose = upstream, auth.MasterPurpose
			case provider != "":
				name, purpose = provider, config.ClientSecretPurpose
			case label != "":
				purpose = auth.SecretPurpose(label)
			}
			return o.seal(c, name, purpose)
		},
	}
	c.Flags().StringVar(&label, "label", "", "seal the POP3 secret of this label")
	c.Flags().StringVar(&upstream, "upstream", "", "seal the password of this upstream's master user")
	c.Flags().StringVar(&provider, "oauth", "", "seal the client secret of this OAuth2 provider")
	return c
}

func (o *accountsOptions) seal(c *cobra.Command, name, purpose string) error {
	keys, err := o.sealer()
	if err != nil {
		return err
	}
	p := prompter{in: c.InOrStdin(), out: c.ErrOrStderr()}
	plain, err := p.ask("The "+purpose+" of "+name, false)
	if err != nil {
		return err
	}
	sealed, err := keys.Seal(auth.Fold(name), purpose, plain)
	if err == nil {
		fmt.Fprintln(c.OutOrStdout(), sealed)
	}
	return err
}

// sealer finds the key file in a configuration that may lack what is to be
// sealed, and so not be good yet.
func (o *accountsOptions) sealer() (*auth.Keyring, error) {
	if o.config == "" {
		return nil, usageError{errors.New("say which configuration: --config FILE"), "account "}
	}
	path, err := config.KeyFile(o.config)
	if err == nil && path == "" {
		err = errNoKeyFile
	}
	return auth.NewKeyring(path), err
}

func (o *accountsOptions) hashCommand() *cobra.Command {
	var like string
	var generate bool
	c := &cobra.Command{
		Use:   "hash",
		Short: "Print the hash of a POP3 secret, for a configuration file",
		Long: "Read a POP3 secret and print its hash, for a configuration file. Password hashes of one account should share\n" +
			"their salt, or each costs time at every wrong password: give one of them with --like. Needs no --config.",
		Args: noArguments,
		RunE: func(c *cobra.Command, _ []string) error {
			if generate {
				plain, hash := auth.Generate()
				fmt.Fprintln(c.OutOrStdout(), hash)
				(&secretFlags{generate: true}).tell(c, plain)
				return nil
			}
			p := prompter{in: c.InOrStdin(), out: c.ErrOrStderr()}
			plain, err := p.ask("New POP3 secret", true)
			if err == nil {
				fmt.Fprintln(c.OutOrStdout(), auth.HashPassword(plain, like))
			}
			return err
		},
	}
	c.Flags().StringVar(&like, "like", "", "a password hash whose salt to share")
	c.Flags().BoolVar(&generate, "generate", false, "make a secret of 128 bits, and print it too")
	return c
}

func (o *accountsOptions) keygenCommand() *cobra.Command {
	var rotate, retire bool
	c := &cobra.Command{
		Use:   "keygen",
		Short: "Make the key file that secrets are sealed with, or change its key",
		Long: "Make the key file. With --rotate, add a new key to it and seal everything in the state file anew; what is\n" +
			"sealed in configuration files is named, and is to be sealed again with account seal. With --retire, forget\n" +
			"the old keys, if nothing needs them any more.",
		Args: noArguments,
		RunE: func(c *cobra.Command, _ []string) error {
			conf, keys, err := o.keys()
			switch {
			case err != nil:
				return err
			case rotate && retire:
				return usageError{errors.New("--rotate comes first, --retire when all is sealed anew"), "account keygen "}
			case rotate:
				return rotateKeys(c, conf, keys)
			case retire:
				return retireKeys(c, conf, keys)
			}
			if err := keys.Create(); err != nil {
				return err
			}
			fmt.Fprintf(c.OutOrStdout(), "made %s; back it up, and not beside the state file\n", keys.Path())
			return nil
		},
	}
	c.Flags().BoolVar(&rotate, "rotate", false, "add a new key, and seal anew")
	c.Flags().BoolVar(&retire, "retire", false, "forget the old keys")
	return c
}

func rotateKeys(c *cobra.Command, conf *config.Snapshot, keys *auth.Keyring) error {
	if err := keys.Rotate(); err != nil {
		return err
	}
	count := 0
	if conf.State != "" {
		err := store.AmendAccounts(c.Context(), conf.State, func(w store.AccountWriter) (err error) {
			count, err = resealAll(w, keys)
			return err
		})
		if err != nil {
			return fmt.Errorf("there is a new key, and what is in the state file is still sealed with the old: %w", err)
		}
	}
	fmt.Fprintf(c.OutOrStdout(), "a new key seals from now on; %d value(s) of the state file are sealed anew\n", count)
	for _, place := range outdated(conf, keys) {
		fmt.Fprintf(c.OutOrStdout(), "still sealed with an old key, in the configuration: %s\n", printable(place))
	}
	return nil
}

// resealAll seals everything in the state file with the newest key.
func resealAll(w store.AccountWriter, keys *auth.Keyring) (count int, err error) {
	accounts, err := w.ListAccounts()
	if err != nil {
		return 0, err
	}
	for _, kept := range accounts {
		a, err := auth.Decode(kept.Name, kept.Settings)
		if err != nil {
			return count, err
		}
		n, err := resealAccount(&a, keys)
		if err == nil && n > 0 {
			err = writeAccount(w, a)
		}
		if err != nil {
			return count, err
		}
		count += n
	}
	values, err := w.ListSealed()
	if err != nil {
		return count, err
	}
	for _, v := range values {
		if v.Value, err = reseal(keys, v.Account, v.Purpose, v.Value); err != nil {
			return count, err
		}
		v.Changed = time.Now().Unix()
		if err := w.PutSealed(v); err != nil {
			return count, err
		}
		count++
	}
	return count, nil
}

func resealAccount(a *auth.Account, keys *auth.Keyring) (count int, err error) {
	for i := range a.Secrets {
		s := &a.Secrets[i]
		if s.Sealed == "" {
			continue
		}
		if s.Sealed, err = reseal(keys, a.Name, auth.SecretPurpose(s.Label), s.Sealed); err != nil {
			return count, err
		}
		count++
	}
	if a.Upstream.Sealed == "" {
		return count, nil
	}
	a.Upstream.Sealed, err = reseal(keys, a.Name, auth.UpstreamPurpose, a.Upstream.Sealed)
	return count + 1, err
}

func reseal(keys *auth.Keyring, account, purpose, sealed string) (string, error) {
	var plain secret.Text
	plain, err := keys.Open(account, purpose, sealed)
	if err != nil {
		return "", err
	}
	return keys.Seal(account, purpose, plain)
}

func retireKeys(c *cobra.Command, conf *config.Snapshot, keys *auth.Keyring) error {
	places := outdated(conf, keys)
	if conf.State != "" {
		err := store.LookAtAccounts(c.Context(), conf.State, func(r store.AccountReader) error {
			more, err := outdatedState(r, keys)
			places = append(places, more...)
			return err
		})
		if err != nil {
			return err
		}
	}
	if len(places) > 0 {
		return fmt.Errorf("old keys are still needed by: %s", printable(strings.Join(places, "; ")))
	}
	n, err := keys.Retire()
	if err == nil {
		fmt.Fprintf(c.OutOrStdout(), "forgot %d old key(s)\n", n)
	}
	return err
}

// outdated names what in the configuration is sealed with an old key.
func outdated(conf *config.Snapshot, keys *auth.Keyring) (places []string) {
	for _, a := range conf.Accounts {
		places = append(places, outdatedIn(a, keys)...)
	}
	for _, u := range conf.Upstreams {
		if u.Master.Sealed != "" && !isCurrent(keys, u.Master.Sealed) {
			places = append(places, "master_password of upstream "+u.Name)
		}
	}
	for _, o := range conf.Providers {
		if o.Sealed != "" && !isCurrent(keys, o.Sealed) {
			places = append(places, "client_secret of oauth."+o.Name)
		}
	}
	return places
}

func outdatedState(r store.AccountReader, keys *auth.Keyring) (places []string, err error) {
	accounts, err := r.ListAccounts()
	if err != nil {
		return nil, err
	}
	for _, kept := range accounts {
		a, err := auth.Decode(kept.Name, kept.Settings)
		if err != nil {
			return nil, err
		}
		places = append(places, outdatedIn(a, keys)...)
	}
	values, err := r.ListSealed()
	for _, v := range values {
		if !isCurrent(keys, v.Value) {
			places = append(places, v.Purpose+" of "+v.Account)
		}
	}
	return places, err
}

func outdatedIn(a auth.Account, keys *auth.Keyring) (places []string) {
	for _, s := range a.Secrets {
		if s.Sealed != "" && !isCurrent(keys, s.Sealed) {
			places = append(places, "secret "+s.Label+" of "+a.Name)
		}
	}
	if a.Upstream.Sealed != "" && !isCurrent(keys, a.Upstream.Sealed) {
		places = append(places, "password upstream of "+a.Name)
	}
	return places
}

func isCurrent(keys *auth.Keyring, sealed string) bool {
	current, err := keys.Current(sealed)
	return err == nil && current
}
