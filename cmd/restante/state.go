package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/restante-mail/restante/audit"
	"github.com/restante-mail/restante/config"
	"github.com/restante-mail/restante/store"
)

// stateOptions say which state file is meant.
type stateOptions struct{ config, state string }

func (o *stateOptions) path() (string, error) {
	switch {
	case o.state != "" && o.config == "":
		return o.state, nil
	case o.config == "" || o.state != "":
		return "", usageError{errors.New("say which state file: either --state FILE, or the --config FILE that names it"), "state "}
	}
	c, err := config.Load(o.config)
	if err != nil {
		return "", err
	}
	if c.State == "" {
		return "", fmt.Errorf("%s names no state file; add the key state", o.config)
	}
	return c.State, nil
}

func stateCommand() *cobra.Command {
	var o stateOptions
	parent := &cobra.Command{
		Use:   "state",
		Short: "Look after the state file",
		Args:  noArguments,
		RunE:  func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	parent.PersistentFlags().StringVar(&o.config, "config", "", "configuration file, or folder of *.toml files, that names the state file")
	parent.PersistentFlags().StringVar(&o.state, "state", "", "the state file")
	parent.AddCommand(
		o.command("init", "Make a new, empty state file", 0, stateInit),
		o.command("show", "Tell what a state file holds", 0, stateShow),
		o.command("backup FILE", "Copy the state file to FILE, also while Restante runs", 1, stateBackup),
		o.command("restore FILE", "Put a backup in the place of the state file; Restante must not run", 1, stateRestore),
		witnessed(forgetCommand(), always(audit.ActionForget)),
	)
	return parent
}

// command is one subcommand that works on the state file at path, with its
// argument if it takes one.
func (o *stateOptions) command(use, short string, takes int, do func(ctx context.Context, out io.Writer, path, argument string) error) *cobra.Command {
	return &cobra.Command{Use: use, Short: short,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != takes {
				return usageError{fmt.Errorf("wrong number of arguments; the call is restante state %s", use), "state "}
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error {
			path, err := o.path()
			if err != nil {
				return err
			}
			return do(c.Context(), c.OutOrStdout(), path, append(args, "")[0])
		}}
}

func stateInit(ctx context.Context, out io.Writer, path, _ string) error {
	if _, err := store.Inspect(ctx, path); err == nil {
		return fmt.Errorf("%s: %w", path, store.ErrExists)
	} else if !errors.Is(err, store.ErrMissing) {
		return err
	}
	s, err := store.Open(path, true)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "made %s\n", path)
	return s.Close()
}

func stateShow(ctx context.Context, out io.Writer, path, _ string) error {
	info, err := store.Inspect(ctx, path)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(out, "file      %s\ncreated   %s\nschema    %d\non disk   %d octets\nlistings  %d, %d octets\nsizes     of %d folders, %d octets\nviews     %d, %d octets\nnames     of %d messages\nheld      %d maildrop(s)\naccounts  %d\n",
		info.Path, info.Created.Format("2006-01-02 15:04:05 MST"), info.Schema, info.Octets,
		info.Listings, info.ListingOctets, info.Folders, info.SizeOctets, info.Views, info.ViewOctets, info.Ledger, info.Held, info.Accounts)
	return err
}

func stateBackup(ctx context.Context, out io.Writer, path, to string) error {
	if err := store.Backup(ctx, path, to); err != nil {
		return err
	}
	fmt.Fprintf(out, "copied %s to %s\n", path, to)
	return nil
}

func stateRestore(ctx context.Context, out io.Writer, path, from string) error {
	aside, err := store.Restore(ctx, path, from)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "%s is restored from %s\n", path, from)
	if aside != "" {
		fmt.Fprintf(out, "what it was before is now %s\n", aside)
	}
	return nil
}
