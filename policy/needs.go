package policy

import (
	"github.com/restante-mail/restante/upstream"
)

// A Need is something that a policy asks of the server.
type Need struct {
	// Setting is what asks for it, as the configuration writes it.
	Setting string
	// Do is the change; Move and Flag have the Target.
	upstream.Change
}

// Needs are the changes that the policy may want made, by setting.
func (p Policy) Needs() (all []Need) {
	for _, act := range p.acts() {
		if c, ok := act.change(upstream.ID{}); ok {
			all = append(all, Need{act.name + " = " + act.Act.String(), c})
		}
	}
	return all
}

// Targets are the folders that the policy moves messages to, with the settings
// that say so.
func (p Policy) Targets() (all []Need) {
	for _, n := range p.Needs() {
		if n.Do == upstream.Move {
			all = append(all, n)
		}
	}
	return all
}
