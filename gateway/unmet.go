package gateway

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"

	"github.com/restante-mail/restante/policy"
	"github.com/restante-mail/restante/pop3"
	"github.com/restante-mail/restante/upstream"
)

// An Unmet is what a policy asks for and the server cannot do for an account.
type Unmet struct {
	Upstream string `json:"upstream"`
	View     string `json:"view,omitempty"`
	Policy   string `json:"policy"`
	// Setting is what asks for it, as the configuration writes it.
	Setting string `json:"setting"`
	Problem string `json:"problem"`
}

func (u Unmet) String() string {
	view := ""
	if u.View != "" {
		view = fmt.Sprintf(", view %q", u.View)
	}
	return fmt.Sprintf("upstream %s%s: policy %s: %s: %s", u.Upstream, view, u.Policy, u.Setting, u.Problem)
}

// Unmet signs in upstream, and tells what the login's policy asks for in vain.
// It touches nothing. An error means that it could not find out.
func (g *Gateway) Unmet(ctx context.Context, q Question) ([]Unmet, error) {
	peer := pop3.Peer{ID: "check", Listener: q.Listener, Remote: &net.TCPAddr{IP: q.Client.AsSlice()}}
	route, login, err := g.lead(ctx, peer, q.Credentials)
	if err != nil {
		return nil, err
	}
	mailbox, err := route.Server.Open(ctx, login)
	c := &unmet{ctx: ctx, route: route, login: login}
	if c.noFirstFolder(err) {
		return c.all, nil
	}
	if err != nil {
		return nil, err
	}
	defer mailbox.Close() // nothing was changed
	return c.of(mailbox)
}

// noFirstFolder takes note of an Open that failed because of what the policy asks for.
func (c *unmet) noFirstFolder(err error) bool {
	if !errors.Is(err, upstream.ErrNoFolder) {
		return false
	}
	c.add(fmt.Sprintf("folders = %q", c.route.Policy.Folders), "the first folder is not there, and messages are named by it: %v", err)
	return true
}

// of checks the policy against an open mailbox.
func (c *unmet) of(mailbox upstream.Mailbox) ([]Unmet, error) {
	inspector, ok := mailbox.(upstream.Inspector)
	if !ok {
		return nil, nil // what POP3 cannot do was refused when the configuration was read
	}
	c.inspector, c.folders, c.able = inspector, mailbox.Folders(), inspector.Abilities()
	c.checkFolders()
	for _, need := range c.route.Policy.Needs() {
		c.check(need)
	}
	c.checkQuota()
	return c.all, errors.Join(c.failed...)
}

// unmet is a check under way.
type unmet struct {
	ctx       context.Context
	route     Route
	login     upstream.Login
	inspector upstream.Inspector
	able      upstream.Abilities
	folders   []upstream.Folder
	all       []Unmet
	failed    []error // questions that were not answered
}

func (c *unmet) add(setting, format string, args ...any) {
	c.all = append(c.all, Unmet{Upstream: c.route.Upstream, View: c.route.View, Policy: c.route.PolicyName,
		Setting: setting, Problem: fmt.Sprintf(format, args...)})
}

// resolve returns the folder's name; "" if there is none, or nobody knows.
func (c *unmet) resolve(setting, use string) string {
	name, err := c.inspector.Resolve(c.ctx, use)
	switch {
	case errors.Is(err, upstream.ErrNoFolder):
		c.add(setting, "the account has no folder with the use %s", use)
	case err != nil:
		c.failed = append(c.failed, err)
	default:
		return name
	}
	return ""
}

