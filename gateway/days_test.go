package gateway_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/restante-mail/restante/memimap"
	"github.com/restante-mail/restante/pop3"
	"github.com/restante-mail/restante/secret"
)

// TestThreeDays plays docs/policies.md: Monday retrieves A and B and deletes A,
// on Tuesday C arrives, is retrieved, and B deleted, on Wednesday the client
// looks. The document's tables say what it sees and what is left.
func TestThreeDays(t *testing.T) {
	for _, name := range []string{"classic", "keep", "read-only", "recent", "gmail-archive"} {
		t.Run(name, func(t *testing.T) {
			want := documented(t, name)
			imap := memimap.New()
			imap.InsecureAuth = true
			account := imap.AddUser(user, secret.New(password))
			inbox := account.Mailbox("INBOX")
			p := preset(name)
			server := bridgeTo(t, serve(t, imap.Serve, func() { imap.Close() }))
			address := front(t, remembering(server, stateFile(t), &p))
			arrive(inbox, "A")
			arrive(inbox, "B")
			known := map[string]bool{}
			for day, deletes := range []string{"A", "B", ""} {
				if day == 1 {
					arrive(inbox, "C")
				}
				if got := theDay(t, address, deletes, known); got != want[day][0] {
					t.Errorf("day %d: the client sees %s, and the document says %s", day+1, got, want[day][0])
				}
				if got := subjects(inbox); got != want[day][1] {
					t.Errorf("day %d: %q is left, and the document says %q", day+1, got, want[day][1])
				}
				if len(want[day]) > 2 && subjects(account.Mailbox("Archive")) != want[day][2] {
					t.Errorf("day %d: archived is %q, and the document says %q", day+1, subjects(account.Mailbox("Archive")), want[day][2])
				}
			}
		})
	}
}

func arrive(box *memimap.Mailbox, name string) {
	box.Append([]byte("Subject: "+name+"\r\n\r\n"), nil, time.Now())
}

func subjects(box *memimap.Mailbox) string {
	var all []string
	for _, m := range box.Messages() {
		all = append(all, string(m.Raw[len("Subject: "):][:1]))
	}
	return strings.Join(all, " ")
}

// theDay is a session that retrieves what is new to the client.
func theDay(t *testing.T, address, deletes string, known map[string]bool) (sees string) {
	c := signIn(t, address)
	var all []string
	var marked int
	for n, uidl := range uidls(t, c) {
		name := topSubject(t, c, n+1)
		all = append(all, name)
		if !known[uidl] {
			known[uidl] = true
			retrieve(t, c, n+1)
		}
		if name == deletes {
			marked = n + 1
		}
	}
	if marked > 0 {
		if _, err := c.Dele(t.Context(), marked); err != nil {
			t.Fatal(err)
		}
	}
	quit(t, c)
	return strings.Join(all, " ")
}

func topSubject(t *testing.T, c *pop3.Client, n int) (name string) {
	t.Helper()
	body, err := c.Top(t.Context(), n, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer body.Close()
	if _, err := fmt.Fscanf(body, "Subject: %s", &name); err != nil {
		t.Fatal(err)
	}
	return name
}

// documented reads the table of a preset: for each day, letters alone.
func documented(t *testing.T, preset string) (days [][]string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "docs", "policies.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, section, found := strings.Cut(string(text), "### `"+preset+"`")
	if !found {
		t.Fatalf("docs/policies.md has no section of %s", preset)
	}
	section, _, _ = strings.Cut(section, "\n##")
	letters := regexp.MustCompile(`^[ABC]( [ABC])*`)
	for _, line := range strings.Split(section, "\n") {
		cells := strings.Split(line, "|")
		if len(cells) < 4 || !slices.Contains([]string{"Monday", "Tuesday", "Wednesday"}, strings.TrimSpace(cells[1])) {
			continue
		}
		var day []string
		for _, cell := range cells[2 : len(cells)-1] {
			day = append(day, letters.FindString(strings.TrimSpace(cell)))
		}
		days = append(days, day)
	}
	if len(days) != 3 {
		t.Fatalf("the table of %s has %d days", preset, len(days))
	}
	return days
}
