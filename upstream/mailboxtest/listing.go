package mailboxtest

import (
	"reflect"

	"github.com/restante-mail/restante/upstream"
)

var listingCases = []testCase{
	{name: "empty mailbox", run: emptyMailbox},
	{name: "oldest first, each with its own ID", run: listingOrder},
	{name: "sizes", run: listedSizes},
	{name: "flags", needs: []Ability{Seen}, run: listedFlags},
	{name: "messages that others marked", needs: []Ability{Marks}, run: listedMarks},
	{name: "names last beyond the session", run: lastingNames},
	{name: "new mail is for the next session", needs: []Ability{News}, run: newMail},
	{name: "several folders", needs: []Ability{Folders, Move}, run: listedFolders},
}

func emptyMailbox(s *suite) {
	m := s.open()
	m.list(0)
	if results := m.apply(); len(results) != 0 {
		s.Errorf("results of no changes: %v", results)
	}
	m.end()
	s.left()
}

func listingOrder(s *suite) {
	s.deliver(letters(20)...)
	m := s.open()
	messages := m.list(20)
	s.unique(messages)
	folders := m.Folders()
	if len(folders) != 1 {
		s.Fatalf("folders %v, want one", folders)
	}
	for i, message := range messages {
		if message.ID.Folder != 0 {
			s.Errorf("message %d is of folder %d", i+1, message.ID.Folder)
		}
		m.whole(message, letter(i+1))
	}
	if again := m.list(20); !reflect.DeepEqual(again, messages) {
		s.Errorf("the listing was %v and is %v", messages, again)
	}
}

// unique checks IDs, and what else names a message if the server has it.
func (s *suite) unique(messages []upstream.Message) {
	s.Helper()
	ids, uidls := make(map[upstream.ID]bool), make(map[string]bool)
	for _, message := range messages {
		if ids[message.ID] {
			s.Errorf("ID %v is there twice", message.ID)
		}
		ids[message.ID] = true
		uidls[message.UIDL] = true
		if !validUIDL(message.UIDL) {
			s.Errorf("UIDL %q is not one", message.UIDL)
		}
	}
	if none := len(uidls) == 1 && uidls[""]; !none && (uidls[""] || len(uidls) != len(messages)) {
		s.Errorf("%d different UIDLs for %d messages", len(uidls), len(messages))
	}
}

// validUIDL is RFC 1939 section 7; "" is for servers that have none.
func validUIDL(uidl string) bool {
	for _, c := range []byte(uidl) {
		if c < 0x21 || c > 0x7E {
			return false
		}
	}
	return len(uidl) <= 70
}

// listedSizes: of a message whose line ends are CRLF, no server has a reason to
// tell another size than its length; and what is said to be exact is so.
func listedSizes(s *suite) {
	odd := []byte("From: a@example.org\nSubject: LF\n\nno final line end")
	all := append(letters(3), heavy(4, 300_000), odd)
	s.deliver(all...)
	for i, message := range s.open().list(len(all)) {
		want := int64(len(Canonical(all[i])))
		if message.Size != want && (message.Exact || i < len(all)-1) {
			s.Errorf("message %d: size %d (exact: %v), want %d", i+1, message.Size, message.Exact, want)
		}
	}
}

func listedFlags(s *suite) {
	for i := range 6 {
		s.f.Append(s, letter(i), i%3 == 1)
	}
	for i, message := range s.open().list(6) {
		if got, want := message.Flags.Has(upstream.Seen), i%3 == 1; got != want {
			s.Errorf("message %d: seen %v, want %v", i+1, got, want)
		}
		if message.Flags.Has(upstream.Deleted) {
			s.Errorf("message %d is marked deleted", i+1)
		}
	}
}

func listedMarks(s *suite) {
	s.deliver(letters(3)...)
	s.f.MarkDeleted(s, 1)
	m := s.open()
	for i, message := range m.list(3) {
		if got, want := message.Flags.Has(upstream.Deleted), i == 1; got != want {
			s.Errorf("message %d: deleted %v, want %v", i+1, got, want)
		}
		m.whole(message, letter(i+1))
	}
}

