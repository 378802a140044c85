package config

import (
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/restante-mail/restante/policy"
)

const withViews = "state = \"s.db\"\n" + somewhere + "[[route]]\nuser = \"*@example.com\"\nidentity = \"{local}@example.net\"\n" +
	"views = [\"printer\", \"Phone\"]\nrecent = true\nview_policy = { printer = \"read-only\" }\n[[route]]\n"

func TestViewsAreSplit(t *testing.T) {
	s, err := loadSnapshot(filepath.Join(write(t, t.TempDir(), "c.toml", withViews), "c.toml"))
	if err != nil || !s.NeedsState {
		t.Fatal(s, err)
	}
	tests := []struct{ user, identity, view, policy string }{
		{"alice@example.com", "alice@example.net", "", "classic"},
		{"alice+printer@example.com", "alice@example.net", "printer", "read-only"},
		{"alice+PRINTER@Example.com", "alice@example.net", "printer", "read-only"},
		{"alice@example.com+printer", "alice@example.net", "printer", "read-only"},
		{"alice@example.com+phone", "alice@example.net", "Phone", "classic"},
		{"alice+fax@example.com", "alice+fax@example.net", "", "classic"},
		{"alice+x+printer@example.com", "alice+x@example.net", "printer", "read-only"},
		{"alice+printer+phone@example.com", "alice+printer@example.net", "Phone", "classic"},
		{"recent:alice@example.com", "alice@example.net", "recent", "recent"},
		{"Recent:alice+printer@example.com", "alice@example.net", "recent", "recent"},
		{"alice+recent@example.com", "alice+recent@example.net", "", "classic"},
		{"+printer@example.com", "+printer@example.net", "", "classic"},
		// The second route declares nothing: the whole name goes upstream.
		{"bob+printer@example.org", "bob+printer@example.org", "", "classic"},
		{"recent:bob@example.org", "recent:bob@example.org", "", "classic"},
		{"recent:", "recent:", "", "classic"},
	}
	for _, test := range tests {
		r, _ := s.Route(test.user, netip.Addr{}, "")
		identity, err := r.Identity(r.Base)
		if err != nil || identity != test.identity || r.View != test.view || r.PolicyName != test.policy || r.Forget != (test.view == "recent") ||
			(r.Policy.Lock == policy.LockShared) != r.Forget {
			t.Errorf("%s: %q, view %q, policy %s, forget %v, lock %q, %v; want %+v", test.user, identity, r.View, r.PolicyName, r.Forget, r.Policy.Lock, err, test)
		}
	}
}

func TestOtherViews(t *testing.T) {
	for _, mode := range []string{"", "all", "any"} {
		text := withViews
		if mode != "" {
			text = strings.Replace(withViews, "recent = true\n", "recent = true\nviews_delete = \""+mode+"\"\n", 1)
		}
		s, err := loadSnapshot(filepath.Join(write(t, t.TempDir(), "c.toml", text), "c.toml"))
		if err != nil {
			t.Fatal(err)
		}
		for user, want := range map[string][]string{
			"a@example.com": {"printer", "Phone"}, "a+printer@example.com": {"", "Phone"}, "a+phone@example.com": {"", "printer"},
			"recent:a@example.com": nil, "b@example.org": nil,
		} {
			if mode == "any" {
				want = nil
			}
			if r, _ := s.Route(user, netip.Addr{}, ""); !slices.Equal(r.Others, want) {
				t.Errorf("views_delete %q, %s: waits for %q, want %q", mode, user, r.Others, want)
			}
		}
	}
}

func TestViewMistakes(t *testing.T) {
	for line, want := range map[string]string{
		`views = ["a b"]`:    `views[0]: "a b" is no name of a view`,
		`views = [""]`:       `views[0]: "" is no name`,
		`views = ["x", "X"]`: `views[1]: "X" is there already`,
		`views = ["recent"]`: `is the view of recent = true`,
		`views = ["x"]` + "\nview_policy = { y = \"keep\" }":         `view_policy.y: the route declares no view "y"`,
		`views = ["x"]` + "\nview_policy = { x = \"kepe\" }":         `view_policy.x: there is no [policy.kepe]`,
		`views_delete = "none"`:                                      `views_delete: "none" is not known`,
		`recent = true` + "\nview_policy = { recent = \"keep\" }":    `nothing is remembered of the view recent`,
		`recent = true` + "\nview_policy = { recent = \"classic\" }": `must not remove mail`,
		`views = [` + strings.Repeat(`"x",`, 17) + `]`:               `views: 17 are too many`,
	} {
		_, err := loadSnapshot(filepath.Join(write(t, t.TempDir(), "c.toml", "state = \"s.db\"\n"+somewhere+"[[route]]\n"+line+"\n"), "c.toml"))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v\nwant %q", line, err, want)
		}
	}
	_, err := loadSnapshot(filepath.Join(write(t, t.TempDir(), "c.toml", somewhere+"[[route]]\nviews = [\"x\"]\n"), "c.toml"))
	if err == nil || !strings.Contains(err.Error(), "restante state init") {
		t.Errorf("views without a state file: %v", err)
	}
}
