package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/restante-mail/restante/config"
	"github.com/restante-mail/restante/store"
)

// forsaken says of which upstreams the state file remembers maildrops that the
// configuration does not name: whoever renames an upstream orphans what was
// remembered, and what clients have deleted there comes back. nil is nothing to
// say.
func forsaken(remembered []string, c *config.Snapshot) error {
	unknown := slices.DeleteFunc(slices.Clone(remembered), func(name string) bool {
		return slices.ContainsFunc(c.Upstreams, func(u *config.Upstream) bool { return u.Name == name })
	})
	if len(unknown) == 0 {
		return nil
	}
	return fmt.Errorf("state: accounts are remembered of upstreams that there are not any more: %s. If one was renamed, give it its name again, "+
		"or what clients have deleted comes back", strings.Join(unknown, ", "))
}

// lookForForsaken reads a state file beside its owner. One that is not there, or
// that is older than this program, has nothing to say.
func lookForForsaken(ctx context.Context, c *config.Snapshot) error {
	if c.State == "" {
		return nil
	}
	remembered, err := store.MaildropPrefixes(ctx, c.State, maildropEnd)
	if errors.Is(err, store.ErrMissing) || errors.Is(err, store.ErrOlder) {
		return nil
	}
	if err != nil {
		return err
	}
	return forsaken(remembered, c)
}

// maildropEnd is what gateway.Maildrop puts between upstream and user.
const maildropEnd = "\n"

// leftoverTime bounds what a start or a reload waits for the state file.
const leftoverTime = 10 * time.Second

// tidyState forgets approvals of rules that are not there any more, so that they
// wait for approval if they come back, and warns of upstreams that are not. It is
// worth no failure.
func (s *service) tidyState(c *config.Snapshot) {
	if s.shared.Store == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), leftoverTime)
	defer cancel()
	n, err := s.shared.Store.ForgetApprovals(ctx, c.Rules())
	if err != nil {
		s.log.WithError(err).Warn("approvals of rules that are gone could not be forgotten")
	} else if n > 0 {
		s.log.WithField("rules", n).Info("the approval of rules that are gone is forgotten")
	}
	remembered, err := s.shared.Store.MaildropPrefixes(ctx, maildropEnd)
	if err == nil {
		err = forsaken(remembered, c)
	}
	if err != nil {
		s.log.Warn(err.Error())
	}
}
