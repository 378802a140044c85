package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/restante-mail/restante/auth"
	"github.com/restante-mail/restante/config"
	"github.com/restante-mail/restante/store"
)

// shownAccount is an account without its secrets.
type shownAccount struct {
	Name string `json:"name"`
	// Source is "configuration", "state" or "htpasswd file".
	Source   string        `json:"source"`
	Disabled bool          `json:"disabled,omitempty"`
	Method   string        `json:"method"`
	User     string        `json:"user,omitempty"`
	ActAs    string        `json:"act_as,omitempty"`
	Provider string        `json:"provider,omitempty"`
	Grant    string        `json:"grant,omitempty"`
	Secrets  []shownSecret `json:"secrets,omitempty"`
	// Token is of accounts that keep tokens of a provider.
	Token *shownToken `json:"token,omitempty"`
	// Problem: the account cannot be read.
	Problem string `json:"problem,omitempty"`
}

type shownSecret struct {
	Label       string    `json:"label"`
	Kind        string    `json:"kind"`
	Certificate string    `json:"certificate,omitempty"`
	View        string    `json:"view,omitempty"`
	Policy      string    `json:"policy,omitempty"`
	Networks    []string  `json:"networks,omitempty"`
	Expires     time.Time `json:"expires,omitzero"`
	Expired     bool      `json:"expired,omitempty"`
	Used        time.Time `json:"used,omitzero"`
}

func describe(a auth.Account, source string, uses map[string]int64, now time.Time) shownAccount {
	s := shownAccount{Name: a.Name, Source: source, Disabled: a.Disabled, Method: string(a.Upstream.Method), User: a.Upstream.User,
		ActAs: a.Upstream.ActAs, Provider: a.Upstream.Provider, Grant: a.Upstream.Grant}
	if s.Method == "" {
		s.Method = string(auth.ByMaster)
	}
	for _, k := range a.Secrets {
		one := shownSecret{Label: k.Label, Kind: kindOf(k), Certificate: k.Certificate, View: k.View, Policy: k.Policy,
			Expires: k.Expires, Expired: !k.Expires.IsZero() && !now.Before(k.Expires)}
		for _, p := range k.Networks {
			one.Networks = append(one.Networks, p.String())
		}
		if used := uses[k.Label]; used != 0 {
			one.Used = time.Unix(used, 0).UTC()
		}
		s.Secrets = append(s.Secrets, one)
	}
	return s
}

func kindOf(s auth.Secret) string {
	switch {
	case s.Sealed != "":
		return "recoverable"
	case s.Certificate != "":
		return "certificate"
	case auth.IsPasswordHash(s.Hash):
		return "password"
	}
	return "generated"
}

// all returns every account of the files and of the state file, by name. A line
// of an htpasswd file is one where there is no other of that name.
func (o *accountsOptions) all(ctx context.Context) (list []shownAccount, err error) {
	c, _, err := o.load()
	if err != nil {
		return nil, err
	}
	now := time.Now()
	if c.State != "" {
		err = store.LookAtAccounts(ctx, c.State, func(r store.AccountReader) error {
			list, err = gather(c, r, now)
			return err
		})
	} else {
		for _, a := range c.Accounts {
			list = append(list, describe(a, "configuration", nil, now))
		}
	}
	for name := range c.Htpasswd.Names() {
		if !slices.ContainsFunc(list, func(a shownAccount) bool { return auth.Fold(a.Name) == name }) {
			list = append(list, describe(auth.Account{Name: name}, "htpasswd file", nil, now))
		}
	}
	slices.SortFunc(list, func(a, b shownAccount) int { return strings.Compare(auth.Fold(a.Name), auth.Fold(b.Name)) })
	return list, err
}

