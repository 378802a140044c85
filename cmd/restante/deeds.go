package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os/user"
	"strings"
	"time"

	"github.com/sirupsen/logrus"
	"github.com/spf13/cobra"

	"github.com/restante-mail/restante/admin"
	"github.com/restante-mail/restante/audit"
	"github.com/restante-mail/restante/config"
	"github.com/restante-mail/restante/store"
)

// witnessed has the audit trail tell that an administrator used a command that
// changes something, and what came of it. action is told the command's
// arguments.
func witnessed(c *cobra.Command, action func(args []string) string) *cobra.Command {
	run := c.RunE
	c.RunE = func(c *cobra.Command, args []string) error {
		err := run(c, args)
		var usage usageError
		if errors.As(err, &usage) {
			return err // nothing was tried
		}
		deed := admin.Deed{Action: action(args), OK: err == nil,
			Detail: strings.TrimPrefix(strings.Join(append([]string{c.CommandPath()}, args...), " "), "restante ")}
		if len(args) > 0 && deed.Action != audit.ActionUnban {
			deed.Account = args[0]
		}
		deed.View, _ = c.Flags().GetString("view")
		if err != nil {
			deed.Error = err.Error()
		}
		path, _ := c.Flags().GetString("config")
		return errors.Join(err, recordDeed(c.Context(), path, deed))
	}
	return c
}

// always is an action that does not depend on arguments.
func always(action string) func([]string) string { return func([]string) string { return action } }

// holdAction tells the two ways of hold apart.
func holdAction(args []string) string {
	if args[len(args)-1] == "off" {
		return audit.ActionRelease
	}
	return audit.ActionHold
}

// recordDeed gives a deed to the process that owns the trail; if none runs it is
// written here.
func recordDeed(ctx context.Context, path string, deed admin.Deed) error {
	if path == "" {
		return nil // without a configuration there is no trail
	}
	c, err := (&accountOptions{config: path}).load()
	if err != nil || len(c.Audit.Sinks) == 0 {
		return nil // what is wrong with it was told by the command itself
	}
	if c.Admin.Socket != "" {
		if err = admin.NewClient(c.Admin.Socket).Record(ctx, deed); !admin.Absent(err) {
			return notRecorded(err)
		}
	}
	return notRecorded(writeDeed(c, deed))
}

func notRecorded(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("the command is done, and the audit trail does not tell of it: %w", err)
}

// writeDeed opens the trail for one line.
func writeDeed(c *config.Snapshot, deed admin.Deed) (err error) {
	quiet := logrus.New()
	quiet.SetOutput(io.Discard)
	s := newService(quiet)
	var troubles []error
	s.trail = audit.NewTrail(func(t audit.Trouble) { troubles = append(troubles, t.Err) })
	defer func() { err = errors.Join(err, s.trail.Close(), errors.Join(troubles...)) }()
	if keepsTrail(c) {
		if s.shared.Store, err = store.Open(c.State, false); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, s.shared.Store.Close()) }()
	}
	change, err := s.prepareTrail(c)
	if err != nil {
		return err
	}
	if err := change.Make(&audit.Encoder{Instance: c.Audit.Instance, Privacy: c.Audit.Privacy}); err != nil {
		return err
	}
	s.trail.Record(deedEvent(deed, whoAmI()))
	return nil
}

// keepsTrail tells whether the state file is one of the trail's sinks.
func keepsTrail(c *config.Snapshot) bool {
	for _, sink := range c.Audit.Sinks {
		if sink.To == audit.ToState {
			return true
		}
	}
	return false
}

func deedEvent(d admin.Deed, by string) *audit.Admin {
	return &audit.Admin{Header: audit.Header{Time: time.Now(), Base: d.Account, View: d.View},
		Action: d.Action, Actor: by, Detail: d.Detail, OK: d.OK, Error: d.Error}
}

func whoAmI() string {
	u, err := user.Current()
	if err != nil {
		return "unknown"
	}
	return u.Username
}

// takeDeed is told by a command that was used beside this process.
func (s *service) takeDeed(d admin.Deed, by string) {
	s.log.WithFields(logrus.Fields{"by": by, "action": d.Action, "ok": d.OK}).Info("an administrator's command")
	s.record(deedEvent(d, by))
}
