package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/sirupsen/logrus"
	"github.com/spf13/cobra"

	"github.com/restante-mail/restante/config"
	"github.com/restante-mail/restante/gateway"
	"github.com/restante-mail/restante/pop3"
	"github.com/restante-mail/restante/secret"
	"github.com/restante-mail/restante/store"
)

func uidlCommand() *cobra.Command {
	parent := &cobra.Command{
		Use:   "uidl",
		Short: "Keep what messages are called when their server changes",
		Args:  noArguments,
		RunE:  func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	parent.AddCommand(uidlImportCommand(), uidlExportCommand(), uidlCheckCommand())
	return parent
}

// uidlTarget is a configuration, and who is to be found in it.
type uidlTarget struct {
	accountOptions
	snapshot *config.Snapshot
	client   netip.Addr
	servers  upstreams
	gateway  *gateway.Gateway
	release  func() // of tokens
}

// openTarget makes what signs in by the configuration. close must be called.
func (o *accountOptions) openTarget() (*uidlTarget, error) {
	t := &uidlTarget{accountOptions: *o}
	var err error
	if t.snapshot, err = o.load(); err != nil {
		return nil, err
	}
	if t.client, err = o.address(); err != nil {
		return nil, err
	}
	if t.snapshot.State == "" {
		return nil, fmt.Errorf("%s names no state file, which is where names are kept; add state = \"FILE\"", o.config)
	}
	silent := logrus.New()
	silent.SetOutput(io.Discard)
	if t.servers, err = openUpstreams(t.snapshot, nil, nil, noHooks, silent); err != nil {
		return nil, err
	}
	tokens, err := tokensBeside(t.snapshot)
	if err != nil {
		return nil, errors.Join(err, t.servers.closeExcept(nil))
	}
	t.release = tokens.keeper.Close
	shared := gateway.NewShared()
	shared.Store = beside{path: t.snapshot.State}
	t.gateway = &gateway.Gateway{Route: routing(t.snapshot, t.servers), Shared: shared, Log: silent,
		Accounts: directory(t.snapshot, accountsOf(shared.Store), nil, tokens)}
	return t, nil
}

func (t *uidlTarget) close() error {
	t.release()
	return t.servers.closeExcept(nil)
}

// maildrops are how the state file knows a user's mailbox, and the one that it
// succeeds.
func (t *uidlTarget) maildrops(user string) (all []string, err error) {
	r, err := t.route(t.snapshot, user, t.client)
	if err != nil {
		return nil, err
	}
	identity, err := owner(t.gateway.Accounts, r)
	if err != nil {
		return nil, err
	}
	before, err := predecessor(r)
	all = append(all, gateway.Maildrop(r.Upstream.Name, identity))
	if before != "" {
		all = append(all, before)
	}
	return all, err
}

// question is about a user who signs in with that password.
func (t *uidlTarget) question(user string, password secret.Text) gateway.Question {
	return gateway.Question{Client: t.client, Listener: t.listener,
		Credentials: pop3.Credentials{Mechanism: "USER", User: t.name(user), Secret: password}}
}

// uidlCheckOptions are those of uidl check.
type uidlCheckOptions struct {
	accountOptions
	against string
	json    bool
}

func uidlCheckCommand() *cobra.Command {
	var o uidlCheckOptions
	c := &cobra.Command{
		Use:   "check USER",
		Short: "Tell what a client would download again under a configuration",
		Long: "Sign in by --config with the user's password, which is asked for (or read from standard input), list the\n" +
			"mailbox as a client would see it, and tell which messages have names that no client has been told: these it\n" +
			"would download. Nothing is touched. The exit status is 1 if there are any.\n\n" +
			"What clients have been told is what the state file knows. With --against another configuration, the one in\n" +
			"use, it is what a client would see there now; messages that are only in --config are then new mail if none of\n" +
			"the others has lost its name.",
		Example: "  restante uidl check alice --config new.toml\n  restante uidl check alice --config new.toml --against restante.toml --json",
		Args:    argumentCount(1),
		RunE: func(c *cobra.Command, args []string) error {
			password, err := readPassword(c.InOrStdin(), c.ErrOrStderr(), args[0])
			if err != nil {
				return err
			}
			r, err := o.check(c.Context(), args[0], password)
			if err != nil {
				return err
			}
			return o.write(c.OutOrStdout(), r)
		},
	}
	o.flags(c)
	c.Flags().StringVar(&o.against, "against", "", "compare with what this configuration shows now")
	c.Flags().BoolVar(&o.json, "json", false, "write JSON")
	return c
}

// A uidlReport says what a client would do.
type uidlReport struct {
	User     string `json:"user"`
	Messages int    `json:"messages"`
	Kept     int    `json:"kept"`
	// Download are messages that it would take for new.
	Download []uidlMessage `json:"download"`
	// Lost are names that it would not see again.
	Lost []string `json:"lost"`
	// Again: some of Download is not new mail, as far as can be told.
	Again bool `json:"again"`
}

type uidlMessage struct {
	Number  int       `json:"number"`
	Folder  string    `json:"folder"`
	UID     uint32    `json:"uid"`
	UIDL    string    `json:"uidl"`
	Size    int64     `json:"size"`
	Arrived time.Time `json:"arrived,omitzero"`
}

func (o *uidlCheckOptions) check(ctx context.Context, user string, password secret.Text) (*uidlReport, error) {
	t, err := o.openTarget()
	if err != nil {
		return nil, err
	}
	defer t.close()
	known, err := o.known(ctx, t, user, password)
	if err != nil {
		return nil, err
	}
	e, err := t.gateway.Explain(ctx, t.question(user, password))
	if err != nil {
		return nil, fmt.Errorf("under %s: %w", o.config, err)
	}
	r := &uidlReport{User: user, Download: []uidlMessage{}, Lost: []string{}}
	seen := map[string]bool{}
	for _, m := range e.Messages {
		seen[m.UIDL] = true
		if m.Number == 0 {
			continue
		}
		if r.Messages++; known[m.UIDL] {
			r.Kept++
			continue
		}
		r.Download = append(r.Download, uidlMessage{m.Number, m.Folder, m.UID, m.UIDL, m.Size, m.Arrived})
	}
	for name := range known {
		if o.against != "" && !seen[name] {
			r.Lost = append(r.Lost, name)
		}
	}
	slices.Sort(r.Lost)
	r.Again = len(r.Download) > 0 && (o.against == "" || len(r.Lost) > 0)
	return r, nil
}

// known are the names that a client has been told.
func (o *uidlCheckOptions) known(ctx context.Context, t *uidlTarget, user string, password secret.Text) (map[string]bool, error) {
	if o.against == "" {
		maildrops, err := t.maildrops(user)
		if err != nil {
			return nil, err
		}
		return gateway.KnownNames(ctx, t.gateway.Shared.Store, maildrops...)
	}
	now := o.accountOptions
	now.config = o.against
	before, err := now.openTarget()
	if err != nil {
		return nil, err
	}
	defer before.close()
	e, err := before.gateway.Explain(ctx, before.question(user, password))
	if err != nil {
		return nil, fmt.Errorf("under %s: %w", o.against, err)
	}
	known := map[string]bool{}
	for _, m := range e.Messages {
		if m.Number != 0 {
			known[m.UIDL] = true
		}
	}
	return known, nil
}

// write ends with an error if anything would be downloaded again.
func (o *uidlCheckOptions) write(out io.Writer, r *uidlReport) error {
	if o.json {
		if err := writeJSON(out, r); err != nil {
			return err
		}
	} else {
		r.print(out)
	}
	if r.Again {
		return fmt.Errorf("%s: %d of %d message(s) would be downloaded again, or for the first time", r.User, len(r.Download), r.Messages)
	}
	return nil
}

func (r *uidlReport) print(out io.Writer) {
	fmt.Fprintf(out, "%s: %d messages are shown, %d keep their names, %d would be downloaded\n", r.User, r.Messages, r.Kept, len(r.Download))
	for _, m := range r.Download {
		fmt.Fprintf(out, "  download %d: %s UID %d, UIDL %s, %d octets, arrived %s\n", m.Number, printable(m.Folder), m.UID, printable(m.UIDL), m.Size, arrived(m.Arrived))
	}
	for _, name := range r.Lost {
		fmt.Fprintf(out, "  not found: UIDL %s\n", printable(name))
	}
}

func uidlExportCommand() *cobra.Command {
	var o accountOptions
	c := &cobra.Command{
		Use:   "export USER",
		Short: "Write down what a user's messages are called, as TSV",
		Long: "Write down what the state file knows of the names of a user's messages, one a line, as tab-separated values\n" +
			"that restante uidl import --file reads. Works while Restante runs. docs/migration.md describes the columns.",
		Args: argumentCount(1),
		RunE: func(c *cobra.Command, args []string) error {
			t, err := o.openTarget()
			if err != nil {
				return err
			}
			maildrops, err := t.maildrops(args[0])
			if err == nil {
				err = exportNames(c.Context(), c.OutOrStdout(), t.gateway.Shared.Store, maildrops[0])
			}
			return errors.Join(err, t.close())
		},
	}
	o.flags(c)
	return c
}

// tsvHeader is the first line of an export. What it says of the columns must be
// so in a file that is imported.
const tsvHeader = "#uidl\tfolder\tuidvalidity\tuid\tsize\ttrue_size\tprint\tunique"

func exportNames(ctx context.Context, out io.Writer, db store.Ledger, maildrop string) error {
	lives, err := db.Lives(ctx, maildrop)
	if err != nil {
		return err
	}
	fmt.Fprintln(out, tsvHeader)
	for _, life := range lives {
		key := store.FolderKey{Maildrop: maildrop, Folder: life.Folder, UIDValidity: life.UIDValidity}
		entries, err := db.Entries(ctx, key)
		if err != nil {
			return err
		}
		for _, e := range gateway.WithNames(life, entries) {
			if e.Absent != 0 || strings.ContainsAny(life.Folder, "\t\r\n") {
				continue
			}
			uid := uint64(0)
			if life.UIDValidity != 0 {
				uid = e.Key
			}
			if _, err := fmt.Fprintf(out, "%s\t%s\t%d\t%d\t%d\t%d\t%x\t%x\n", e.UIDL, life.Folder, life.UIDValidity, uid, e.Listed, e.True, e.Print, e.Unique); err != nil {
				return err
			}
		}
	}
	return nil
}
