package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/restante-mail/restante/auth"
	"github.com/restante-mail/restante/auth/oauth"
	"github.com/restante-mail/restante/config"
	"github.com/restante-mail/restante/secret"
	"github.com/restante-mail/restante/store"
)

// authorizeOptions say how a person consents.
type authorizeOptions struct {
	device, browser, paste, json bool
	wait                         time.Duration
}

func (o *accountsOptions) authorizeCommand() *cobra.Command {
	var a authorizeOptions
	c := &cobra.Command{
		Use:   "authorize USER",
		Short: "Have the owner of a mailbox consent, and keep the tokens that come of it",
		Long: "Have the owner of a mailbox consent to Restante's reading it, and keep the tokens that come of it, sealed, in\n" +
			"the state file. Prints a link, with a code to type there or for a browser on this machine, and waits. Works while\n" +
			"Restante runs, which needs no restart. Ctrl-C ends it, and nothing is changed.\n\n" +
			"For a provider that needs nobody's consent (client_credentials, service_account) it asks for one token, to see\n" +
			"whether it gives one.",
		Args: argumentCount(1),
		RunE: func(c *cobra.Command, args []string) error {
			ctx, stop := signal.NotifyContext(c.Context(), os.Interrupt, syscall.SIGTERM)
			defer stop()
			ctx, cancel := context.WithTimeout(ctx, a.wait)
			defer cancel()
			return o.authorize(ctx, c, args[0], a)
		},
	}
	f := c.Flags()
	f.BoolVar(&a.device, "device", false, "a code that is typed on any device (the provider's default may be another)")
	f.BoolVar(&a.browser, "browser", false, "a browser on this machine")
	f.BoolVar(&a.paste, "paste", false, "a browser on another machine, whose last address is pasted here")
	f.DurationVar(&a.wait, "wait", 15*time.Minute, "how long to wait for the person, at most an hour")
	f.BoolVar(&a.json, "json", false, "write JSON, a line for what to show and one for how it went")
	c.MarkFlagsMutuallyExclusive("device", "browser", "paste")
	return c
}

// grant is the word for what the flags ask for; "" leaves it to the account.
func (a authorizeOptions) grant() string {
	switch {
	case a.device:
		return "device"
	case a.browser, a.paste:
		return "code"
	}
	return ""
}

func (o *accountsOptions) authorize(ctx context.Context, c *cobra.Command, name string, how authorizeOptions) error {
	if how.wait <= 0 || how.wait > time.Hour {
		return usageError{errors.New("--wait must be above 0s, and at most 1h"), "account authorize "}
	}
	s, _, err := o.load()
	if err != nil {
		return err
	}
	a, err := findAccount(ctx, s, name)
	if err != nil {
		return err
	}
	p, err := providerOf(s, a, how.grant())
	if err != nil {
		return err
	}
	t, err := tokensBeside(s)
	if err != nil {
		return err
	}
	defer t.keeper.Close()
	if p.Grant != oauth.User {
		return tryOwn(ctx, c.OutOrStdout(), t, a, s)
	}
	return consent(ctx, c, t, p, a, how)
}

// findAccount looks where a sign-in would.
func findAccount(ctx context.Context, s *config.Snapshot, name string) (auth.Account, error) {
	if a := configured(s, name); a != nil {
		return *a, nil
	}
	if s.State == "" {
		return auth.Account{}, fmt.Errorf("there is no account %q", name)
	}
	var a auth.Account
	err := store.LookAtAccounts(ctx, s.State, func(r store.AccountReader) (err error) {
		var found bool
		if a, found, err = readAccount(r, name); err == nil && !found {
			err = fmt.Errorf("there is no account %q; make it with restante account add --method oauth2", name)
		}
		return err
	})
	return a, err
}

// tryOwn asks for a token that needs nobody.
func tryOwn(ctx context.Context, out io.Writer, t tokens, a auth.Account, s *config.Snapshot) error {
	user := a.Upstream.User
	if r, ok := s.Route(a.Name, noAddress, ""); ok && user == "" {
		user, _ = r.Identity(r.Base) // if there is none, the provider says so
	}
	source, err := t.Source(a, user)
	if err != nil {
		return err
	}
	token, err := source.Token(ctx, secret.Text{})
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "nobody needs to consent; %s has given a token that is good until %s\n", a.Upstream.Provider, token.Expires.Local().Format(time.DateTime))
	return nil
}

