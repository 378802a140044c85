package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/restante-mail/restante/audit"
	"github.com/restante-mail/restante/auth"
	"github.com/restante-mail/restante/config"
	"github.com/restante-mail/restante/store"
)

// accountsCommand is the parent of what looks after accounts.
func accountsCommand() *cobra.Command {
	var o accountsOptions
	parent := &cobra.Command{
		Use:   "account",
		Short: "Look after accounts: logins with secrets of their own",
		Long: "Look after accounts: logins with secrets of their own, and an identity upstream. What is added goes to the\n" +
			"state file, works while Restante runs, and counts from the next sign-in on. Secrets are typed, or read from\n" +
			"standard input, one a line.",
		Args: noArguments,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	parent.PersistentFlags().StringVar(&o.config, "config", "", "configuration file, or folder of *.toml files")
	parent.AddCommand(o.changing(o.addCommand()), o.changing(o.setCommand()), o.changing(o.removeCommand()), o.listCommand(), o.showCommand(), o.tryCommand(),
		o.sealCommand(), o.hashCommand(), o.keygenCommand(), o.authorizeCommand())
	return parent
}

// changing has the audit trail tell of a command.
func (o *accountsOptions) changing(c *cobra.Command) *cobra.Command {
	return witnessed(c, always(audit.ActionAccount))
}

type accountsOptions struct{ config string }

// load returns the configuration, and its keys.
func (o *accountsOptions) load() (*config.Snapshot, *auth.Keyring, error) {
	c, err := (&accountOptions{config: o.config}).load()
	if err != nil {
		return nil, nil, err
	}
	return c, auth.NewKeyring(c.KeyFile), nil
}

// errNoState: there is no place for accounts.
var errNoState = errors.New("the configuration names no state file to keep accounts in; add the key state, or write [[account]] with what restante account seal and hash print")

// amend changes one account of the state file in one transaction. change is
// given an account that is new if there is none.
func (o *accountsOptions) amend(ctx context.Context, name string, change func(c *config.Snapshot, keys *auth.Keyring, a *auth.Account, found bool) error) error {
	c, keys, err := o.load()
	switch {
	case err != nil:
		return err
	case c.State == "":
		return errNoState
	case configured(c, name) != nil:
		return fmt.Errorf("account %q is in the configuration file: change it there; restante account seal and hash print what to write", name)
	}
	return amendAccounts(ctx, c.State, func(w store.AccountWriter) error {
		a, found, err := readAccount(w.AccountReader, name)
		if err != nil {
			return err
		}
		if err := change(c, keys, &a, found); err != nil {
			return err
		}
		return writeAccount(w, a)
	})
}

// amendAccounts is store.AmendAccounts; an error of change itself is no affair
// of the state file, and says nothing of it.
func amendAccounts(ctx context.Context, path string, change func(store.AccountWriter) error) error {
	var own error
	err := store.AmendAccounts(ctx, path, func(w store.AccountWriter) error {
		own = change(w)
		return own
	})
	return cmp.Or(own, err)
}

// configured is the account of the files with that name, or nil.
func configured(c *config.Snapshot, name string) *auth.Account {
	for i := range c.Accounts {
		if auth.Fold(c.Accounts[i].Name) == auth.Fold(name) {
			return &c.Accounts[i]
		}
	}
	return nil
}

func readAccount(r store.AccountReader, name string) (auth.Account, bool, error) {
	kept, found, err := r.Account(auth.Fold(name))
	if err != nil || !found {
		return auth.Account{Name: auth.Fold(name)}, false, err
	}
	a, err := auth.Decode(kept.Name, kept.Settings)
	return a, true, err
}

func writeAccount(w store.AccountWriter, a auth.Account) error {
	if err := a.Check(); err != nil {
		return err
	}
	settings, err := a.Encode()
	if err != nil {
		return err
	}
	return w.PutAccount(store.Account{Name: auth.Fold(a.Name), Settings: settings, Changed: time.Now().Unix()})
}

// tellUse says so if the account cannot be used as things are.
func tellUse(c *cobra.Command, s *config.Snapshot, name string) {
	r, matches := s.Route(name, noAddress, "")
	if !s.UsesAccounts() {
		fmt.Fprintln(c.OutOrStdout(), `note: no route uses accounts yet; write accounts = "only" (or "first") in one`)
	} else if matches && r.Accounts == auth.UseNone {
		fmt.Fprintf(c.OutOrStdout(), "note: the route of %q uses no accounts, unless the client's address or listener leads it elsewhere\n", name)
	}
}

func (o *accountsOptions) removeCommand() *cobra.Command {
	var label string
	c := &cobra.Command{
		Use:   "remove USER",
		Short: "Remove an account, or one of its secrets",
		Long:  "Remove an account with all that is kept for it; with --label, only that secret. Sessions that run go on.",
		Args:  argumentCount(1),
		RunE: func(c *cobra.Command, args []string) error {
			return o.remove(c, args[0], label)
		},
	}
	c.Flags().StringVar(&label, "label", "", "remove only the secret with this label")
	return c
}

func (o *accountsOptions) remove(c *cobra.Command, name, label string) error {
	s, _, err := o.load()
	switch {
	case err != nil:
		return err
	case s.State == "":
		return errNoState
	case configured(s, name) != nil:
		return fmt.Errorf("account %q is in the configuration file: remove it there", name)
	}
	return amendAccounts(c.Context(), s.State, func(w store.AccountWriter) error {
		a, found, err := readAccount(w.AccountReader, name)
		switch {
		case err != nil && label != "":
			return err
		case !found && err == nil:
			return fmt.Errorf("there is no account %q", name)
		case label == "": // also one that cannot be read
			_, err = w.RemoveAccount(auth.Fold(name))
			return tellRemoved(c, "account "+name, err)
		case a.Secret(label) == nil:
			return fmt.Errorf("account %q has no secret %q", name, label)
		}
		a.Secrets = without(a.Secrets, label)
		err = errors.Join(writeAccount(w, a), w.ForgetUse(a.Name, label))
		return tellRemoved(c, "secret "+label+" of "+name, err)
	})
}

func tellRemoved(c *cobra.Command, what string, err error) error {
	if err == nil {
		fmt.Fprintf(c.OutOrStdout(), "removed: %s\n", printable(what))
	}
	return err
}

func without(secrets []auth.Secret, label string) (left []auth.Secret) {
	for _, s := range secrets {
		if s.Label != label {
			left = append(left, s)
		}
	}
	return left
}
