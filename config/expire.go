package config

import (
	"fmt"
	"slices"

	"github.com/restante-mail/restante/auth"
)

// Expire is what CAPA may say of EXPIRE before a client of a listener has signed
// in (RFC 2449 section 6.7): the least of all users', with USER if they differ;
// "" if there is a user of whom nothing can be said.
func (s *Snapshot) Expire(listener string) string {
	values := map[string]bool{}
	least, best := int64(-1), ""
	for _, p := range s.policiesAt(listener) {
		value := p.Policy.Expire(p.Beside...)
		if value == "" {
			return ""
		}
		values[value] = true
		days, limited := p.Policy.ExpireDays(p.Beside...)
		if best == "" || limited && (least < 0 || days < least) {
			best = value
			if limited {
				least = days
			}
		}
	}
	switch len(values) {
	case 0:
		return ""
	case 1:
		return "EXPIRE " + best
	}
	return "EXPIRE " + best + " USER"
}

// LoginDelay is what CAPA may say of LOGIN-DELAY before a client of a listener
// has signed in (RFC 2449 section 6.5): the most of all users', with USER if
// they differ; "" if nobody has to wait.
func (s *Snapshot) LoginDelay(listener string) string {
	most, differ := int64(0), false
	for i, p := range s.policiesAt(listener) {
		delay := p.Policy.DelaySeconds()
		differ = differ || i > 0 && delay != most
		most = max(most, delay)
	}
	switch {
	case most == 0:
		return ""
	case differ:
		return fmt.Sprintf("LOGIN-DELAY %d USER", most)
	}
	return fmt.Sprintf("LOGIN-DELAY %d", most)
}

// policiesAt are the routes, each as one of its views has it, that a client of a
// listener may come to have.
func (s *Snapshot) policiesAt(listener string) (all []Route) {
	for _, r := range s.routes {
		if r.when.listeners != nil && !slices.Contains(r.when.listeners, listener) {
			continue
		}
		for _, view := range r.Views() {
			all = append(all, r.as("", view))
		}
		all = append(all, s.ofSecrets(r)...)
	}
	return all
}

// ofSecrets are a route's with the policies that secrets of accounts have. Those
// of the state file come and go, and are not known here.
func (s *Snapshot) ofSecrets(r Route) (all []Route) {
	if r.Accounts == auth.UseNone {
		return nil
	}
	for _, a := range s.Accounts {
		for _, secret := range a.Secrets {
			if p, ok := s.policies[secret.Policy]; ok {
				r.Policy = p
				all = append(all, r)
			}
		}
	}
	return all
}
