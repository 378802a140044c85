package policy

import (
	"fmt"
	"strings"
)

// checkTargets refuses to move messages to where the maildrop shows them again.
// Only names are compared: which folder has which use, the server alone knows,
// and is asked at sign-in.
func (p Policy) checkTargets() error {
	folders := p.Folders
	if len(folders) == 0 {
		folders = []string{"INBOX"}
	}
	for _, folder := range folders {
		for _, n := range p.Targets() {
			if err := n.conflict(folder); err != nil {
				return err
			}
		}
	}
	return nil
}

// conflict refuses a target that the maildrop shows. What is called Trash is the
// folder with \Trash wherever anybody looked.
func (n Need) conflict(folder string) error {
	same := strings.EqualFold(folder, n.Target) || strings.EqualFold(`\`+folder, n.Target) || strings.EqualFold(folder, `\`+n.Target)
	if !same {
		return nil
	}
	return fmt.Errorf("folders: %q is part of the maildrop, and %s would move messages there", folder, n.Setting)
}

// acts are all that happens to messages, by setting.
func (p Policy) acts() []namedAct {
	acts := []namedAct{{"on_retrieve", p.OnRetrieve}, {"on_delete", p.OnDelete}}
	for i, r := range p.Retain {
		acts = append(acts, namedAct{fmt.Sprintf("retain rule %d: do", i+1), r.Do})
	}
	return append(acts, namedAct{"quota_reclaim: do", p.QuotaReclaim.Do})
}

// A namedAct is an Act with the setting that has it.
type namedAct struct {
	name string
	Act
}
