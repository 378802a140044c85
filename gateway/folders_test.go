package gateway_test

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/restante-mail/restante/gateway"
	"github.com/restante-mail/restante/memimap"
	"github.com/restante-mail/restante/policy"
	"github.com/restante-mail/restante/secret"
	"github.com/restante-mail/restante/store"
	"github.com/restante-mail/restante/upstream"
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

// merged is a server with EMAILIDs, and its account.
func merged(t *testing.T, lacks ...string) (upstream.Server, *memimap.User) {
	t.Helper()
	imap := memimap.New()
	imap.InsecureAuth, imap.Has, imap.Lacks = true, []string{"OBJECTID"}, lacks
	account := imap.AddUser(user, secret.New(password))
	return bridgeTo(t, serve(t, imap.Serve, func() { imap.Close() })), account
}

// TestCopiesOverFolders: of messages that the server says are the same one is
// shown, and DELE is about all of them; equal octets alone make no copy.
func TestCopiesOverFolders(t *testing.T) {
	for _, do := range []policy.Verb{policy.Expunge, policy.Hide, policy.Trash} {
		server, account := merged(t)
		inbox, junk := account.Mailbox("INBOX"), account.Mailbox("Junk")
		same := letters(1)[0]
		inbox.Append(same, nil, time.Now())
		junk.Append(same, nil, time.Now()) // another message
		inbox.Copy(1, junk)
		p := preset("keep", func(p *policy.Policy) {
			p.Folders, p.OnDelete = []string{"INBOX", `\Junk`}, policy.Act{Do: do}
		})
		address := front(t, remembering(server, stateFile(t), &p))
		c := signIn(t, address)
		all := uidls(t, c)
		if len(all) != 2 {
			t.Fatalf("shown are %v, want two of three", all)
		}
		dele(t, c, 1)
		quit(t, c)
		inbox.Copy(1, junk) // what is hidden does not come back as a copy
		c = signIn(t, address)
		if got := uidls(t, c); !slices.Equal(got, all[1:]) {
			t.Errorf("%s: shown are %v, want %v", do, got, all[1:])
		}
		quit(t, c)
		want := map[policy.Verb][3]int{policy.Expunge: {0, 1, 0}, policy.Hide: {1, 3, 0}, policy.Trash: {0, 1, 2}}[do]
		if got := [3]int{len(inbox.Messages()), len(junk.Messages()), len(account.Mailbox("Trash").Messages())}; got != want {
			t.Errorf("%s: %v messages are in INBOX, Junk and Trash, want %v", do, got, want)
		}
	}
}

// TestNoSuchUse: a folder that there is not holds no mail, but the first must
// be there.
func TestNoSuchUse(t *testing.T) {
	server, account := merged(t, "SPECIAL-USE")
	account.Mailbox("INBOX").Append(letters(1)[0], nil, time.Now())
	p := preset("keep", func(p *policy.Policy) { p.Folders = []string{"INBOX", `\Junk`} })
	address := front(t, remembering(server, stateFile(t), &p))
	c := signIn(t, address)
	if got := uidls(t, c); len(got) != 1 {
		t.Errorf("shown are %v, want one", got)
	}
	quit(t, c)
	p.Folders = []string{`\Junk`, "INBOX"}
	if err := connect(t, address).Login(t.Context(), user, secret.New(password)); err == nil {
		t.Error("signed in without the first folder")
	}
	p.Folders = []string{"INBOX", "Nowhere"}
	if err := connect(t, address).Login(t.Context(), user, secret.New(password)); err == nil {
		t.Error("signed in without a folder that is named")
	}
}

