package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/restante-mail/restante/gateway"
	"github.com/restante-mail/restante/secret"
)

// explainOptions are those of policy explain.
type explainOptions struct {
	accountOptions
	against            string
	retrieved, deleted []int
	json               bool
}

func explainCommand() *cobra.Command {
	var o explainOptions
	c := &cobra.Command{
		Use:   "explain USER",
		Short: "Tell what a client would see, and what its QUIT would do, and why",
		Long: "Sign in upstream with the user's password, which is asked for (or read from standard input), and tell\n" +
			"what would be shown and hidden, what QUIT would do, and why. Nothing is touched: neither the mailbox nor\n" +
			"the state, which may be in use.\n\n" +
			"With --against the configuration in use, tell what would be different under --config: how many messages would\n" +
			"newly be shown, hidden or removed, and one of each. Both go by the state file of the one in use.",
		Args: argumentCount(1),
		RunE: func(c *cobra.Command, args []string) error {
			password, err := readPassword(c.InOrStdin(), c.ErrOrStderr(), args[0])
			if err != nil {
				return err
			}
			return o.run(c.Context(), c.OutOrStdout(), args[0], password)
		},
	}
	o.flags(c)
	f := c.Flags()
	f.StringVar(&o.against, "against", "", "compare with what this configuration does")
	f.IntSliceVar(&o.retrieved, "retrieved", nil, "suppose that the client retrieves these message numbers")
	f.IntSliceVar(&o.deleted, "deleted", nil, "suppose that the client deletes these message numbers")
	f.BoolVar(&o.json, "json", false, "write JSON")
	return c
}

// readPassword asks for it without showing it, or reads it from what is no
// terminal.
func readPassword(in io.Reader, out io.Writer, user string) (secret.Text, error) {
	if f, ok := in.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		fmt.Fprintf(out, "Password of %s: ", user)
		password, err := term.ReadPassword(int(f.Fd()))
		fmt.Fprintln(out)
		return secret.New(string(password)), err
	}
	const longest = 4 << 10 // as much as a client can send
	line, err := io.ReadAll(io.LimitReader(in, longest))
	password, _, _ := strings.Cut(string(line), "\n")
	password = strings.TrimSuffix(password, "\r")
	if err == nil && password == "" {
		err = errors.New("there is no password on standard input")
	}
	return secret.New(password), err
}

func (o *explainOptions) run(ctx context.Context, out io.Writer, user string, password secret.Text) error {
	if o.against == "" {
		e, _, err := o.explain(ctx, o.config, "", user, password)
		if err != nil {
			return err
		}
		return o.write(out, e)
	}
	before, state, err := o.explain(ctx, o.against, "", user, password)
	if err != nil {
		return err
	}
	e, _, err := o.explain(ctx, o.config, state, user, password)
	if err != nil {
		return err
	}
	return o.compare(out, before, e)
}

// explain does so under one configuration, by the state file that it names or by
// another: a new configuration that is tried beside the one in use is to be told
// what clients did under that.
func (o *explainOptions) explain(ctx context.Context, path, state, user string, password secret.Text) (*gateway.Explanation, string, error) {
	c, err := (&accountOptions{config: path}).load()
	if err != nil {
		return nil, "", err
	}
	client, err := o.address()
	if err != nil {
		return nil, "", err
	}
	if _, err := o.route(c, user, client); err != nil {
		return nil, "", err
	}
	state = cmp.Or(state, c.State)
	g, done, err := onlooker(c, state)
	if err != nil {
		return nil, "", err
	}
	q := question(o.name(user), password, client, o.listener)
	q.Retrieved, q.Deleted = o.retrieved, o.deleted
	e, err := g.Explain(ctx, q)
	return e, state, errors.Join(err, done())
}