// lastingNames: a client that keeps mail on the server must know it again.
func lastingNames(s *suite) {
	s.deliver(letters(4)...)
	first := s.open()
	before, folders := first.list(4), first.Folders()
	first.do(upstream.Change{ID: before[1].ID, Do: upstream.Expunge})
	first.end()
	s.deliver(letter(5))
	all := len(s.f.Contents(s, "INBOX"))
	second := s.open()
	after := second.list(all)
	if !reflect.DeepEqual(second.Folders(), folders) {
		s.Errorf("the folders were %v and are %v", folders, second.Folders())
	}
	overIMAP := folders[0].UIDValidity != 0
	kept := []upstream.Message{before[0], before[2], before[3]}
	if len(hideMarked(after)) != len(kept)+1 {
		s.Fatalf("%d messages are shown, want %d", len(hideMarked(after)), len(kept)+1)
	}
	for i, message := range hideMarked(after)[:len(kept)] {
		if message.UIDL != kept[i].UIDL || message.Unique != kept[i].Unique || overIMAP && message.ID != kept[i].ID {
			s.Errorf("message %v %q is now %v %q", kept[i].ID, kept[i].UIDL, message.ID, message.UIDL)
		}
	}
	for i, message := range hideMarked(after) {
		second.whole(message, letter([]int{1, 3, 4, 5}[i]))
	}
}

// hideMarked leaves out what a server that cannot expunge has only marked.
func hideMarked(messages []upstream.Message) []upstream.Message {
	var shown []upstream.Message
	for _, message := range messages {
		if !message.Flags.Has(upstream.Deleted) {
			shown = append(shown, message)
		}
	}
	return shown
}

func newMail(s *suite) {
	s.deliver(letters(2)...)
	m := s.open()
	before := m.list(2)
	s.deliver(letter(3))
	m.whole(before[1], letter(2))
	m.whole(before[0], letter(1))
	if after := m.list(2); !reflect.DeepEqual(after, before) {
		s.Errorf("the listing was %v and is %v", before, after)
	}
	m.do(upstream.Change{ID: before[1].ID, Do: upstream.Expunge})
	m.end()
	s.leftUnmarked(letter(1), letter(3))
	all := len(s.f.Contents(s, "INBOX"))
	s.open().list(all)
}

// listedFolders: a UID means nothing without its folder.
func listedFolders(s *suite) {
	s.deliver(letters(4)...)
	m := s.open()
	messages := m.list(4)
	m.do(upstream.Change{ID: messages[1].ID, Do: upstream.Move, Target: s.f.Archive},
		upstream.Change{ID: messages[2].ID, Do: upstream.Move, Target: s.f.Archive})
	m.end()

	login := s.f.Login
	login.Folders = []string{"INBOX", s.f.Archive}
	all := len(s.f.Contents(s, "INBOX")) + len(s.f.Contents(s, s.f.Archive))
	m = s.openAs(login)
	s.unique(m.list(all))
	messages = hideMarked(m.list(all))
	if len(messages) != 4 {
		s.Fatalf("%d messages are shown, want 4", len(messages))
	}
	if folders := m.Folders(); len(folders) != 2 || folders[0].Name != "INBOX" || folders[1].Name != s.f.Archive {
		s.Fatalf("folders %v, want INBOX and %s", folders, s.f.Archive)
	}
	for _, i := range []int{0, 2, 1, 3, 2, 0} { // across the folders, to and fro
		if folder := messages[i].ID.Folder; folder != i/2 {
			s.Errorf("message %d is of folder %d, want %d", i+1, folder, i/2)
		}
		m.whole(messages[i], letter([]int{1, 4, 2, 3}[i]))
	}
	m.do(upstream.Change{ID: messages[2].ID, Do: upstream.Expunge}, upstream.Change{ID: messages[1].ID, Do: upstream.Expunge})
	m.end()
	s.leftUnmarked(letter(1))
	s.holdsUnmarked(s.f.Archive, letter(3))
}
