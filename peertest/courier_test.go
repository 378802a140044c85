package peertest

import (
	"bytes"
	"testing"
)

// Courier serves what was delivered, and removes what was deleted.
func TestCourier(t *testing.T) {
	s := Courier(t, map[string]string{"alice": "secret", "bob": "other"})
	first, second := Text(1, 500), Text(2, 70<<10)
	s.Deliver("alice", first, second)
	c, err := DialPOP3(s.POP3Addr(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.Login("alice", "wrong"); err == nil {
		t.Error("a wrong password signs in")
	}
	if err := c.Login("alice", "secret"); err != nil {
		t.Fatal(err)
	}
	if stat, err := c.Do("STAT"); err != nil || stat[:6] != "+OK 2 " {
		t.Fatalf("STAT: %q, %v", stat, err)
	}
	raw, err := c.Get("RETR 2")
	if got := Unstuff(raw); err != nil || !bytes.Equal(got, second) {
		t.Errorf("RETR 2: %d octets, want %d; %v", len(got), len(second), err)
	}
	for _, command := range []string{"DELE 2", "QUIT"} {
		if _, err := c.Do(command); err != nil {
			t.Error(err)
		}
	}
	if left := s.Messages("alice"); len(left) != 1 || Sum(left[0]) != Sum(first) {
		t.Errorf("%d messages are left", len(left))
	}
}
