package config

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// A RouteTried is a route that a login was held against, and what came of it.
type RouteTried struct {
	// Number counts from 1, in the order of the files; Place is where it was
	// written: file:line. Both are zero for the route that there is without any.
	Number int    `json:"number,omitempty"`
	Place  string `json:"place,omitempty"`
	Name   string `json:"name,omitempty"`
	Match  bool   `json:"match"`
	// Why it matches, or the first reason why not.
	Why string `json:"why"`
}

// Explain tells which routes a login is held against, the last of which it takes
// if that matches.
func (s *Snapshot) Explain(user string, client netip.Addr, listener string) (tried []RouteTried) {
	for i := range s.routes {
		r := &s.routes[i]
		base, view := r.views.split(user)
		t := RouteTried{Name: r.Name, Place: r.place}
		if r.place != "" {
			t.Number = i + 1
		}
		t.Match, t.Why = r.when.explain(base, client, listener)
		if t.Match && view != "" {
			t.Why += fmt.Sprintf("; the route declares the view %q, so the user is %q", view, base)
		}
		if tried = append(tried, t); t.Match {
			break
		}
	}
	return tried
}

// explain is match, in words.
func (c condition) explain(user string, client netip.Addr, listener string) (bool, string) {
	switch {
	case c.listeners != nil && !slices.Contains(c.listeners, listener):
		if listener == "" {
			return false, "it is for the listeners " + strings.Join(c.listeners, ", ") + " only; say which with --listener"
		}
		return false, "it is for the listeners " + strings.Join(c.listeners, ", ") + " only"
	case c.network != nil && !client.IsValid():
		return false, "it is for some networks only; say where the client is with --client"
	case c.network != nil && !c.network.Contains(client):
		return false, fmt.Sprintf("%s is in none of its networks", client)
	case c.user != nil && !c.user.MatchString(user):
		return false, fmt.Sprintf("the user is not %s", c.written)
	case c.listeners == nil && c.network == nil && c.user == nil:
		return true, "it is for everybody"
	}
	return true, "all that it asks for is so"
}
