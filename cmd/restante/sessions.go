package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/restante-mail/restante/admin"
	"github.com/restante-mail/restante/config"
)

// socketOptions say at which socket a running Restante is asked.
type socketOptions struct {
	config, state, socket string
	json                  bool
}

func (o *socketOptions) flags(c *cobra.Command) {
	f := c.PersistentFlags()
	f.StringVar(&o.config, "config", "", "configuration file, or folder of *.toml files, of the Restante that runs")
	f.StringVar(&o.state, "state", "", "its state file, if it runs without a configuration file")
	f.StringVar(&o.socket, "socket", "", "its admin socket, instead of what the configuration says")
	f.BoolVar(&o.json, "json", false, "write JSON")
}

func (o *socketOptions) client(command string) (*admin.Client, error) {
	given := 0
	for _, one := range []string{o.config, o.state, o.socket} {
		if one != "" {
			given++
		}
	}
	switch {
	case given != 1:
		return nil, usageError{errors.New("say which Restante: --config FILE, --state FILE or --socket PATH"), command + " "}
	case o.socket != "":
		return admin.NewClient(o.socket), nil
	case o.state != "":
		return admin.NewClient(config.DefaultSocket(o.state)), nil
	}
	c, err := config.Load(o.config)
	if err != nil {
		return nil, err
	}
	snapshot, err := c.Compile()
	if err != nil {
		return nil, err
	}
	if snapshot.Admin.Socket == "" {
		return nil, fmt.Errorf("%s names no admin socket; add socket to [admin], or a state file", o.config)
	}
	return admin.NewClient(snapshot.Admin.Socket), nil
}

func sessionsCommand() *cobra.Command {
	var o socketOptions
	var watch bool
	c := &cobra.Command{
		Use:   "sessions",
		Short: "List the sessions of a running Restante",
		Long: "List the connections that a running Restante has now, oldest first. Run it as the user that Restante\n" +
			"runs as, or as root.",
		Args: noArguments,
		RunE: func(c *cobra.Command, _ []string) error {
			client, err := o.client("sessions")
			switch {
			case err != nil:
				return err
			case watch && o.json:
				return usageError{errors.New("--watch is for people and --json is not; take one of them"), "sessions "}
			case watch:
				return watchSessions(c.Context(), c.OutOrStdout(), client)
			}
			return listSessions(c.Context(), c.OutOrStdout(), client, o.json)
		},
	}
	o.flags(c)
	c.Flags().BoolVar(&watch, "watch", false, "show them again every two seconds, until Ctrl-C")
	c.AddCommand(kickCommand(&o))
	return c
}

func listSessions(ctx context.Context, out io.Writer, client *admin.Client, asJSON bool) error {
	all, err := client.Sessions(ctx)
	if err != nil {
		return err
	}
	slices.SortFunc(all, func(a, b admin.Session) int {
		return cmp.Or(a.Since.Compare(b.Since), strings.Compare(a.ID, b.ID))
	})
	if asJSON {
		return writeJSON(out, all)
	}
	return writeSessions(out, all, time.Now())
}

// watchInterval is how often a watched table is drawn.
const watchInterval = 2 * time.Second

// clearScreen moves to the upper left and erases what is there.
const clearScreen = "\x1b[H\x1b[2J"

func watchSessions(ctx context.Context, out io.Writer, client *admin.Client) error {
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	tick := time.NewTicker(watchInterval)
	defer tick.Stop()
	for {
		var page strings.Builder
		page.WriteString(clearScreen)
		err := listSessions(ctx, &page, client, false)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
		if _, err := io.WriteString(out, page.String()); err != nil {
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}

func writeSessions(out io.Writer, all []admin.Session, now time.Time) error {
	w := tabwriter.NewWriter(out, 0, 8, 2, ' ', 0)
	fmt.Fprintln(w, "ID\tUSER\tVIEW\tCLIENT\tLISTENER\tTLS\tSTATE\tCOMMAND\tIDLE\tIN\tOUT\tAGE")
	for _, s := range all {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%d\t%d\t%s\n",
			s.ID, orDash(s.User), orDash(s.View), orDash(s.Client), orDash(s.Listener), orDash(s.TLS), s.State, orDash(s.Command),
			time.Duration(s.Idle*float64(time.Second)).Truncate(time.Second), s.In, s.Out, now.Sub(s.Since).Truncate(time.Second))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintf(out, "%d connection(s)\n", len(all))
	return err
}

// orDash is a text that a client, or a configuration, chose, as a terminal may
// see it.
func orDash(text string) string {
	if text == "" {
		return "-"
	}
	return printable(text)
}

func kickCommand(o *socketOptions) *cobra.Command {
	var user string
	c := &cobra.Command{
		Use:   "kick (ID | --user USER)",
		Short: "End sessions of a running Restante",
		Long: "End a session by its ID, or all sessions of a user. It is as if the connection had been lost: nothing\n" +
			"that the client deleted is deleted, and what earlier sessions did stays. A QUIT that is being done is\n" +
			"finished. The client may come back at once. The audit trail says who did it.",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 1 || (len(args) == 0) == (user == "") {
				return usageError{errors.New("say which session: an ID, or --user USER"), "sessions kick "}
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error {
			client, err := o.client("sessions kick")
			if err != nil {
				return err
			}
			kicked, err := client.Kick(c.Context(), admin.KickRequest{ID: append(args, "")[0], User: user})
			if err != nil {
				return err
			}
			return tellKicked(c.OutOrStdout(), kicked, o.json)
		},
	}
	c.Flags().StringVar(&user, "user", "", "all sessions of this user, by the name at sign-in or that upstream")
	return c
}

// tellKicked fails if nobody was there: the exit status tells a script so.
func tellKicked(out io.Writer, k admin.Kicked, asJSON bool) error {
	if asJSON {
		if err := writeJSON(out, k); err != nil {
			return err
		}
	} else {
		for _, s := range k.Ended {
			fmt.Fprintf(out, "ended session %s of %s from %s\n", s.ID, orDash(s.User), orDash(s.Client))
		}
		for _, s := range k.Finishing {
			fmt.Fprintf(out, "session %s of %s has said QUIT and ends by itself\n", s.ID, orDash(s.User))
		}
	}
	if len(k.Ended)+len(k.Finishing) == 0 {
		return errors.New("there is no such session")
	}
	return nil
}
