package peertest

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// Deliver puts messages into a folder ("INBOX", "Work", ...), octet for octet.
// Their UIDs are in the order of the arguments.
func (d *DovecotServer) Deliver(user, folder string, messages ...[]byte) {
	d.t.Helper()
	for _, m := range messages {
		if d.settings.mdbox {
			d.save(user, folder, m)
			continue
		}
		path := d.maildirName(user, folder)
		if err := os.WriteFile(path, m, 0o644); err != nil {
			d.t.Fatalf("deliver: %v", err)
		}
		d.publish(path)
	}
}

// DeliverFile puts a file into a Maildir as a message, by a link, so that many
// users can have the same huge message.
func (d *DovecotServer) DeliverFile(user, folder, file string) {
	d.t.Helper()
	path := d.maildirName(user, folder)
	if err := os.Link(file, path); err != nil {
		d.t.Fatalf("deliver: %v", err)
	}
	d.publish(path)
}

// DeliverCopies puts n copies of a message into the inbox, already seen by
// Dovecot and with their size in the file's name; it is for mailboxes that are
// meant to be large.
func (d *DovecotServer) DeliverCopies(user string, n int, message []byte) {
	d.t.Helper()
	dir := filepath.Dir(filepath.Dir(d.maildirName(user, "INBOX")))
	for range n {
		name := fmt.Sprintf("%d.peertest,S=%d,W=%[2]d:2,", 1_000_000_000+d.delivered.Add(1), len(message))
		if err := os.WriteFile(filepath.Join(dir, "cur", name), message, 0o644); err != nil {
			d.t.Fatalf("deliver: %v", err)
		}
	}
}

// Forget removes what a Dovecot WithIMAPC remembers of a user's mailboxes.
func (d *DovecotServer) Forget(user string) {
	d.t.Helper()
	if err := os.RemoveAll(filepath.Join(d.dir, "imapc", user)); err != nil {
		d.t.Fatalf("%v", err)
	}
}

// save delivers where files can not simply be put.
func (d *DovecotServer) save(user, folder string, message []byte) {
	d.t.Helper()
	cmd := d.command("doveadm", "save", "-u", user, "-m", folder)
	cmd.Stdin = bytes.NewReader(message)
	if out, err := cmd.CombinedOutput(); err != nil {
		d.t.Fatalf("doveadm save: %v\n%s", err, out)
	}
}

// maildirName is a path in the folder's tmp directory. Dovecot gives UIDs in
// the order of the number that the name begins with.
func (d *DovecotServer) maildirName(user, folder string) string {
	d.t.Helper()
	if d.settings.mdbox {
		d.t.Fatalf("files can be delivered to a Maildir only")
	}
	dir := d.maildir(user, folder)
	for _, sub := range []string{"", "cur", "new", "tmp"} {
		d.owner.mkdir(d.t, filepath.Join(dir, sub))
	}
	return filepath.Join(dir, "tmp", fmt.Sprintf("%d.peertest", 1_000_000_000+d.delivered.Add(1)))
}

// maildir is where a user's folder is stored.
func (d *DovecotServer) maildir(user, folder string) string {
	home, ok := d.homes[user]
	if !ok {
		d.t.Fatalf("this Dovecot has no user %q", user)
	}
	root := filepath.Join(home, "Maildir")
	d.owner.mkdir(d.t, root)
	if folder == "INBOX" {
		return root
	}
	return filepath.Join(root, "."+folder)
}

// publish moves a message from tmp to new, where Dovecot sees it.
func (d *DovecotServer) publish(path string) {
	d.owner.own(d.t, path)
	dir, name := filepath.Split(path)
	if err := os.Rename(path, filepath.Join(dir, "..", "new", name)); err != nil {
		d.t.Fatalf("deliver: %v", err)
	}
}

// A Message is what a folder holds, as another IMAP client sees it.
type Message struct {
	UID     uint32
	Flags   string // as IMAP writes them, without \Recent: `\Seen $Forwarded`
	Size    int64  // RFC822.SIZE
	Arrived time.Time
	Octets  []byte // BODY[]
}

// Messages reads a folder over IMAP without changing anything.
func (d *DovecotServer) Messages(user, folder string) []Message {
	d.t.Helper()
	c := DialIMAP(d.t, d.IMAPAddr())
	defer c.Close()
	c.Login(user, d.Password(user))
	c.Do("EXAMINE " + quote(folder))
	return c.Fetch()
}

// Files are the messages of a Maildir folder as they are stored, in the order of
// delivery.
func (d *DovecotServer) Files(user, folder string) (all [][]byte) {
	d.t.Helper()
	old, _ := filepath.Glob(filepath.Join(d.maildir(user, folder), "cur", "*"))
	fresh, _ := filepath.Glob(filepath.Join(d.maildir(user, folder), "new", "*"))
	for _, path := range append(old, fresh...) { // what is new came last
		m, err := os.ReadFile(path)
		if err != nil {
			d.t.Fatalf("%v", err)
		}
		all = append(all, m)
	}
	return all
}

// GenerateFile writes a message of about size octets to a file that
// DeliverFile can link to, and returns its path and true size. The text is
// CRLF lines of 76 octets, one in a hundred with a leading dot.
func (d *DovecotServer) GenerateFile(size int64) (path string, octets int64) {
	d.t.Helper()
	path = filepath.Join(d.dir, "generated-"+fmt.Sprint(d.delivered.Add(1)))
	f, err := os.Create(path)
	if err != nil {
		d.t.Fatalf("%v", err)
	}
	defer f.Close()
	octets, err = io.Copy(f, NewText(size))
	if err != nil {
		d.t.Fatalf("%v", err)
	}
	d.owner.own(d.t, path)
	return path, octets
}

// UIDValidity of a user's folder.
func (d *DovecotServer) UIDValidity(user, folder string) uint32 {
	d.t.Helper()
	text := d.Doveadm("mailbox", "status", "-u", user, "uidvalidity", folder)
	_, number, _ := strings.Cut(strings.TrimSpace(text), "uidvalidity=")
	n, err := strconv.ParseUint(number, 10, 32)
	if err != nil {
		d.t.Fatalf("doveadm mailbox status: %q", text)
	}
	return uint32(n)
}
