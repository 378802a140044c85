package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/restante-mail/restante/admin"
	"github.com/restante-mail/restante/auth"
	"github.com/restante-mail/restante/config"
	"github.com/restante-mail/restante/gateway"
	"github.com/restante-mail/restante/store"
)

// accountOptions say whose maildrop a command is about, as the configuration
// would find it for that client.
type accountOptions struct{ config, view, client, listener string }

func (o *accountOptions) flags(c *cobra.Command) {
	f := c.Flags()
	f.StringVar(&o.config, "config", "", "configuration file, or folder of *.toml files")
	f.StringVar(&o.view, "view", "", "the view (left out: the one in the user name, or the one without a name)")
	f.StringVar(&o.client, "client", "", "the client's address, where routes depend on it")
	f.StringVar(&o.listener, "listener", "", "the listener's name, where routes depend on it")
}

// name is what the client would sign in with.
func (o *accountOptions) name(user string) string {
	switch o.view {
	case "":
		return user
	case "recent":
		return "recent:" + user
	}
	return user + "+" + o.view
}

func (o *accountOptions) load() (*config.Snapshot, error) {
	if o.config == "" {
		return nil, usageError{errors.New("say which configuration: --config FILE"), ""}
	}
	c, err := config.Load(o.config)
	if err != nil {
		return nil, err
	}
	return c.Compile()
}

func (o *accountOptions) address() (netip.Addr, error) {
	if o.client == "" {
		return netip.Addr{}, nil
	}
	a, err := netip.ParseAddr(o.client)
	if err != nil {
		return a, usageError{fmt.Errorf("--client: %w", err), ""}
	}
	return a, nil
}

// find returns where a login leads, and how the state file knows it.
func (o *accountOptions) find(user string) (path string, key store.ViewKey, err error) {
	c, err := o.load()
	if err != nil {
		return "", key, err
	}
	client, err := o.address()
	if err != nil {
		return "", key, err
	}
	if c.State == "" {
		return "", key, fmt.Errorf("%s names no state file: nothing is remembered of anybody", o.config)
	}
	r, err := o.route(c, user, client)
	if err != nil {
		return "", key, err
	}
	identity, err := owner(directory(c, accountsOf(beside{path: c.State}), nil, nil), r)
	return c.State, store.ViewKey{Maildrop: gateway.Maildrop(r.Upstream.Name, identity), View: r.View}, err
}

// owner is whose mailbox upstream a login's is: the account's, where there is one.
func owner(d *auth.Directory, r config.Route) (string, error) {
	identity, err := r.Identity(r.Base)
	if err != nil || d == nil || r.Accounts == auth.UseNone {
		return identity, err
	}
	a, _, err := d.Find(context.Background(), r.Base) // a name without an account has no identity of its own
	return a.Upstream.Owner(identity), err
}

// route is the one that the login would take. A view that is not declared would
// be part of the user's name: it is refused.
func (o *accountOptions) route(c *config.Snapshot, user string, client netip.Addr) (config.Route, error) {
	r, ok := c.Route(o.name(user), client, o.listener)
	switch {
	case !ok:
		return r, fmt.Errorf("no route matches user %q; routes may depend on --client and --listener", o.name(user))
	case o.view != "" && !strings.EqualFold(o.view, r.View):
		return r, fmt.Errorf("the route of %q declares no view %q", user, o.view)
	}
	return r, nil
}

// printable is a name from a mail server as a terminal may see it: quoted if
// there is anything in it that does not print.
func printable(name string) string {
	unprintable := func(r rune) bool { return r == utf8.RuneError || !unicode.IsPrint(r) }
	if strings.ContainsFunc(name, unprintable) {
		return strconv.Quote(name)
	}
	return name
}

// printableLines is printable, line by line. Errors hold what servers say.
func printableLines(text string) string {
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		lines[i] = printable(line)
	}
	return strings.Join(lines, "\n")
}

// argumentCount refuses a call with another number of arguments.
func argumentCount(n int) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if len(args) != n {
			return usageError{fmt.Errorf("wrong number of arguments; the call is restante %s", c.Use), ""}
		}
		return nil
	}
}

func undeleteCommand() *cobra.Command {
	var o accountOptions
	c := &cobra.Command{
		Use:   "undelete USER",
		Short: "Bring back what the account's last session hid or moved",
		Long: "Bring back what the last session of an account, or of a view of it, deleted: what was hidden is\n" +
			"shown again from the next sign-in on; what was moved is moved back at the next sign-in, because the\n" +
			"password is at hand only then (of an account for which one is kept: at once, if Restante runs); what was expunged is lost. Works while Restante runs.",
		Args: argumentCount(1),
		RunE: func(c *cobra.Command, args []string) error {
			path, key, err := o.find(args[0])
			if err != nil {
				return err
			}
			u, err := store.Undelete(c.Context(), path, key)
			if err != nil {
				return err
			}
			if len(u.Returning) > 0 {
				u, err = o.bringBack(c, args[0], path, key, u)
			}
			return errors.Join(err, tellUndone(c, u))
		},
	}
	o.flags(c)
	return c
}

