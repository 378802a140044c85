package config

import (
	"maps"
	"slices"
	"strings"

	"github.com/restante-mail/restante/auth"
	"github.com/restante-mail/restante/policy"
)

func (b *builder) checkPolicies() {
	for _, name := range slices.Sorted(maps.Keys(b.Policies)) {
		path := child("policy", name)
		b.checkName(path, name)
		for _, err := range each(b.Policies[name].Check()) {
			b.policyProblem(path, err)
		}
		if !slices.ContainsFunc(b.Routes, func(t RouteTable) bool { return t.names(name) }) && !b.secretNames(name) {
			b.warnf(path, "no route uses this policy")
		}
	}
}

// policyProblem finds the key: an error of package policy begins with it.
func (b *builder) policyProblem(path string, err error) {
	key, text, ok := strings.Cut(err.Error(), ": ")
	if _, known := fields(policyType)[key]; !ok || !known {
		b.addf(path, "%v", err)
		return
	}
	b.addf(child(path, key), "%s", text)
}

// Rules are the hashes of the rules of retention of all Policies.
func (s *Snapshot) Rules() (all []string) {
	for _, p := range s.Policies() {
		for _, r := range p.Policy.Retain {
			all = append(all, r.Hash(p.Name))
		}
	}
	return all
}

// each takes joined errors apart.
func each(err error) []error {
	if err == nil {
		return nil
	}
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return []error{err}
	}
	var all []error
	for _, err := range joined.Unwrap() {
		all = append(all, each(err)...)
	}
	return all
}

// routePolicy finds a policy by name. One of the file's hides a preset with the
// same name, or a preset added by a later version could change what an old file
// means.
func (b *builder) routePolicy(path, name string, r *Route) {
	r.PolicyName = name
	if name == "" {
		r.PolicyName = policy.DefaultPreset
	}
	if t := b.Policies[r.PolicyName]; t != nil {
		r.Policy = t.Policy
	} else if p, ok := policy.Preset(r.PolicyName); ok {
		r.Policy = p
	} else {
		b.addf(path, "there is no [policy.%s], and no preset with this name; presets are %s", name, strings.Join(policy.Presets(), ", "))
	}
	if r.Policy.QuotaReclaim.On() && r.Accounts != auth.UseOnly {
		b.warnf(path, "quota_reclaim acts only when the client polls, on what it has retrieved")
	}
	if len(r.Policy.Retain) > 0 && r.Accounts != auth.UseOnly {
		b.warnf(path, "retain acts only when the client polls: the password is at hand only then; and each new rule waits for restante policy approve")
	}
	b.checkOverPOP3(path, r)
}

// allPolicies are those of the file, and the presets that these do not hide.
func (b *builder) allPolicies() map[string]policy.Policy {
	all := map[string]policy.Policy{}
	for _, name := range append(policy.Presets(), slices.Collect(maps.Keys(b.Policies))...) {
		all[name], _ = b.policyNamed(name)
	}
	return all
}

// checkState refuses what cannot do without a memory if there is none.
func (b *builder) checkState() {
	b.oneOf("state_failure", b.StateFailure, "refuse", "read-only")
	if b.State != "" {
		return
	}
	for i, r := range b.routes {
		if r.needsState() {
			b.addf(child(element("route", i), "policy"), "policy %q, or the route's views, must remember what clients did; name a file with state = \"FILE\" (or --state FILE), and make it with restante state init", r.PolicyName)
		}
	}
}

// secretNames tells whether a secret of an account has the policy. Those of the
// state file are not known here, and may.
func (b *builder) secretNames(policy string) bool {
	if b.State != "" && slices.ContainsFunc(b.Routes, func(t RouteTable) bool { return t.Accounts != auth.UseNone }) {
		return true
	}
	return slices.ContainsFunc(b.Accounts, func(a AccountTable) bool {
		return slices.ContainsFunc(a.Secrets, func(s SecretTable) bool { return s.Policy == policy })
	})
}

// names tells whether a route, or a view of it, has the policy.
func (t *RouteTable) names(policy string) bool {
	return t.Policy == policy || slices.Contains(slices.Collect(maps.Values(t.ViewPolicy)), policy)
}

// A NamedPolicy is a policy that some route or view has.
type NamedPolicy struct {
	Name   string
	Policy policy.Policy
}

// Policies are those that are in use, by name: of routes, of views, and of the
// file, for the secret of an account may name any of those. A preset that removes
// mail by itself is among them where a secret of the state file may name it.
func (s *Snapshot) Policies() []NamedPolicy {
	byName := map[string]policy.Policy{}
	for _, r := range s.routes {
		byName[r.PolicyName] = r.Policy
		for _, view := range r.views.policy {
			byName[view.PolicyName] = view.Policy
		}
	}
	for name, p := range s.policies {
		_, preset := policy.Preset(name)
		named := slices.ContainsFunc(s.Accounts, func(a auth.Account) bool {
			return slices.ContainsFunc(a.Secrets, func(k auth.Secret) bool { return k.Policy == name })
		})
		if !preset || named || len(p.Retain) > 0 && s.State != "" && s.UsesAccounts() {
			byName[name] = p
		}
	}
	var all []NamedPolicy
	for _, name := range slices.Sorted(maps.Keys(byName)) {
		all = append(all, NamedPolicy{name, byName[name]})
	}
	return all
}