func (o *explainOptions) write(out io.Writer, e *gateway.Explanation) error {
	if o.json {
		return writeJSON(out, e)
	}
	fmt.Fprintf(out, "user %s: upstream %s as %s, view %q, policy %s, EXPIRE %s\n", e.User, e.Upstream, e.Identity, e.View, e.Policy, orNone(e.Expire))
	if !e.Begun.IsZero() {
		fmt.Fprintf(out, "first sign-in of this view: %s\n", e.Begun.Format(time.DateTime))
	}
	if e.Held {
		fmt.Fprintln(out, "the account is held: nothing is removed but by a client's DELE")
	}
	for _, q := range e.Quota {
		fmt.Fprintf(out, "quota %s: %d %% full, %d of %d %s\n", printable(q.Root), q.Percent, q.Used, q.Limit, q.Of)
	}
	if e.Notice != "" {
		fmt.Fprintln(out, "notice:", e.Notice)
	}
	if e.Alert != "" {
		fmt.Fprintln(out, "ALERT:", e.Alert)
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "NUMBER\tFOLDER\tUID\tARRIVED\tOCTETS\tWHAT AND WHY")
	for _, m := range e.Messages {
		number := fmt.Sprint(m.Number)
		if m.Number == 0 {
			number = "-"
		}
		fmt.Fprintf(w, "%s\t%s\t%d\t%s\t%d\t%s\n", number, printable(m.Folder), m.UID, arrived(m.Arrived), m.Size, printable(strings.Join(reasons(m), "; ")))
	}
	return w.Flush()
}

// reasons are what is known, decided and foreseen of a message.
func reasons(m gateway.Explained) (all []string) {
	if m.Number == 0 {
		all = append(all, "not shown: "+m.Why)
	}
	if !m.Retrieved.IsZero() {
		all = append(all, "retrieved "+m.Retrieved.Format(time.DateTime))
	}
	if !m.Deleted.IsZero() {
		all = append(all, "deleted "+m.Deleted.Format(time.DateTime))
	}
	return append(all, m.Then...)
}

func arrived(t time.Time) string {
	if t.IsZero() {
		return "unknown"
	}
	return t.Format(time.DateTime)
}

// A change is what would be different for one message.
type change struct {
	What    string `json:"what"`
	Count   int    `json:"count"`
	Example string `json:"example"`
}

// compare tells what another configuration would newly show, hide and do.
func (o *explainOptions) compare(out io.Writer, before, after *gateway.Explanation) error {
	type name struct {
		folder string
		uid    uint32
	}
	was := map[name]gateway.Explained{}
	for _, m := range before.Messages {
		was[name{m.Folder, m.UID}] = m
	}
	order := []*change{} // not null in JSON
	changes := map[string]*change{}
	note := func(what string, m gateway.Explained) {
		if changes[what] == nil {
			changes[what] = &change{What: what, Example: fmt.Sprintf("%s UID %d, arrived %s", printable(m.Folder), m.UID, arrived(m.Arrived))}
			order = append(order, changes[what])
		}
		changes[what].Count++
	}
	for _, m := range after.Messages {
		old := was[name{m.Folder, m.UID}]
		switch {
		case old.Number == 0 && m.Number != 0:
			note("newly shown", m)
		case old.Number != 0 && m.Number == 0:
			note("newly not shown: "+m.Why, m)
		}
		if then := strings.Join(m.Then, "; "); then != strings.Join(old.Then, "; ") {
			note("at QUIT, newly: "+orNone(then), m)
		}
	}
	if before.Notice != after.Notice {
		order = append(order, &change{What: "the notice of a full mailbox: " + orNone(after.Notice), Count: 1, Example: "before: " + orNone(before.Notice)})
	}
	if o.json {
		return writeJSON(out, order)
	}
	fmt.Fprintf(out, "%s instead of %s: %d messages are shown instead of %d\n", after.Policy, before.Policy, shown(after), shown(before))
	for _, c := range order {
		fmt.Fprintf(out, "%6d  %s (such as %s)\n", c.Count, printable(c.What), c.Example)
	}
	return nil
}

func shown(e *gateway.Explanation) (n int) {
	for _, m := range e.Messages {
		if m.Number != 0 {
			n++
		}
	}
	return n
}
