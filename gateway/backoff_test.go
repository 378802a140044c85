package gateway_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/restante-mail/restante/upstream"
)

// throttling is an upstream that has had enough as long as it says so.
type throttling struct {
	tally
	err error
}

func (s *throttling) Open(ctx context.Context, login upstream.Login) (upstream.Mailbox, error) {
	if s.err != nil {
		s.times.Add(1)
		return nil, s.err
	}
	return s.tally.Open(ctx, login)
}

// TestBackoff: an upstream that throttles is left alone for as long as it asks
// for, or longer each time if it does not say. Other accounts are not concerned.
func TestBackoff(t *testing.T) {
	server, _ := memory(t, letters(1))
	up := &throttling{tally: tally{Server: server}}
	g := over(up, nil)
	now := time.Now()
	g.Now = func() time.Time { return now }
	says := func(wait time.Duration) error {
		return &upstream.Error{Kind: upstream.Throttled, Doing: "sign in", Wait: wait, Err: errors.New("slow down")}
	}
	for i, step := range []struct {
		after time.Duration
		err   error
		asked int32
		want  string
	}{
		{0, says(0), 1, "[SYS/TEMP]"},
		{29 * time.Second, nil, 1, "[SYS/TEMP]"}, // it would let us in, but is not asked
		{time.Second, says(0), 2, "[SYS/TEMP]"},
		{59 * time.Second, nil, 2, "[SYS/TEMP]"},
		{time.Second, says(5 * time.Minute), 3, "[SYS/TEMP]"},
		{5*time.Minute - 1, nil, 3, "[SYS/TEMP]"},
		{1, says(24 * time.Hour), 4, "[SYS/TEMP]"},
		{15*time.Minute - 1, nil, 4, "[SYS/TEMP]"},
		{1, nil, 5, ""},
		{0, says(0), 6, "[SYS/TEMP]"}, // all is forgiven
		{30 * time.Second, nil, 7, ""},
		{0, &upstream.Error{Kind: upstream.Unavailable, Doing: "sign in", Err: errors.New("out of order")}, 8, "[SYS/TEMP]"},
		{0, nil, 9, ""},
	} {
		now, up.err = now.Add(step.after), step.err
		err := comes(t, g, "192.0.2.1", password)
		if (err == nil) != (step.want == "") || err != nil && !strings.Contains(err.Error(), step.want) {
			t.Errorf("step %d: %v", i, err)
		}
		if got := up.times.Load(); got != step.asked {
			t.Errorf("step %d: asked %d times, want %d", i, got, step.asked)
		}
	}
}
