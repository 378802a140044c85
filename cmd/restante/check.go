package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/sirupsen/logrus"
	"github.com/spf13/cobra"

	"github.com/restante-mail/restante/config"
	"github.com/restante-mail/restante/upstream"
)

func checkCommand() *cobra.Command {
	var path string
	var connect bool
	c := &cobra.Command{
		Use:   "check --config FILE",
		Short: "Check a configuration",
		Long:  "Check a configuration file (or folder of files). Exit status 1 means that something is wrong with it.",
		RunE: func(c *cobra.Command, _ []string) error {
			if path == "" {
				return usageError{errors.New("say which file to check: --config FILE"), "check "}
			}
			return check(c.Context(), c.OutOrStdout(), path, connect)
		},
	}
	c.Flags().StringVar(&path, "config", "", "configuration file, or folder of *.toml files")
	c.Flags().BoolVar(&connect, "connect", false, "also connect to the upstreams, without signing in")
	return c
}

func check(ctx context.Context, out io.Writer, path string, connect bool) error {
	c, err := config.Load(path)
	if err != nil {
		return err
	}
	snapshot, err := c.Compile()
	if err != nil {
		return err
	}
	for _, w := range snapshot.Warnings(time.Now()) {
		fmt.Fprintf(out, "warning: %v\n", w)
	}
	if err := lookForForsaken(ctx, snapshot); err != nil {
		fmt.Fprintf(out, "warning: %v\n", err)
	}
	fmt.Fprintf(out, "%s is good: %d listener(s), %d upstream(s)\n", path, len(snapshot.Listeners), len(snapshot.Upstreams))
	if !connect {
		return nil
	}
	return connectAll(ctx, out, snapshot)
}

// connectAll asks every upstream what it can do.
func connectAll(ctx context.Context, out io.Writer, c *config.Snapshot) error {
	var failed []string
	for _, u := range c.Upstreams {
		if err := connectOne(ctx, out, u); err != nil {
			fmt.Fprintf(out, "upstream %s: cannot be used: %v\n", u.Name, err)
			failed = append(failed, u.Name)
		}
	}
	if failed != nil {
		return fmt.Errorf("cannot use: %s", strings.Join(failed, ", "))
	}
	return nil
}

func connectOne(ctx context.Context, out io.Writer, u *config.Upstream) error {
	silent := logrus.New()
	silent.SetOutput(io.Discard)
	opened, err := openUpstream(u, nil, upstream.Hooks{}, silent)
	if err != nil {
		return err
	}
	report, err := opened.server.Probe(ctx)
	if err = errors.Join(err, opened.server.Close()); err != nil {
		return err
	}
	fmt.Fprintf(out, "upstream %s: %s answers (TLS: %s); it offers %s\n",
		u.Name, report.Address, u.Security, strings.Join(report.Capabilities, ", "))
	for _, finding := range report.Findings {
		fmt.Fprintf(out, "  %s\n", finding)
	}
	return nil
}
