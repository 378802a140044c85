package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strings"
	"time"

	"github.com/sirupsen/logrus"
	"github.com/spf13/cobra"

	"github.com/restante-mail/restante/config"
	"github.com/restante-mail/restante/gateway"
	"github.com/restante-mail/restante/pop3"
	"github.com/restante-mail/restante/secret"
	"github.com/restante-mail/restante/upstream"
)

// checkOptions are those of check.
type checkOptions struct {
	accountOptions
	connect bool
	user    string
	json    bool
}

func checkCommand() *cobra.Command {
	var o checkOptions
	c := &cobra.Command{
		Use:   "check --config FILE",
		Short: "Check a configuration",
		Long: "Check a configuration file (or folder of files). Exit status 1 means that something is wrong with it.\n\n" +
			"With --connect, connect to the upstreams, too; with --user also sign in, with a password that is asked for\n" +
			"(or read from standard input), and tell what the policies of that user's views ask of the server and it\n" +
			"cannot do: folders that are not there, no UIDPLUS, no QUOTA, keywords that it does not keep. Nothing is\n" +
			"changed.",
		RunE: func(c *cobra.Command, _ []string) error {
			switch {
			case o.config == "":
				return usageError{errors.New("say which file to check: --config FILE"), "check "}
			case o.user != "" && !o.connect:
				return usageError{errors.New("--user signs in, which needs --connect"), "check "}
			}
			return o.run(c)
		},
	}
	f := c.Flags()
	f.StringVar(&o.config, "config", "", "configuration file, or folder of *.toml files")
	f.BoolVar(&o.connect, "connect", false, "also connect to the upstreams")
	f.StringVar(&o.user, "user", "", "with --connect: sign in as this user, and check the policies against the server")
	f.StringVar(&o.client, "client", "", "the user's client's address, where routes depend on it")
	f.StringVar(&o.listener, "listener", "", "the listener's name, where routes depend on it")
	f.BoolVar(&o.json, "json", false, "write JSON")
	return c
}

// checkResult is what check found out.
type checkResult struct {
	Config    string            `json:"config"`
	Listeners int               `json:"listeners"`
	Warnings  []string          `json:"warnings,omitempty"`
	Upstreams []checkedUpstream `json:"upstreams"`
	// Unmet are nil unless somebody signed in.
	Unmet []gateway.Unmet `json:"unmet,omitempty"`
}

// checkedUpstream is what connecting to an upstream found out, if that was
// asked for.
type checkedUpstream struct {
	Name         string   `json:"name"`
	Address      string   `json:"address,omitempty"`
	TLS          string   `json:"tls,omitempty"`
	Capabilities []string `json:"capabilities,omitempty"`
	Findings     []string `json:"findings,omitempty"`
	Error        string   `json:"error,omitempty"`
}

func (o *checkOptions) run(c *cobra.Command) error {
	var password secret.Text
	snapshot, err := o.load()
	if err == nil && o.user != "" {
		password, err = readPassword(c.InOrStdin(), c.ErrOrStderr(), o.user)
	}
	if err != nil {
		return err
	}
	found := o.look(c.Context(), snapshot)
	var failed error
	if o.user != "" {
		found.Unmet, failed = o.unmet(c.Context(), snapshot, password)
	}
	if o.json {
		err = writeJSON(c.OutOrStdout(), found)
	} else {
		found.write(c.OutOrStdout())
	}
	return errors.Join(err, failed, found.verdict())
}

// look needs no password.
func (o *checkOptions) look(ctx context.Context, c *config.Snapshot) *checkResult {
	found := &checkResult{Config: o.config, Listeners: len(c.Listeners)}
	for _, w := range c.Warnings(time.Now()) {
		found.Warnings = append(found.Warnings, w.Error())
	}
	if err := lookForForsaken(ctx, c); err != nil {
		found.Warnings = append(found.Warnings, err.Error())
	}
	for _, u := range c.Upstreams {
		at := checkedUpstream{Name: u.Name}
		if o.connect {
			at.probe(ctx, u)
		}
		found.Upstreams = append(found.Upstreams, at)
	}
	return found
}

// probe asks an upstream what it can do.
func (at *checkedUpstream) probe(ctx context.Context, u *config.Upstream) {
	opened, err := openUpstream(u, nil, upstream.Hooks{}, silentLog())
	if err == nil {
		var report upstream.Report
		report, err = opened.server.Probe(ctx)
		at.Address, at.TLS, at.Capabilities, at.Findings = report.Address, u.Security.String(), report.Capabilities, report.Findings
		err = errors.Join(err, opened.server.Close())
	}
	if err != nil {
		at.Error = err.Error()
	}
}

// unmet signs in to each of the user's views.
func (o *checkOptions) unmet(ctx context.Context, c *config.Snapshot, password secret.Text) (all []gateway.Unmet, err error) {
	client, err := o.address()
	if err != nil {
		return nil, err
	}
	r, err := o.route(c, o.user, client)
	if err != nil {
		return nil, err
	}
	g, done, err := onlooker(c, c.State)
	if err != nil {
		return nil, err
	}
	for _, view := range r.Views() {
		as := accountOptions{view: view}
		unmet, problem := g.Unmet(ctx, question(as.name(r.Base), password, client, o.listener))
		all, err = append(all, unmet...), errors.Join(err, problem)
	}
	return all, errors.Join(err, done())
}

// question is whose maildrop is looked at.
func question(user string, password secret.Text, client netip.Addr, listener string) gateway.Question {
	return gateway.Question{Credentials: pop3.Credentials{Mechanism: "USER", User: user, Secret: password}, Client: client, Listener: listener}
}

func (found *checkResult) write(out io.Writer) {
	for _, w := range found.Warnings {
		fmt.Fprintf(out, "warning: %s\n", w)
	}
	fmt.Fprintf(out, "%s is good: %d listener(s), %d upstream(s)\n", found.Config, found.Listeners, len(found.Upstreams))
	for _, u := range found.Upstreams {
		switch {
		case u.Error != "":
			fmt.Fprintf(out, "upstream %s: cannot be used: %s\n", u.Name, u.Error)
		case u.Address != "":
			fmt.Fprintf(out, "upstream %s: %s answers (TLS: %s); it offers %s\n", u.Name, u.Address, u.TLS, strings.Join(u.Capabilities, ", "))
		}
		for _, finding := range u.Findings {
			fmt.Fprintf(out, "  %s\n", finding)
		}
	}
	for _, u := range found.Unmet {
		fmt.Fprintln(out, printable(u.String()))
	}
}

// verdict is an error if something is not as it should be.
func (found *checkResult) verdict() error {
	var unusable []string
	for _, u := range found.Upstreams {
		if u.Error != "" {
			unusable = append(unusable, u.Name)
		}
	}
	var errs []error
	if unusable != nil {
		errs = append(errs, fmt.Errorf("cannot use: %s", strings.Join(unusable, ", ")))
	}
	if n := len(found.Unmet); n > 0 {
		errs = append(errs, fmt.Errorf("%d setting(s) ask for what the server cannot do", n))
	}
	return errors.Join(errs...)
}

func silentLog() *logrus.Logger {
	silent := logrus.New()
	silent.SetOutput(io.Discard)
	return silent
}
