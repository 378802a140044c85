package gateway

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/restante-mail/restante/pop3"
	"github.com/restante-mail/restante/upstream"
)

// checkTargets refuses a maildrop that shows the folder which its policy moves
// messages to: they would come back as new ones. Which folder has \Trash the
// server alone knows. INBOX has no special use, so that only a maildrop of other
// folders costs a question.
func (s *session) checkTargets(ctx context.Context) error {
	inspector, ok := s.mailbox.(upstream.Inspector)
	if !ok || s.route.Policy.OnlyInbox() {
		return nil
	}
	for _, target := range s.route.Policy.Targets() {
		if !strings.HasPrefix(target.Target, `\`) {
			continue // names were compared when the configuration was read
		}
		name, err := inspector.Resolve(ctx, target.Target)
		if errors.Is(err, upstream.ErrNoFolder) {
			continue // moving there will fail, and say so
		}
		if err != nil {
			return clientError(err)
		}
		for _, folder := range s.folders {
			if folder.Name == name {
				return &pop3.Error{Code: pop3.CodeSysPerm, Text: "This maildrop is not set up correctly; ask your administrator",
					Err: fmt.Errorf("policy %q: its folders have %q, which has the use %s on this server, and %s would move messages there",
						s.route.PolicyName, name, target.Target, target.Setting)}
			}
		}
	}
	return nil
}
