package main

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/restante-mail/restante/admin"
)

func statusCommand() *cobra.Command {
	var o socketOptions
	c := &cobra.Command{
		Use:   "status",
		Short: "Tell how a running Restante does",
		Long: "Tell how a running Restante does: listeners, servers behind, state file, reloads, sessions, audit sinks,\n" +
			"certificates. The exit status is 1 if somebody should look at something.",
		Args: noArguments,
		RunE: func(c *cobra.Command, _ []string) error {
			client, err := o.client("status")
			if err != nil {
				return err
			}
			s, err := client.Status(c.Context())
			if err != nil {
				return err
			}
			if o.json {
				err = writeJSON(c.OutOrStdout(), s)
			} else {
				err = writeStatus(c.OutOrStdout(), &s, time.Now())
			}
			if err == nil && len(s.Problems) > 0 {
				err = fmt.Errorf("%d problem(s)", len(s.Problems))
			}
			return err
		},
	}
	o.flags(c)
	return c
}

func writeStatus(out io.Writer, s *admin.Status, now time.Time) error {
	w := tabwriter.NewWriter(out, 0, 8, 2, ' ', 0)
	fmt.Fprintf(w, "restante\t%s, process %d, up %s\n", s.Version, s.PID, now.Sub(s.Started).Truncate(time.Second))
	fmt.Fprintf(w, "sessions\t%d connection(s), %d signed in\n", s.Connections, s.SignedIn)
	for _, l := range s.Listeners {
		fmt.Fprintf(w, "listener\t%s on %s, tls %s: %d connection(s), %s\n", l.Name, l.Address, l.TLS, l.Connections, works(s, admin.CheckListener, l.Name))
	}
	for _, u := range s.Upstreams {
		fmt.Fprintf(w, "upstream\t%s, %s at %s: %d connection(s) in use, %d idle, %s\n", u.Name, u.Protocol,
			strings.Join(u.Addresses, " "), u.InUse, u.Idle, works(s, admin.CheckUpstream, u.Name))
	}
	if s.State != nil {
		fmt.Fprintf(w, "state\t%s, %d octets, %s\n", printable(s.State.Path), s.State.Octets, works(s, admin.CheckState, s.State.Path))
	}
	fmt.Fprintf(w, "configuration\tin force since %s, %d reload(s), %d failed\n", s.Reload.Loaded.Format(time.DateTime), s.Reload.Reloads, s.Reload.Failures)
	for _, c := range s.Certificates {
		fmt.Fprintf(w, "certificate\t%s, until %s\n", printable(c.File), c.NotAfter.Format(time.DateOnly))
	}
	for _, p := range s.Providers {
		fmt.Fprintf(w, "provider\t%s, %d token(s) given, %d failure(s), %d account(s) need authorization\n", p.Name, p.Given, p.Failed, p.Needing)
	}
	for _, sink := range s.Sinks {
		fmt.Fprintf(w, "audit sink\t%s, %d line(s), %d dropped, %d waiting\n", sink.Name, sink.Written, sink.Dropped, sink.Queued)
	}
	for _, p := range s.Problems {
		fmt.Fprintf(w, "PROBLEM\t%s\n", printable(p))
	}
	return w.Flush()
}

func works(s *admin.Status, kind admin.Kind, name string) string {
	switch found, ok := s.Finding(kind, name); {
	case !ok:
		return "not looked at"
	case found.Error != "":
		return "DOES NOT WORK"
	}
	return "works"
}
