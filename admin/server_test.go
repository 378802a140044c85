package admin

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// A process that a test plays.
type played struct {
	mu       sync.Mutex
	sessions []Session
	kicked   []string // "ID by WHO"
	err      error    // of its one upstream
}

func (p *played) process() Process {
	return Process{
		Sessions: func() []Session {
			p.mu.Lock()
			defer p.mu.Unlock()
			return slices.Clone(p.sessions)
		},
		Kick: func(s Session, by string) bool {
			p.mu.Lock()
			defer p.mu.Unlock()
			p.kicked = append(p.kicked, s.ID+" by "+by)
			return s.State != stateUpdate
		},
		Status: func() Status {
			return Status{Version: "1", Listeners: []Listener{{Name: "main"}}, Upstreams: []Upstream{{Name: "u", InUse: 2, Wasted: 7}},
				State: &State{Path: "s.db", Octets: 9}, Certificates: []Certificate{{"c.pem", time.Unix(4e9, 0)}}, Sinks: []Sink{{Name: "file", Dropped: 1}}}
		},
		Checks: func() []Check { return []Check{check(CheckUpstream, "u", p.err)} },
	}
}

func three() []Session {
	return []Session{
		{ID: "1", User: "alice", State: "transaction", Listener: "main"},
		{ID: "2", User: "Alice+printer", Base: "Alice", Account: "al@example.com", View: "printer", State: stateUpdate, Listener: "main"},
		{ID: "3", User: "bob", Account: "robert", State: "transaction", Listener: "main"},
		{ID: "4", State: stateAuthorization, Listener: "main"},
	}
}

func served(t *testing.T, p *played) (*Server, *Client) {
	t.Helper()
	path := socketIn(t)
	s := NewServer(p.process())
	door := s.ServeSocket(listen(t, path))
	t.Cleanup(func() {
		if err := door.Close(); err != nil {
			t.Error(err)
		}
	})
	return s, NewClient(path)
}

func TestSessionsAndKick(t *testing.T) {
	p := &played{sessions: three()}
	_, c := served(t, p)
	all, err := c.Sessions(t.Context())
	if err != nil || len(all) != 4 || all[1].View != "printer" {
		t.Fatalf("%+v, %v", all, err)
	}
	tests := []struct {
		which            KickRequest
		ended, finishing []string
	}{
		{KickRequest{ID: "3"}, []string{"3"}, nil},
		{KickRequest{ID: "33"}, nil, nil},
		{KickRequest{User: "ALICE"}, []string{"1"}, []string{"2"}},
		{KickRequest{User: "robert"}, []string{"3"}, nil},
	}
	for _, test := range tests {
		k, err := c.Kick(t.Context(), test.which)
		if err != nil || !slices.Equal(ids(k.Ended), test.ended) || !slices.Equal(ids(k.Finishing), test.finishing) {
			t.Errorf("%+v: %+v, %v", test.which, k, err)
		}
	}
	for _, one := range p.kicked {
		if strings.HasSuffix(one, "by unknown") || strings.HasSuffix(one, "by ") {
			t.Errorf("nobody knows who ended %s", one)
		}
	}
}

func ids(all []Session) (list []string) {
	for _, s := range all {
		list = append(list, s.ID)
	}
	return list
}

func TestKickNobodyInParticular(t *testing.T) {
	p := &played{sessions: three()}
	_, c := served(t, p)
	for _, which := range []KickRequest{{}, {ID: "1", User: "alice"}, {User: strings.Repeat("x", maxBody)}} {
		if _, err := c.Kick(t.Context(), which); err == nil {
			t.Errorf("%.40v: no error", which)
		}
	}
	if len(p.kicked) > 0 {
		t.Errorf("kicked %q", p.kicked)
	}
}

func TestStatus(t *testing.T) {
	p := &played{sessions: three(), err: errors.New("connection refused")}
	_, c := served(t, p)
	s, err := c.Status(t.Context())
	if err != nil || s.Connections != 4 || s.SignedIn != 3 || len(s.Problems) != 2 || s.Checked.IsZero() {
		t.Errorf("%+v, %v", s, err)
	}
	if f, ok := s.Finding(CheckUpstream, "u"); !ok || f.Error != "connection refused" {
		t.Errorf("%+v", f)
	}
}

func TestClientSaysWhatToDo(t *testing.T) {
	path := socketIn(t)
	if _, err := NewClient(path).Sessions(t.Context()); err == nil || !strings.Contains(err.Error(), "Restante does not run") {
		t.Errorf("no socket: %v", err)
	}
	dead, err := net.ListenUnix("unix", &net.UnixAddr{Name: path})
	if err != nil {
		t.Fatal(err)
	}
	dead.SetUnlinkOnClose(false)
	_ = dead.Close()
	if _, err := NewClient(path).Sessions(t.Context()); err == nil || !strings.Contains(err.Error(), "does not run any more") {
		t.Errorf("a dead socket: %v", err)
	}
}

// get asks over TCP.
func get(t *testing.T, url string) (status int, text string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	answer, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, string(body)
}

func TestWeb(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &played{sessions: three(), err: errors.New("10.0.0.1 refused")}
	s := NewServer(p.process())
	door := s.ServeWeb(l)
	defer door.Close()
	url := "http://" + l.Addr().String()
	expect := func(path string, want int, part string) {
		t.Helper()
		if status, text := get(t, url+path); status != want || !strings.Contains(text, part) {
			t.Errorf("%s: %d %.300s; want %d %s", path, status, text, want, part)
		}
	}
	expect("/healthz", 200, "ok")
	expect("/readyz", 503, "not ready\nupstream u does not work\n")
	expect("/metrics", 404, "")
	expect("/debug/pprof/", 404, "")
	for _, local := range []string{pathSessions, pathStatus} {
		expect(local, 404, "") // names of users are for the socket alone
	}
	s.Count("9.9")
	door.SetProfiles(true)
	expect("/metrics", 200, `restante_build_info{goversion="`)
	expect("/metrics", 200, `restante_connections{listener="main",state="transaction"} 2`)
	expect("/debug/pprof/", 200, "goroutine")
	if _, text := get(t, url+"/readyz"); strings.Contains(text, "10.0.0.1") {
		t.Errorf("strangers hear addresses: %s", text)
	}
}

// More connections than there is room for wait, and are served.
func TestBoundedConnections(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	b := newBounded(l, 1)
	defer b.Close()
	for range 2 {
		c, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
	}
	first, err := b.Accept()
	if err != nil {
		t.Fatal(err)
	}
	second := make(chan net.Conn)
	go func() {
		c, err := b.Accept()
		if err != nil {
			t.Error(err)
		}
		second <- c
	}()
	_ = first.Close()
	_ = first.Close() // makes room once
	c := <-second
	defer c.Close()
	if len(b.room) != 1 {
		t.Errorf("%d places taken, want 1", len(b.room))
	}
}
