package gateway_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/restante-mail/restante/bridge"
	"github.com/restante-mail/restante/gateway"
	"github.com/restante-mail/restante/memimap"
	"github.com/restante-mail/restante/policy"
	"github.com/restante-mail/restante/pop3"
	"github.com/restante-mail/restante/secret"
	"github.com/restante-mail/restante/store"
)

// What a victim is told: after which step it dies, where the mail and the
// state are, and the policy's on_delete.
const (
	victimCrash  = "RESTANTE_GATEWAY_CRASH"
	victimIMAP   = "RESTANTE_GATEWAY_IMAP"
	victimState  = "RESTANTE_GATEWAY_STATE"
	victimDelete = "RESTANTE_GATEWAY_ON_DELETE"
)

// reclaiming stands for a policy that makes room in a full mailbox, and hides
// what is deleted.
const reclaiming = "reclaim"

// victimPolicy retrieves by marking, and deletes as it is told.
func victimPolicy(onDelete string) policy.Policy {
	return preset("keep", func(p *policy.Policy) {
		if onDelete == reclaiming {
			p.QuotaWarn, p.QuotaReclaim = 10, policy.Reclaim{Above: 50, Do: policy.Act{Do: policy.Expunge}}
			return
		}
		if err := p.OnDelete.UnmarshalText([]byte(onDelete)); err != nil {
			panic(err)
		}
	})
}

// victim has the session and dies in it: nobody flushes, closes or unlocks.
func victim() {
	gateway.SetCrash(func(after string) {
		if after == os.Getenv(victimCrash) {
			self, _ := os.FindProcess(os.Getpid())
			_ = self.Kill()
			select {}
		}
	})
	err := victimSession(os.Getenv(victimIMAP), os.Getenv(victimState), victimPolicy(os.Getenv(victimDelete)))
	fmt.Fprintln(os.Stderr, "the victim lived:", err)
	os.Exit(1)
}

// victimSession retrieves the first message and deletes the first two.
func victimSession(imap, state string, p policy.Policy) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	server, err := bridge.New(bridge.Options{Addresses: []string{imap}, Security: bridge.Plain})
	if err != nil {
		return err
	}
	defer server.Close()
	s, err := store.Open(state, true)
	if err != nil {
		return err
	}
	defer s.Close()
	g := over(server, func(r *gateway.Route) { r.Policy, r.PolicyName = p, "test" })
	g.Shared.Store = s
	session, err := g.Login(ctx, pop3.Peer{ID: "victim", Remote: &net.TCPAddr{}}, pop3.Credentials{User: user, Secret: secret.New(password)})
	if err != nil {
		return err
	}
	defer session.Close()
	list, err := session.Messages(ctx)
	if err != nil || len(list) < 2 {
		return fmt.Errorf("%d messages, %w", len(list), err)
	}
	body, err := session.Open(ctx, 0, -1)
	if err != nil {
		return err
	}
	n, err := io.Copy(io.Discard, body)
	body.Close()
	body.Done(pop3.Delivery{Octets: n, Whole: true, Proven: true})
	if err != nil {
		return err
	}
	return session.Update(ctx, []int{0, 1})
}

// TestKilledBetweenSteps: after a kill between any two steps the client, which
// was not told that anything is done, does the session again with what it still
// sees, and everything ends as if nothing had happened.
func TestKilledBetweenSteps(t *testing.T) {
	for _, onDelete := range []string{"expunge", "trash", "hide"} {
		for _, after := range []string{"intended", "applied", "concluded"} {
			t.Run(onDelete+" "+after, func(t *testing.T) { killedAfter(t, onDelete, after, false) })
		}
	}
}

// TestKilledBetweenMarkAndRemoval: what was flagged \Deleted and not yet removed
// is shown, though others' \Deleted is not.
func TestKilledBetweenMarkAndRemoval(t *testing.T) { killedAfter(t, "expunge", "intended", true) }