// checkFolders looks for those that the maildrop is made of: what has no folder
// is left out of it.
func (c *unmet) checkFolders() {
	for _, name := range c.route.Policy.Folders {
		if strings.HasPrefix(name, `\`) {
			c.resolve("folders", name)
		}
	}
}

func (c *unmet) check(need policy.Need) {
	switch need.Do {
	case upstream.MarkSeen:
		c.keyword(need.Setting, `\Seen`)
	case upstream.Flag:
		c.keyword(need.Setting, need.Target)
	case upstream.Expunge:
		c.expunge(need.Setting)
	case upstream.Move:
		c.move(need)
	}
}

func (c *unmet) keyword(setting, flag string) {
	for i, folder := range c.folders {
		if !c.inspector.Keeps(i, flag) {
			c.add(setting, "the server does not keep %s in %q (PERMANENTFLAGS)", flag, folder.Name)
		}
	}
}

func (c *unmet) expunge(setting string) {
	switch {
	case c.able.ByTrash:
		c.resolve(setting, `\Trash`)
	case c.able.Expunges:
	case c.able.Moves:
		c.add(setting, `the server cannot remove single messages for good (no UIDPLUS): they are moved to \Trash`)
		c.resolve(setting, `\Trash`)
	default:
		c.add(setting, `the server cannot remove single messages (neither UIDPLUS nor MOVE): they are flagged \Deleted and hidden`)
	}
}

func (c *unmet) move(need policy.Need) {
	if !c.able.Moves && !c.able.Expunges {
		c.add(need.Setting, `the server cannot move messages (neither MOVE nor UIDPLUS): they are copied, flagged \Deleted and hidden`)
	}
	name := c.resolve(need.Setting, need.Target)
	switch {
	case name == "":
	case slices.ContainsFunc(c.folders, func(f upstream.Folder) bool { return f.Name == name }):
		c.add(need.Setting, "its folder %q is part of the maildrop", name)
	case !strings.HasPrefix(need.Target, `\`):
		c.mustExist(need.Setting, name)
	}
}

// mustExist opens a folder for itself.
func (c *unmet) mustExist(setting, name string) {
	login := c.login
	login.Folders, login.NeedQuota = []string{name}, false
	mailbox, err := c.route.Server.Open(c.ctx, login)
	if err == nil {
		_ = mailbox.Close() // nothing was changed
		return
	}
	if upstream.KindOf(err) == upstream.Denied {
		c.add(setting, "there is no folder %q: %v", name, err)
		return
	}
	c.failed = append(c.failed, err)
}

func (c *unmet) checkQuota() {
	p := &c.route.Policy
	if p.QuotaWarn > 0 {
		c.limits("quota_warn")
	}
	if !p.QuotaReclaim.On() || !c.limits("quota_reclaim") {
		return
	}
	for _, need := range p.Targets() {
		if strings.HasPrefix(need.Setting, "quota_reclaim") {
			c.otherRoot(need)
		}
	}
}

// limits tells whether the server says how full the account is.
func (c *unmet) limits(setting string) bool {
	if !c.able.Quotas {
		c.add(setting, "the server does not tell how full an account is (no QUOTA)")
		return false
	}
	for _, folder := range c.folders {
		quota, err := c.inspector.Quota(c.ctx, folder.Name)
		if err != nil {
			c.failed = append(c.failed, err)
			return false
		}
		if quota != nil && len(quota.Limits) > 0 {
			return true
		}
	}
	c.add(setting, "the server has QUOTA and tells no limit for this account")
	return false
}

// otherRoot makes sure that moving makes room.
func (c *unmet) otherRoot(need policy.Need) {
	target, err := c.inspector.Quota(c.ctx, need.Target)
	if err != nil {
		return // that the folder is missing was said
	}
	if target == nil {
		c.add(need.Setting, "the server does not tell which quota its folder comes under (GETQUOTAROOT)")
		return
	}
	for _, folder := range c.folders {
		if quota, _ := c.inspector.Quota(c.ctx, folder.Name); quota != nil { // it was asked before
			for _, root := range quota.Roots {
				if slices.Contains(target.Roots, root) {
					c.add(need.Setting, "its folder comes under the same quota as %q (%q): moving there makes no room", folder.Name, root)
					return
				}
			}
		}
	}
}
