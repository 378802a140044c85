package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/restante-mail/restante/auth"
	"github.com/restante-mail/restante/config"
)

func routeCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "route",
		Short: "See where logins lead",
		Args:  noArguments,
		RunE:  func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(routeExplainCommand())
	return c
}

// A led is where a login leads, and why.
type led struct {
	User     string              `json:"user"`
	Tried    []config.RouteTried `json:"tried"`
	Upstream string              `json:"upstream,omitempty"`
	Address  string              `json:"address,omitempty"`
	Identity string              `json:"identity,omitempty"`
	View     string              `json:"view,omitempty"`
	Policy   string              `json:"policy,omitempty"`
	// Decides is who says whether the password is right.
	Decides string `json:"decides,omitempty"`
	Problem string `json:"problem,omitempty"`
}

func routeExplainCommand() *cobra.Command {
	var o accountOptions
	var asJSON bool
	c := &cobra.Command{
		Use:   "explain USER",
		Short: "Tell which route a login takes, and why not the ones before it",
		Long: "Tell which route a login takes, and why not the ones before it. Nobody is asked: neither an upstream, nor a\n" +
			"lookup, which may lead elsewhere. The exit status is 1 if the login leads nowhere.",
		Args: argumentCount(1),
		RunE: func(c *cobra.Command, args []string) error {
			l, err := explainRoute(&o, args[0])
			if err != nil {
				return err
			}
			if asJSON {
				err = writeJSON(c.OutOrStdout(), l)
			} else {
				err = l.write(c.OutOrStdout())
			}
			if err == nil && l.Problem != "" {
				err = fmt.Errorf("%s leads nowhere: %s", printable(l.User), l.Problem)
			}
			return err
		},
	}
	o.flags(c)
	c.Flags().BoolVar(&asJSON, "json", false, "write JSON")
	return c
}

func explainRoute(o *accountOptions, user string) (l led, err error) {
	c, err := o.load()
	if err != nil {
		return l, err
	}
	client, err := o.address()
	if err != nil {
		return l, err
	}
	l.User = o.name(user)
	l.Tried = c.Explain(l.User, client, o.listener)
	r, ok := c.Route(l.User, client, o.listener)
	if !ok {
		l.Problem = "no route matches"
		return l, nil
	}
	l.Upstream, l.Address, l.View, l.Policy = r.Upstream.Name, r.Upstream.Addresses[0], r.View, r.PolicyName
	l.Decides = decides(r)
	if l.Identity, err = r.Identity(r.Base); err != nil {
		l.Problem = err.Error()
	}
	return l, nil
}

func decides(r config.Route) string {
	switch {
	case r.Lookup != nil:
		return fmt.Sprintf("the lookup %q, which may lead elsewhere; then the upstream", r.Lookup.Name)
	case r.Accounts == auth.UseOnly:
		return "the account of that name, which may have a view, a policy and an identity of its own"
	case r.Accounts == auth.UseFirst:
		return "the account of that name if there is one, which may have a view, a policy and an identity of its own; else the upstream"
	}
	return "the upstream"
}

func (l led) write(out io.Writer) error {
	for _, t := range l.Tried {
		name := "the only route"
		if t.Number > 0 {
			name = fmt.Sprintf("route %d (%s)", t.Number, t.Place)
		}
		if t.Name != "" {
			name += fmt.Sprintf(" %q", t.Name)
		}
		fmt.Fprintf(out, "%s %s: %s\n", map[bool]string{true: "+", false: "-"}[t.Match], name, printable(t.Why))
	}
	if l.Upstream == "" {
		return nil
	}
	fmt.Fprintf(out, "upstream   %s (%s)\nidentity   %s\n", l.Upstream, l.Address, printable(l.Identity))
	if l.View != "" {
		fmt.Fprintf(out, "view       %s\n", l.View)
	}
	_, err := fmt.Fprintf(out, "policy     %s\npassword   is judged by %s\n", l.Policy, l.Decides)
	return err
}
