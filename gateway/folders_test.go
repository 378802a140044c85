package gateway_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/restante-mail/restante/memimap"
	"github.com/restante-mail/restante/policy"
	"github.com/restante-mail/restante/secret"
)

// TestFoldersMerged: two folders are one maildrop, in a stable order, with
// UIDLs that never meet, and what is done to a message is done in its folder.
func TestFoldersMerged(t *testing.T) {
	imap := memimap.New()
	imap.InsecureAuth = true
	account := imap.AddUser(user, secret.New(password))
	inbox, junk := account.Mailbox("INBOX"), account.Mailbox("Junk")
	for i, m := range letters(6) {
		[]*memimap.Mailbox{inbox, junk}[i%2].Append(m, nil, time.Now())
	}
	server := bridgeTo(t, serve(t, imap.Serve, func() { imap.Close() }))
	for _, test := range []struct {
		delete      string
		inbox, junk int
	}{{"hide", 3, 3}, {"expunge", 3, 2}} {
		p := preset("keep", func(p *policy.Policy) {
			p.Folders = []string{"INBOX", `\Junk`}
			p.OnDelete = policy.Act{Do: policy.Verb(test.delete)}
		})
		address := front(t, remembering(server, stateFile(t), &p))
		c := signIn(t, address)
		all := uidls(t, c)
		if len(all) != 6 || len(slices.Compact(slices.Sorted(slices.Values(all)))) != 6 {
			t.Fatalf("shown are %v, want six different", all)
		}
		if strings.Contains(all[2], ".") || !strings.HasPrefix(all[3], all[0][:8]) || len(all[3]) > 70 {
			t.Errorf("UIDLs are %v; those of the second folder are to tell it", all)
		}
		if got := string(retrieve(t, c, 4)); !strings.HasPrefix(got, "Subject: x\r\n") {
			t.Errorf("message 4 is %q, want the first of the second folder", got)
		}
		dele(t, c, 4)
		quit(t, c)
		c = signIn(t, address)
		if got, want := uidls(t, c), slices.Delete(slices.Clone(all), 3, 4); !slices.Equal(got, want) {
			t.Errorf("%s: shown are %v, want %v", test.delete, got, want)
		}
		quit(t, c)
		if len(inbox.Messages()) != test.inbox || len(junk.Messages()) != test.junk {
			t.Errorf("%s: %d and %d messages are left, want %d and %d", test.delete, len(inbox.Messages()), len(junk.Messages()), test.inbox, test.junk)
		}
	}
}
