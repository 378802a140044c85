package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/sirupsen/logrus"
	"github.com/spf13/cobra"

	"github.com/restante-mail/restante/gateway"
	"github.com/restante-mail/restante/pop3"
)

func (o *accountsOptions) tryCommand() *cobra.Command {
	var client, listener string
	var upstreamOnly bool
	c := &cobra.Command{
		Use:   "test USER",
		Short: "Sign in as an account, here and upstream, and tell how that went",
		Long: "Ask for a POP3 secret of the account and sign in with it, here and then upstream, as a client would. With\n" +
			"--upstream-only no secret is asked for: only what is kept for the account is tried. Nothing is changed.",
		Args: argumentCount(1),
		RunE: func(c *cobra.Command, args []string) error {
			where := accountOptions{config: o.config, client: client, listener: listener}
			q := gateway.Question{Credentials: pop3.Credentials{Mechanism: "USER", User: args[0]}, Listener: listener}
			var err error
			if q.Client, err = where.address(); err != nil {
				return err
			}
			if !upstreamOnly {
				p := prompter{in: c.InOrStdin(), out: c.ErrOrStderr()}
				if q.Credentials.Secret, err = p.ask("POP3 secret of "+args[0], false); err != nil {
					return err
				}
			}
			return o.try(c.Context(), c.OutOrStdout(), q, upstreamOnly)
		},
	}
	c.Flags().StringVar(&client, "client", "127.0.0.1", "the client's address, where secrets or routes depend on it")
	c.Flags().StringVar(&listener, "listener", "", "the listener's name, where routes depend on it")
	c.Flags().BoolVar(&upstreamOnly, "upstream-only", false, "try only what is kept for the account")
	return c
}

func (o *accountsOptions) try(ctx context.Context, out io.Writer, q gateway.Question, held bool) error {
	c, _, err := o.load()
	if err != nil {
		return err
	}
	silent := logrus.New()
	silent.SetOutput(io.Discard)
	servers, err := openUpstreams(c, nil, nil, noHooks, silent)
	if err != nil {
		return err
	}
	t, err := tokensBeside(c)
	if err != nil {
		return errors.Join(err, servers.closeExcept(nil))
	}
	defer t.keeper.Close()
	shared := gateway.NewShared()
	if c.State != "" {
		shared.Store = beside{path: c.State}
	}
	g := &gateway.Gateway{Route: routing(c, servers), Accounts: directory(c, accountsOf(shared.Store), nil, t), Shared: shared, Log: silent}
	tried, err := g.Try(ctx, q, held)
	err = errors.Join(err, servers.closeExcept(nil))
	if tried.Secret != "" {
		fmt.Fprintf(out, "here: the secret %q opens the account\n", tried.Secret)
	}
	if tried.Upstream != "" {
		fmt.Fprintf(out, "upstream: %s, as %s for the mailbox of %s; policy %s, view %q\n",
			tried.Upstream, orNone(printable(tried.User)), orNone(printable(tried.Mailbox)), orNone(tried.Policy), tried.View)
	}
	if err != nil {
		return fmt.Errorf("it does not work: %w", err)
	}
	fmt.Fprintf(out, "signed in; opened %s\n", printable(strings.Join(tried.Folders, ", ")))
	return nil
}