func gather(c *config.Snapshot, r store.AccountReader, now time.Time) (list []shownAccount, err error) {
	for _, a := range c.Accounts {
		uses, err := r.Uses(auth.Fold(a.Name))
		if err != nil {
			return nil, err
		}
		s := describe(a, "configuration", uses, now)
		s.Token = tokenOf(c, r, a)
		list = append(list, s)
	}
	kept, err := r.ListAccounts()
	if err != nil {
		return nil, err
	}
	for _, k := range kept {
		uses, err := r.Uses(k.Name)
		if err != nil {
			return nil, err
		}
		a, err := auth.Decode(k.Name, k.Settings)
		s := describe(a, "state", uses, now)
		s.Token = tokenOf(c, r, a)
		if err != nil {
			s = shownAccount{Name: k.Name, Source: "state", Problem: err.Error()}
		}
		list = append(list, s)
	}
	return list, nil
}

func (o *accountsOptions) listCommand() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "list",
		Short: "List accounts",
		Args:  noArguments,
		RunE: func(c *cobra.Command, _ []string) error {
			list, err := o.all(c.Context())
			if err != nil {
				return err
			}
			if asJSON {
				return writeJSON(c.OutOrStdout(), append([]shownAccount{}, list...))
			}
			return writeAccounts(c.OutOrStdout(), list)
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "write JSON")
	return c
}

func writeAccounts(out io.Writer, list []shownAccount) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "ACCOUNT\tIN\tUPSTREAM BY\tSECRETS\tLAST USED\t")
	for _, a := range list {
		var labels []string
		last := time.Time{}
		for _, s := range a.Secrets {
			labels = append(labels, printable(s.Label))
			if s.Used.After(last) {
				last = s.Used
			}
		}
		note := printable(a.Token.words())
		if a.Disabled {
			note = "disabled"
		}
		if a.Problem != "" {
			note = "cannot be read: remove it"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", printable(a.Name), a.Source, a.Method, orNone(strings.Join(labels, ", ")), orNever(last), note)
	}
	return w.Flush()
}

func orNever(t time.Time) string {
	if t.IsZero() {
		return "never"
	}
	return t.Local().Format("2006-01-02 15:04")
}

func (o *accountsOptions) showCommand() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "show USER",
		Short: "Show an account, without its secrets",
		Args:  argumentCount(1),
		RunE: func(c *cobra.Command, args []string) error {
			list, err := o.all(c.Context())
			if err != nil {
				return err
			}
			i := slices.IndexFunc(list, func(a shownAccount) bool { return auth.Fold(a.Name) == auth.Fold(args[0]) })
			switch {
			case i < 0:
				return fmt.Errorf("there is no account %q", args[0])
			case asJSON:
				return writeJSON(c.OutOrStdout(), list[i])
			}
			return writeAccountDetails(c.OutOrStdout(), list[i])
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "write JSON")
	return c
}

func writeAccountDetails(out io.Writer, a shownAccount) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "account\t%s (in the %s)\n", printable(a.Name), a.Source)
	if a.Problem != "" {
		fmt.Fprintf(w, "problem\t%s\n", printable(a.Problem))
		return w.Flush()
	}
	fmt.Fprintf(w, "disabled\t%v\nupstream by\t%s\n", a.Disabled, a.Method)
	for _, part := range [][2]string{{"user", a.User}, {"acts as", a.ActAs}, {"provider", a.Provider}, {"grant", a.Grant}} {
		if part[1] != "" {
			fmt.Fprintf(w, "%s\t%s\n", part[0], printable(part[1]))
		}
	}
	if a.Token != nil {
		fmt.Fprintf(w, "tokens\t%s\n", printable(a.Token.words()))
	}
	for _, s := range a.Secrets {
		fmt.Fprintf(w, "secret %s\t%s\n", printable(s.Label), strings.Join(s.words(), ", "))
	}
	return w.Flush()
}

func (s shownSecret) words() []string {
	words := []string{s.Kind}
	for _, part := range [][2]string{{"", s.Certificate}, {"view ", s.View}, {"policy ", s.Policy}, {"from ", strings.Join(s.Networks, " ")}} {
		if part[1] != "" {
			words = append(words, part[0]+printable(part[1]))
		}
	}
	if !s.Expires.IsZero() {
		words = append(words, map[bool]string{false: "until ", true: "expired "}[s.Expired]+s.Expires.Format(time.RFC3339))
	}
	return append(words, "last used "+orNever(s.Used))
}