// TestShownTarget: a maildrop of the folder with \Trash is refused if DELE moves
// there, whatever the folder is called.
func TestShownTarget(t *testing.T) {
	server, account := merged(t)
	account.Mailbox("INBOX").Append(letters(1)[0], nil, time.Now())
	for _, test := range []struct {
		folder string
		act    policy.Act
		good   bool
	}{{"Trash", policy.Act{Do: policy.Trash}, false}, {"Archive", policy.Act{Do: policy.Trash}, true}, {"Archive", policy.Act{Do: policy.Archive}, false}} {
		p := preset("classic", func(p *policy.Policy) { p.Folders, p.OnDelete = []string{"INBOX", test.folder}, test.act })
		if err := p.Check(); (err == nil) != test.good {
			t.Errorf("%+v: Check says %v", test, err)
		}
		err := connect(t, front(t, remembering(server, stateFile(t), &p))).Login(t.Context(), user, secret.New(password))
		if (err == nil) != test.good || err != nil && !strings.Contains(err.Error(), "[SYS/PERM]") {
			t.Errorf("%+v: sign-in says %v", test, err)
		}
	}
}

// TestCopiedOnce: where moving is copying, a session that was interrupted in
// between has left a copy, and the next one that moves the message finds it.
// What only resembles it is none.
func TestCopiedOnce(t *testing.T) {
	named := []byte("Message-ID: <1@example.com>\r\nSubject: one\r\n\r\nbody\r\n")
	nameless := []byte("Subject: two\r\n\r\nbody\r\n")
	when := time.Now().Add(-time.Hour).Truncate(time.Second)
	for _, test := range []struct {
		name        string
		text        []byte
		interrupted bool
		left        func(inbox, trash *memimap.Mailbox)
		copies      int
	}{
		{"a copy is there", named, true, func(inbox, trash *memimap.Mailbox) { inbox.Copy(1, trash) }, 1},
		{"two are there", named, true, func(inbox, trash *memimap.Mailbox) { inbox.Copy(1, trash); inbox.Copy(1, trash) }, 2},
		{"none is", named, true, func(inbox, trash *memimap.Mailbox) {}, 1},
		{"another of the same name", named, true, func(_, trash *memimap.Mailbox) { trash.Append(append(named, "PS\r\n"...), nil, when) }, 2},
		{"another of the same size", named, true, func(_, trash *memimap.Mailbox) {
			trash.Append(bytes.Replace(named, []byte("<1@"), []byte("<2@"), 1), nil, when)
		}, 2},
		{"another of another date", named, true, func(_, trash *memimap.Mailbox) { trash.Append(named, nil, when.Add(time.Second)) }, 2},
		{"it has no name", nameless, true, func(inbox, trash *memimap.Mailbox) { inbox.Copy(1, trash) }, 2},
		{"nothing was interrupted", named, false, func(inbox, trash *memimap.Mailbox) { inbox.Copy(1, trash) }, 2},
	} {
		t.Run(test.name, func(t *testing.T) {
			server, account := merged(t, "MOVE")
			inbox, trash := account.Mailbox("INBOX"), account.Mailbox("Trash")
			inbox.Append(test.text, nil, when)
			test.left(inbox, trash)
			state := stateFile(t)
			if test.interrupted {
				if _, err := state.Intend(t.Context(), store.ViewKey{Maildrop: gateway.Maildrop("test", user)}, store.Changes{At: 1},
					[]store.Deed{{Folder: "INBOX", UIDValidity: inbox.UIDValidity(), Key: 1, Do: "move", Target: `\Trash`}}); err != nil {
					t.Fatal(err)
				}
			}
			p := preset("gmail-trash", func(p *policy.Policy) { p.OnRetrieve.Do = policy.Nothing })
			address := front(t, remembering(server, state, &p))
			quit(t, signInAndList(t, address)) // settles the intent, and deletes nothing
			c := signIn(t, address)
			dele(t, c, 1)
			quit(t, c)
			if n, copies := len(inbox.Messages()), len(trash.Messages()); n != 0 || copies != test.copies {
				t.Errorf("%d are left and %d in the trash, want 0 and %d", n, copies, test.copies)
			}
		})
	}
}
