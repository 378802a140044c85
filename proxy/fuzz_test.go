package proxy

import (
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/restante-mail/restante/upstream"
)

// FuzzUpstream has a server answer whatever it likes. A visit must come to an
// end, and nothing is said to be done to which the server has not said +OK.
func FuzzUpstream(f *testing.F) {
	for _, seed := range []string{
		"", "+OK [XCLIENT]\r\n", "\x01\x01\x01\x01+OK 3 17\r\n", "\x01\x01\x01\x01\x01+OK\r\n1 5\r\n2 x\r\n.\r\n\x01+OK\r\n1 a\r\n2 a\r\n.\r\n",
		"\x01\x01\x01\x01\x01\x01-ERR\r\n", "\x01\x01\x01\x01\x01\x01\x01+OK\r\n.\r\n.\r\n", "\x01\x01\x01\x01\x01\x01\x01+OK\r\nhalf",
		"\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01-ERR\r\n",
	} {
		f.Add(seed, true)
		f.Add(seed, false)
	}
	f.Fuzz(func(t *testing.T, said string, neutral bool) {
		server := newFake(t, "one\r\n", "two\r\n", "three\r\n")
		var mu sync.Mutex
		left, quit := strings.Split(said, "\x01"), ""
		server.does(func(_ int, command string) string {
			mu.Lock()
			defer mu.Unlock()
			answer := ""
			if len(left) > 0 {
				answer, left = left[0], left[1:]
			}
			if command == "QUIT" {
				quit = answer
			}
			return answer
		})
		u := server.upstream(t)
		u.options.Neutral, u.options.ReplyTimeout, u.options.ListTimeout = &neutral, 50*time.Millisecond, 50*time.Millisecond
		u.options.DialTimeout = time.Second
		opened, err := u.Open(t.Context(), alice)
		if err != nil {
			return
		}
		m := opened.(*Mailbox)
		defer func() { _ = m.Close() }()
		_, _, _, _ = m.Count(t.Context())
		list, err := m.Messages(t.Context())
		if err != nil {
			return
		}
		m.Expect(list)
		for i := range min(len(list), 5) {
			_, _ = m.text(t.Context(), list[i].ID)
			if body, err := m.Open(t.Context(), list[i].ID, upstream.Part{}); err == nil {
				_ = body.Close()
			}
		}
		results := m.Apply(t.Context(), expunge(1))
		mu.Lock()
		defer mu.Unlock()
		if results[0].Err == nil && quit != "" && !strings.HasPrefix(quit, "+OK") {
			t.Errorf("the answer to QUIT was %q", quit)
		}
	})
}