// consent waits for a person.
func consent(ctx context.Context, c *cobra.Command, t tokens, p *oauth.Provider, a auth.Account, how authorizeOptions) error {
	name := auth.Fold(a.Name)
	if err := t.keeper.Ready(ctx, name); err != nil {
		return err
	}
	var saved oauth.Saved
	var err error
	show := func(m oauth.Prompt) { showPrompt(c.OutOrStdout(), a.Name, m, how) }
	switch grant := wordFor(t.config, a, how); {
	case grant == "device":
		saved, err = t.keeper.Device(ctx, p, name, show)
	case how.paste:
		saved, err = t.keeper.Code(ctx, p, name, a.Upstream.User, show, pasted(c.InOrStdin()))
	default:
		saved, err = t.keeper.Code(ctx, p, name, a.Upstream.User, show, nil)
	}
	switch {
	case errors.Is(err, context.Canceled):
		return errors.New("given up; nothing was changed")
	case errors.Is(err, context.DeadlineExceeded):
		return errors.New("nobody has consented in time; nothing was changed")
	case err != nil:
		return err
	}
	return tellAuthorized(c.OutOrStdout(), a, saved, how)
}

// wordFor is device or code.
func wordFor(s *config.Snapshot, a auth.Account, how authorizeOptions) string {
	for _, word := range []string{how.grant(), a.Upstream.Grant} {
		if word != "" {
			return word
		}
	}
	return s.OAuth(a.Upstream.Provider).Grant // there is one, for it has a Provider
}

func showPrompt(out io.Writer, account string, m oauth.Prompt, how authorizeOptions) {
	switch {
	case how.json:
		_ = json.NewEncoder(out).Encode(map[string]any{"account": account, "url": m.URL, "code": m.Code, "expires": m.Expires})
	case m.Code != "":
		fmt.Fprintf(out, "Open\n\n    %s\n\nin any browser, sign in as the owner of the mailbox, and type the code\n\n    %s\n\n", m.URL, m.Code)
		fmt.Fprintf(out, "Waiting until %s; Ctrl-C gives up.\n", m.Expires.Local().Format(time.TimeOnly))
	case how.paste:
		fmt.Fprintf(out, "Open\n\n    %s\n\nin any browser, and sign in as the owner of the mailbox. The browser then ends at an address that begins\n"+
			"with http://127.0.0.1 or http://localhost and cannot be shown. Copy that address, and paste it here: ", m.URL)
	default:
		fmt.Fprintf(out, "Open\n\n    %s\n\nin a browser on this machine (with --paste on any other), and sign in as the owner of the mailbox.\n", m.URL)
		fmt.Fprintf(out, "Waiting until %s; Ctrl-C gives up.\n", m.Expires.Local().Format(time.TimeOnly))
	}
}

// maxPasted bounds an address: codes have at most some KiB.
const maxPasted = 16 << 10

// pasted reads a line, for as long as the context lasts. Who still reads then
// ends with the process.
func pasted(in io.Reader) func(context.Context) (string, error) {
	return func(ctx context.Context) (string, error) {
		lines := make(chan string, 1)
		go func() {
			line, _ := bufio.NewReader(io.LimitReader(in, maxPasted)).ReadString('\n')
			lines <- strings.TrimSpace(line)
		}()
		select {
		case line := <-lines:
			return line, nil
		case <-ctx.Done():
			return "", ctx.Err()
		}
	}
}

func tellAuthorized(out io.Writer, a auth.Account, saved oauth.Saved, how authorizeOptions) error {
	if how.json {
		return json.NewEncoder(out).Encode(map[string]any{"account": a.Name, "provider": a.Upstream.Provider, "authorized": saved.Authorized, "expires": saved.Expires})
	}
	_, err := fmt.Fprintf(out, "%s is authorized with %s. Try it: restante account test %s --upstream-only\n", printable(a.Name), a.Upstream.Provider, printable(a.Name))
	return err
}
