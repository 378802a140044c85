package memimap

import (
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/restante-mail/restante/secret"
)

// TestExtensions: QUOTA and EMAILID among pipelined commands, with a body that
// looks like them passing through.
func TestExtensions(t *testing.T) {
	s := New()
	s.InsecureAuth, s.Has = true, []string{"QUOTA", "OBJECTID"}
	alice := s.AddUser("alice", secret.New("secret"))
	inbox := alice.Mailbox("INBOX")
	inbox.Append([]byte("* 1 FETCH (UID 1)\r\nA4 OK {5}\r\n"), nil, time.Time{})
	if !inbox.Copy(1, alice.Mailbox("Junk")) || inbox.Copy(9, inbox) {
		t.Error("Copy does not tell whether the message is there")
	}
	alice.SetQuota("User quota", 10<<10)
	alice.SetQuota("Old", 1<<20, "Archive")
	conn, err := net.Dial("tcp", start(t, s))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(patience))
	fmt.Fprint(conn, "A1 LOGIN {5}\r\n")
	read := readUntil(t, conn, "+ ")
	fmt.Fprint(conn, "alice {6+}\r\nsecret\r\nA2 CAPABILITY\r\nA3 SELECT INBOX\r\nA4 UID FETCH 1 (UID BODY.PEEK[])\r\n"+
		"A5 GETQUOTAROOT \"INBOX\"\r\nA6 GETQUOTAROOT Archive\r\nA7 GETQUOTAROOT Nowhere\r\nA8 UID FETCH 1:* (UID FLAGS EMAILID)\r\n"+
		"A9 SELECT Junk\r\nA10 UID FETCH 1 (UID EMAILID)\r\n")
	read += readUntil(t, conn, "A10 OK")
	for _, want := range []string{
		"* CAPABILITY IMAP4rev1 QUOTA OBJECTID ",
		"BODY[] {30}\r\n* 1 FETCH (UID 1)\r\nA4 OK {5}\r\n)\r\nA4 OK",
		"* QUOTAROOT \"INBOX\" \"User quota\"\r\n* QUOTA \"User quota\" (STORAGE 1 10)\r\nA5 OK",
		"* QUOTAROOT \"Archive\" \"Old\"\r\n* QUOTA \"Old\" (STORAGE 0 1024)\r\nA6 OK",
		"A7 NO ",
		"* 1 FETCH (EMAILID (M1) UID 1 FLAGS ",
		"* 1 FETCH (EMAILID (M1) UID 1)\r\nA10 OK",
	} {
		if !strings.Contains(read, want) {
			t.Errorf("%q is not in\n%s", want, read)
		}
	}
}

func readUntil(t *testing.T, conn net.Conn, end string) (read string) {
	t.Helper()
	buf := make([]byte, 4096)
	for !strings.Contains(read, end) {
		n, err := conn.Read(buf)
		if err != nil {
			t.Fatalf("%v after\n%s", err, read)
		}
		read += string(buf[:n])
	}
	return read
}
