package main

import (
	"bufio"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/restante-mail/restante/audit"
)

func auditShowCommand() *cobra.Command {
	var o searchOptions
	c := &cobra.Command{
		Use:   "show SESSION [FILES…]",
		Short: "Tell what happened in a session",
		Long: "Tell what happened in a session, from its connection to its end. The ID of a session is in the log, in\n" +
			"what restante audit search finds, and in every error message that its client saw.",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usageError{errors.New("say which session: restante audit show SESSION"), "audit show "}
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error {
			o.query.Session = args[0]
			return o.show(c, args[1:])
		},
	}
	o.flags(c)
	c.Flags().BoolVar(&o.files, "files", false, "read the files, also if lines are kept in the state file")
	c.Flags().BoolVar(&o.json, "json", false, "write the lines themselves: JSON, one a line")
	return c
}

func (o *searchOptions) show(c *cobra.Command, files []string) error {
	o.query.AnyView = true
	s, err := o.find(files, "show")
	if err != nil {
		return err
	}
	out := bufio.NewWriter(c.OutOrStdout())
	write := o.writer(out)
	if !o.json {
		write = storyWriter(out)
	}
	found := 0
	err = s.search(c.Context(), &o.query, func(h audit.Hit) error {
		found++
		return write(h)
	})
	if err := errors.Join(err, out.Flush()); err != nil {
		return err
	}
	if found == 0 {
		return fmt.Errorf("the trail has nothing of a session %s", printable(o.query.Session))
	}
	return nil
}

// storyWriter writes the day once, and then the time of each fact.
func storyWriter(out *bufio.Writer) func(audit.Hit) error {
	day := ""
	return func(h audit.Hit) error {
		t := h.Time.UTC()
		if today := t.Format(time.DateOnly); today != day {
			if day == "" {
				fmt.Fprintf(out, "Session %s, ", printable(h.Session))
			}
			day = today
			fmt.Fprintf(out, "%s (UTC)\n", day)
		}
		_, err := fmt.Fprintf(out, "  %s  %s\n", t.Format("15:04:05.000"), printable(h.Tell()))
		return err
	}
}

type statsOptions struct {
	searchOptions
	by string
}

func auditStatsCommand() *cobra.Command {
	var o statsOptions
	c := &cobra.Command{
		Use:   "stats [FILES…]",
		Short: "Count what users and clients did",
		Long:  "Count what users did, and from which addresses: sign-ins, retrievals, deletions.",
		RunE:  func(c *cobra.Command, args []string) error { return o.run(c, args) },
	}
	o.flags(c)
	o.period(c)
	f := c.Flags()
	f.BoolVar(&o.files, "files", false, "read the files, also if lines are kept in the state file")
	f.StringVar(&o.by, "by", "both", "user, client or both")
	f.StringVar(&o.query.User, "user", "", "of this user only")
	f.StringVar(&o.client, "client", "", "from this address or network only")
	f.BoolVar(&o.json, "json", false, "write JSON")
	return c
}

func (o *statsOptions) run(c *cobra.Command, files []string) error {
	if err := o.ready(c); err != nil {
		return err
	}
	if o.by != "user" && o.by != "client" && o.by != "both" {
		return usageError{fmt.Errorf("--by: %q is not user, client or both", o.by), "audit stats "}
	}
	o.query.AnyView = true
	s, err := o.find(files, "stats")
	if err != nil {
		return err
	}
	var t audit.Tally
	err = s.search(c.Context(), &o.query, func(h audit.Hit) error {
		t.Add(&h.Fields, o.by != "client", o.by != "user")
		return nil
	})
	if err != nil {
		return err
	}
	if o.json {
		return writeJSON(c.OutOrStdout(), t.Sums())
	}
	out := bufio.NewWriter(c.OutOrStdout())
	fmt.Fprintf(out, "%-24s  %-15s  %8s  %8s  %9s  %8s  %12s  %5s  %7s  %7s  %6s  %s\n", "USER", "CLIENT", "SESSIONS", "REFUSED",
		"RETRIEVED", "COMPLETE", "OCTETS", "TOPS", "DELETED", "REMOVED", "FAILED", "LAST")
	for _, n := range t.Sums() {
		fmt.Fprintf(out, "%-24s  %-15s  %8d  %8d  %9d  %8d  %12d  %5d  %7d  %7d  %6d  %s\n", printable(n.User), printable(n.Client), n.Sessions, n.Refused,
			n.Retrieved, n.Complete, n.Octets, n.Tops, n.Deleted, n.Removed, n.Failed, n.Last)
	}
	return out.Flush()
}
