package policy

import (
	"strings"
	"testing"
)

func TestTargetInTheMaildrop(t *testing.T) {
	junk, trash, old := []string{"INBOX", `\Junk`}, []string{"INBOX", `\trash`}, []string{"Old mail", `\Archive`}
	move := func(folder string) Act { return Act{Do: Move, Target: folder} }
	tests := []struct {
		name    string
		change  func(*Policy)
		refused string
	}{
		{"another folder", func(p *Policy) { p.Folders, p.OnDelete.Do = junk, Trash }, ""},
		{"on_delete", func(p *Policy) { p.Folders, p.OnDelete.Do = trash, Trash }, "on_delete = trash"},
		{"on_retrieve", func(p *Policy) { p.Folders, p.OnRetrieve.Do = old, Archive }, "on_retrieve = archive"},
		{"by name", func(p *Policy) { p.Folders, p.OnDelete = old, move("Old mail") }, "on_delete = move:Old mail"},
		{"by special use", func(p *Policy) { p.Folders, p.OnDelete = trash, move(`\Trash`) }, `on_delete = move:\Trash`},
		{"INBOX, which nobody named", func(p *Policy) { p.OnDelete = move("Inbox") }, "on_delete = move:Inbox"},
		{"a keyword of that name", func(p *Policy) { p.Folders, p.OnDelete = []string{"Gone"}, Act{Do: Flag, Target: "Gone"} }, ""},
		{"retain", func(p *Policy) {
			p.Folders = trash
			p.Retain = []Rule{{Since: SinceArrived, After: Age(day), Do: Act{Do: Expunge}}, {Since: SinceArrived, After: Age(day), Do: Act{Do: Trash}}}
		}, "retain rule 2: do = trash"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			p := must(t, "classic")
			test.change(&p)
			err := p.Check()
			if test.refused == "" && err != nil || test.refused != "" && (err == nil || !strings.HasPrefix(err.Error(), "folders: ") || !strings.Contains(err.Error(), test.refused)) {
				t.Errorf("%v; want %q refused", err, test.refused)
			}
		})
	}
}