func killedAfter(t *testing.T, onDelete, after string, marked bool) {
	imap := memimap.New()
	imap.InsecureAuth = true
	inbox := imap.AddUser(user, secret.New(password)).Mailbox("INBOX")
	for _, m := range letters(5) {
		inbox.Append(m, nil, time.Time{})
	}
	imapAddress := serve(t, imap.Serve, func() { imap.Close() })
	server := bridgeTo(t, imapAddress)
	state := filepath.Join(t.TempDir(), "state.db")
	kill(t, after, imapAddress, state, onDelete)
	if marked {
		inbox.SetFlags(1, `\Deleted`, `\Seen`)
		inbox.SetFlags(2, `\Deleted`)
	}
	s, err := store.Open(state, false)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	p := victimPolicy(onDelete)
	address := front(t, remembering(server, s, &p))
	c := signIn(t, address)
	for n, name := range uidls(t, c) { // the client deletes by UIDL, again
		if strings.HasPrefix(name, "00000001") || strings.HasPrefix(name, "00000002") {
			dele(t, c, n+1)
		}
	}
	quit(t, c)
	c = signIn(t, address)
	if got := uidls(t, c); len(got) != 3 || !strings.HasPrefix(got[0], "00000003") {
		t.Errorf("shown are %v, want the last three", got)
	}
	quit(t, c)
	left := map[string]int{"expunge": 3, "trash": 3, "hide": 5}[onDelete]
	if n := len(inbox.Messages()); n != left {
		t.Errorf("%d messages are left upstream, want %d", n, left)
	}
	wantSettled(t, s, onDelete)
}

// kill runs a victim.
func kill(t *testing.T, after, imap, state, onDelete string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, os.Args[0])
	cmd.Env = append(os.Environ(), victimCrash+"="+after, victimIMAP+"="+imap, victimState+"="+state, victimDelete+"="+onDelete)
	if out, err := cmd.CombinedOutput(); err == nil || strings.Contains(string(out), "lived") {
		t.Fatalf("the victim was not killed: %v %s", err, out)
	}
}

// TestKilledWhileReclaiming: whatever the step, only what was retrieved is gone,
// nothing more goes for the same shortage, and the notice is the one that the
// killed session listed.
func TestKilledWhileReclaiming(t *testing.T) {
	for after, left := range map[string]int{"intended": 5, "applied": 4, "concluded": 4} {
		t.Run(after, func(t *testing.T) {
			imap := memimap.New()
			imap.InsecureAuth, imap.Has = true, []string{"QUOTA"}
			account := imap.AddUser(user, secret.New(password))
			for i := range 5 {
				weigh(account, 10, time.Now().Add(time.Duration(i-100)*time.Hour))
			}
			account.SetQuota("User quota", 90<<10) // of which 45 may be in use
			imapAddress := serve(t, imap.Serve, func() { imap.Close() })
			state := filepath.Join(t.TempDir(), "state.db")
			kill(t, after, imapAddress, state, reclaiming)
			s, err := store.Open(state, false)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { s.Close() })
			key := store.ViewKey{Maildrop: "test\n" + user}
			v, err := s.View(t.Context(), key)
			if err != nil || v.Notice.Begun == 0 || v.Reclaimed.At == 0 {
				t.Fatalf("%v, %+v", err, v)
			}
			p := victimPolicy(reclaiming)
			address := front(t, remembering(bridgeTo(t, imapAddress), s, &p))
			for range 2 {
				c := signIn(t, address)
				_, text, number := warning(t, c)
				for n := range number - 1 {
					retrieve(t, c, n+1)
				}
				if text != v.Notice.Text {
					t.Errorf("the notice is\n%s\nand was\n%s", text, v.Notice.Text)
				}
				quit(t, c)
			}
			quit(t, signIn(t, address))
			inbox := account.Mailbox("INBOX").Messages()
			if len(inbox) != left || left == 4 && inbox[0].UID != 2 {
				t.Errorf("%d messages are left, want %d", len(inbox), left)
			}
			if v, err := s.View(t.Context(), key); err != nil || len(v.Intents) != 0 {
				t.Errorf("%v, %d intents are open", err, len(v.Intents))
			}
		})
	}
}

// wantSettled: no intent is open, and the state says of both messages that they
// were deleted.
func wantSettled(t *testing.T, s store.Store, onDelete string) {
	t.Helper()
	v, err := s.View(t.Context(), store.ViewKey{Maildrop: "test\n" + user})
	if err != nil || len(v.Intents) != 0 || len(v.Folders) != 1 {
		t.Fatalf("%v, %+v", err, v)
	}
	deleted := func(key uint64) bool {
		return slices.ContainsFunc(v.Folders[0].Memories, func(m store.Memory) bool {
			return m.Key == key && m.Deleted != 0 && (m.Removed != 0) == (onDelete != "hide")
		})
	}
	if !deleted(1) || !deleted(2) {
		t.Errorf("remembered is %+v", v.Folders[0].Memories)
	}
}
