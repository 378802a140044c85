package main

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"

	"github.com/restante-mail/restante/config"
	"github.com/restante-mail/restante/doctor"
	"github.com/restante-mail/restante/secret"
	"github.com/restante-mail/restante/upstream"
)

// doctorOptions are those of doctor.
type doctorOptions struct {
	accountOptions
	held, json bool
}

func doctorCommand() *cobra.Command {
	var o doctorOptions
	c := &cobra.Command{
		Use:   "doctor USER",
		Short: "Look for what is wrong between here and a user's mailbox",
		Long: "Connect to every address of the user's upstream, sign in with the password, which is asked for (or read from\n" +
			"standard input), and look at all that mail programs run into: certificates, capabilities, folders, sizes, quota,\n" +
			"limits, clocks, and what the policy asks of the server. Says what is wrong and what to do. Exit status 1 means\n" +
			"that something is wrong. Nothing is changed.\n\n" +
			"With --upstream-only no password is asked for: what is kept for the account signs in.",
		Args: argumentCount(1),
		RunE: func(c *cobra.Command, args []string) error {
			if o.config == "" {
				return usageError{errors.New("say which configuration: --config FILE"), "doctor "}
			}
			var password secret.Text
			var err error
			if !o.held {
				password, err = readPassword(c.InOrStdin(), c.ErrOrStderr(), args[0])
			}
			if err != nil {
				return err
			}
			found, err := o.examine(c.Context(), args[0], password)
			if err != nil {
				return err
			}
			if o.json {
				err = writeJSON(c.OutOrStdout(), found)
			} else {
				found.write(c.OutOrStdout())
			}
			return errors.Join(err, found.verdict())
		},
	}
	o.flags(c)
	c.Flags().BoolVar(&o.held, "upstream-only", false, "sign in with what is kept for the account")
	c.Flags().BoolVar(&o.json, "json", false, "write JSON")
	return c
}

// examine finds out everything. Its error is one of the command line, or of the
// configuration.
func (o *doctorOptions) examine(ctx context.Context, user string, password secret.Text) (*doctored, error) {
	c, err := o.load()
	if err != nil {
		return nil, err
	}
	client, err := o.address()
	if err != nil {
		return nil, err
	}
	r, err := o.route(c, user, client)
	if err != nil {
		return nil, err
	}
	var signIn trips
	g, servers, done, err := onlookerWith(c, c.State, func(string) upstream.Hooks { return signIn.hooks() })
	if err != nil {
		return nil, err
	}
	facts := doctor.Facts{Now: time.Now()}
	q := question(o.name(user), password, client, o.listener)
	facts.Exam, facts.Err = g.Examine(ctx, q, o.held)
	to := r.Upstream
	for _, u := range c.Upstreams { // a lookup may have led elsewhere
		if u.Name == facts.Exam.Upstream {
			to = u
		}
	}
	facts.POP3, facts.ExactSizes, facts.TellsClient = to.Protocol == config.POP3, to.ExactSizes, to.TellClient != ""
	facts.Neutral = to.Neutral != nil && *to.Neutral
	facts.Visits = servers[to.Name].server.Visit(ctx)
	found := newDoctored(to, &facts, &signIn)
	return found, done()
}

// trips counts round trips until the mailbox is open.
type trips struct {
	count  atomic.Int32
	opened atomic.Bool
}

func (t *trips) hooks() upstream.Hooks {
	return upstream.Hooks{
		RoundTrip: func() {
			if !t.opened.Load() {
				t.count.Add(1)
			}
		},
		Opened: func(bool, time.Duration, error) { t.opened.Store(true) },
	}
}

// verdict is an error if something is wrong.
func (d *doctored) verdict() error {
	if n := len(d.Findings); n > 0 {
		return fmt.Errorf("%d finding(s)", n)
	}
	return nil
}
