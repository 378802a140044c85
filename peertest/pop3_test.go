package peertest

import (
	"bytes"
	"crypto/sha256"
	"testing"
)

func TestPOP3Conn(t *testing.T) {
	d := Dovecot(t, WithPOP3())
	want := append(Text(1, 200_000), ".\r\n..\r\nx\r\n.\r\n"...)
	d.Deliver("alice", "INBOX", want)
	c := dialPOP3(t, d.POP3Addr(), nil)
	if err := c.Login("alice", "secret"); err != nil {
		t.Fatal(err)
	}
	if got, err := c.Get("RETR 1"); err != nil || !bytes.Equal(got, want) {
		t.Errorf("RETR: %d octets, want %d, %v", len(got), len(want), err)
	}
	if _, err := c.Do("RETR 1"); err != nil {
		t.Fatal(err)
	}
	raw, paused := new(bytes.Buffer), 0
	if err := c.Copy(raw, func() { paused++ }); err != nil || paused != 1 {
		t.Errorf("Copy: %v, paused %d times", err, paused)
	}
	if sha256.Sum256(Unstuff(raw.Bytes())) != sha256.Sum256(want) {
		t.Error("Copy got something else")
	}
	if _, err := c.Do("RETR 2"); err == nil {
		t.Error("RETR 2 is no error")
	}
}
