package policy

import (
	"fmt"
	"strings"

	"github.com/restante-mail/restante/upstream"
)

// checkTargets refuses to move messages to where the maildrop shows them again.
// Only names are compared: which folder is \Trash, the server alone knows.
func (p Policy) checkTargets() error {
	folders := p.Folders
	if len(folders) == 0 {
		folders = []string{"INBOX"}
	}
	acts := []namedAct{{"on_retrieve", p.OnRetrieve}, {"on_delete", p.OnDelete}}
	for i, r := range p.Retain {
		acts = append(acts, namedAct{fmt.Sprintf("retain rule %d: do", i+1), r.Do})
	}
	acts = append(acts, namedAct{"quota_reclaim: do", p.QuotaReclaim.Do})
	for _, folder := range folders {
		for _, act := range acts {
			if act.movesTo(folder) {
				return fmt.Errorf("folders: %q is part of the maildrop, and %s = %s would move messages there", folder, act.name, act.Act)
			}
		}
	}
	return nil
}

// A namedAct is an Act with the setting that has it.
type namedAct struct {
	name string
	Act
}

func (a namedAct) movesTo(folder string) bool {
	c, ok := a.change(upstream.ID{})
	return ok && c.Do == upstream.Move && strings.EqualFold(c.Target, folder)
}
