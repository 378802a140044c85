package main

import (
	"fmt"
	"io"
	"net/netip"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/restante-mail/restante/audit"
	"github.com/restante-mail/restante/guard"
	"github.com/restante-mail/restante/store"
)

func bansCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "bans",
		Short: "See which addresses are shut out, and let them in again",
		Args:  noArguments,
		RunE:  func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(bansListCommand(), witnessed(bansLiftCommand(), always(audit.ActionUnban)))
	return c
}

func bansListCommand() *cobra.Command {
	var o accountOptions
	var asJSON, ended bool
	c := &cobra.Command{
		Use:   "list",
		Short: "List the bans that hold now",
		Args:  noArguments,
		RunE: func(c *cobra.Command, _ []string) error {
			path, err := bansFile(&o)
			if err != nil {
				return err
			}
			bans, err := store.LookAtBans(c.Context(), path)
			if err != nil {
				return err
			}
			if !ended {
				bans = holding(bans, time.Now())
			}
			if asJSON {
				return writeJSON(c.OutOrStdout(), bans)
			}
			return writeBans(c.OutOrStdout(), bans)
		},
	}
	c.Flags().StringVar(&o.config, "config", "", "configuration file, or folder of *.toml files")
	c.Flags().BoolVar(&asJSON, "json", false, "write JSON")
	c.Flags().BoolVar(&ended, "ended", false, "also those of the last week that have ended")
	return c
}

func holding(bans []store.Ban, now time.Time) []store.Ban {
	held := []store.Ban{}
	for _, b := range bans {
		if b.Until > now.Unix() {
			held = append(held, b)
		}
	}
	return held
}

func writeBans(out io.Writer, bans []store.Ban) error {
	if len(bans) == 0 {
		_, err := fmt.Fprintln(out, "nobody is banned")
		return err
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "NETWORK\tSINCE\tUNTIL\tTIMES\tREASON")
	for _, b := range bans {
		fmt.Fprintf(w, "%s\t%s\t%s\t%d\t%s\n", b.Network, time.Unix(b.Since, 0).Format(time.DateTime),
			time.Unix(b.Until, 0).Format(time.DateTime), b.Times, b.Reason)
	}
	return w.Flush()
}

func bansLiftCommand() *cobra.Command {
	var o accountOptions
	c := &cobra.Command{
		Use:   "lift ADDRESS",
		Short: "Let an address in again",
		Long: "Let an address, or a network as bans list shows it, in again. Works while Restante runs, which notices within five\n" +
			"seconds, and forgets the failures that led to the ban.",
		Args: argumentCount(1),
		RunE: func(c *cobra.Command, args []string) error {
			network, err := bannedNetwork(args[0])
			if err != nil {
				return usageError{err, "bans lift "}
			}
			path, err := bansFile(&o)
			if err != nil {
				return err
			}
			found, err := store.Lift(c.Context(), path, network)
			if err == nil && !found {
				err = fmt.Errorf("%s is not banned", network)
			}
			if err == nil {
				fmt.Fprintf(c.OutOrStdout(), "%s is let in again\n", network)
			}
			return err
		},
	}
	c.Flags().StringVar(&o.config, "config", "", "configuration file, or folder of *.toml files")
	return c
}

// bansFile is the state file, which is where bans are.
func bansFile(o *accountOptions) (string, error) {
	c, err := o.load()
	if err == nil && c.State == "" {
		err = fmt.Errorf("%s names no state file, so bans are in the memory of the running process only, and end with it", o.config)
	}
	if err != nil {
		return "", err
	}
	return c.State, nil
}

// bannedNetwork is how bans write an address: IPv6 by /64.
func bannedNetwork(text string) (string, error) {
	if p, err := netip.ParsePrefix(text); err == nil {
		return p.Masked().String(), nil
	}
	a, err := netip.ParseAddr(text)
	if err != nil {
		return "", fmt.Errorf("%q is neither an address nor a network; write one such as 192.0.2.7", text)
	}
	return guard.Counted(a).String(), nil
}
