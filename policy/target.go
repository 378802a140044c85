package policy

import (
	"fmt"
	"strings"

	"github.com/restante-mail/restante/upstream"
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
		for _, t := range p.Targets() {
			if err := t.conflict(folder); err != nil {
				return err
			}
		}
	}
	return nil
}

// Targets are the folders that the policy moves messages to, with the settings
// that say so.
func (p Policy) Targets() (all []Target) {
	for _, act := range p.acts() {
		if c, ok := act.change(upstream.ID{}); ok && c.Do == upstream.Move {
			all = append(all, Target{act.name + " = " + act.Act.String(), c.Target})
		}
	}
	return all
}

// A Target is a folder that messages are moved to.
type Target struct {
	// Setting is what moves them, as the configuration writes it.
	Setting string
	// Folder is a name, or a special use like \Trash.
	Folder string
}

// conflict refuses a target that the maildrop shows. What is called Trash is the
// folder with \Trash wherever anybody looked.
func (t Target) conflict(folder string) error {
	same := strings.EqualFold(folder, t.Folder) || strings.EqualFold(`\`+folder, t.Folder) || strings.EqualFold(folder, `\`+t.Folder)
	if !same {
		return nil
	}
	return fmt.Errorf("folders: %q is part of the maildrop, and %s would move messages there", folder, t.Setting)
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