// bringBack has the running Restante move messages back with what it keeps for
// the account, and takes what came back from Returning. Where nothing is kept,
// or nobody runs, they come back at the next sign-in.
func (o *accountOptions) bringBack(c *cobra.Command, user, path string, key store.ViewKey, u store.Undone) (store.Undone, error) {
	conf, err := o.load()
	if err != nil || conf.Admin.Socket == "" || !conf.UsesAccounts() {
		return u, err
	}
	client, err := o.address()
	if err != nil {
		return u, err
	}
	r, err := o.route(conf, user, client)
	if err != nil || r.Accounts == auth.UseNone {
		return u, err
	}
	swept, err := admin.NewClient(conf.Admin.Socket).Sweep(c.Context(), admin.SweepRequest{Account: r.Base, View: r.View})
	if err != nil || swept.Why != "" {
		return u, nil // it is told when they come back
	}
	view, _, err := store.Look(c.Context(), path, key)
	if err == nil && len(view.Back) == 0 {
		u.Back, u.Returning = u.Returning, nil
	}
	return u, err
}

// tellUndone is a failure if anything is lost, or there was nothing to do.
func tellUndone(c *cobra.Command, u store.Undone) error {
	for _, part := range []struct {
		deeds []store.Deed
		what  string
	}{
		{u.Shown, "shown again, with a new UIDL, from the next sign-in on"},
		{u.Back, "moved back, or its flag \\Deleted taken off; shown, with a new UIDL, from the next sign-in on"},
		{u.Returning, "comes back at the next sign-in: it is moved back, or its flag \\Deleted is taken off"},
		{u.Lost, "lost: expunged, or gone"},
	} {
		for _, d := range part.deeds {
			fmt.Fprintf(c.OutOrStdout(), "%s UID %d (UIDL %s): %s\n", printable(d.Folder), d.Key, printable(d.UIDL), part.what)
		}
	}
	for _, d := range u.Elsewhere {
		fmt.Fprintf(c.OutOrStdout(), "%s UID %d (UIDL %s): moved to %s; the server did not say under which UID, so look for it there\n",
			printable(d.Folder), d.Key, printable(d.UIDL), printable(d.Target))
	}
	switch {
	case len(u.Lost)+len(u.Elsewhere) > 0:
		return fmt.Errorf("%d message(s) cannot be brought back", len(u.Lost)+len(u.Elsewhere))
	case len(u.Shown)+len(u.Returning)+len(u.Back) == 0:
		return errors.New("there is nothing to bring back: the last session deleted nothing, or it was undone already")
	}
	return nil
}

func holdCommand() *cobra.Command {
	var o accountOptions
	c := &cobra.Command{
		Use:   "hold USER on|off",
		Short: "Suspend every removal from an account that is no client's DELE",
		Long: "Suspend every removal from an account that is no client's DELE: retention, and what on_retrieve\n" +
			"removes. It is for the whole mailbox, not for one view. Works while Restante runs.",
		Args: argumentCount(2),
		RunE: func(c *cobra.Command, args []string) error {
			on := args[1] == "on"
			if !on && args[1] != "off" {
				return usageError{fmt.Errorf("%q is neither on nor off", args[1]), "hold "}
			}
			path, key, err := o.find(args[0])
			if err != nil {
				return err
			}
			if err := store.Hold(c.Context(), path, key.Maildrop, on); err != nil {
				return err
			}
			fmt.Fprintf(c.OutOrStdout(), "%s is %s from its next session on\n", args[0], map[bool]string{true: "held", false: "not held"}[on])
			return nil
		},
	}
	o.flags(c)
	return c
}

func forgetCommand() *cobra.Command {
	var o accountOptions
	c := &cobra.Command{
		Use:   "forget USER",
		Short: "Forget what is remembered of an account's mail, in all its views",
		Long: "Forget what an account's views have retrieved, deleted and hidden, and its hold: what was hidden is shown\n" +
			"again, and clients may fetch everything again. Works while Restante runs.",
		Args: argumentCount(1),
		RunE: func(c *cobra.Command, args []string) error {
			path, key, err := o.find(args[0])
			if err != nil {
				return err
			}
			n, err := store.Forget(c.Context(), path, key.Maildrop)
			if err == nil {
				fmt.Fprintf(c.OutOrStdout(), "forgot %d view(s) of %s\n", n, args[0])
			}
			return err
		},
	}
	c.Flags().StringVar(&o.client, "client", "", "the client's address, where routes depend on it")
	c.Flags().StringVar(&o.listener, "listener", "", "the listener's name, where routes depend on it")
	c.PreRun = func(c *cobra.Command, _ []string) { o.config, _ = c.Flags().GetString("config") }
	return c
}
