package audit

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"
)

// A shelf is a Table in memory.
type shelf struct {
	mu   sync.Mutex
	rows []Row
	err  error
}

func (s *shelf) Append(_ context.Context, rows []Row) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return s.err
	}
	s.rows = append(s.rows, rows...)
	return nil
}

func (s *shelf) Last(context.Context) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.rows) == 0 {
		return nil, s.err
	}
	return s.rows[len(s.rows)-1].Line, s.err
}

func (s *shelf) Old(_ context.Context, before int64) (first, last uint64, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, r := range s.rows {
		if r.Kind == kindCheckpoint && r.Time < before && i > 0 {
			first, last = s.rows[0].Seq, r.Seq-1
		}
	}
	return first, last, nil
}

func (s *shelf) Prune(_ context.Context, last uint64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.rows) > 0 && s.rows[0].Seq <= last {
		s.rows = s.rows[1:]
	}
	return nil
}

func (s *shelf) report(t *testing.T) *ChainReport {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	v := Verification{Keys: testKeys(), Whole: true}
	for _, r := range s.rows {
		if err := v.Line("table", r.Line); err != nil {
			t.Fatal(err)
		}
	}
	return wantIntact(t, v.Report())
}

func tableSettings(s *shelf) Settings {
	set := fileSettings("")
	set.Name, set.To, set.Target, set.Table = "state", ToState, "restante.db", s
	return set
}

// TestTable: rows have what they are looked for by; the chain goes on after a
// restart; an error of the table is tried again.
func TestTable(t *testing.T) {
	s := &shelf{}
	trail, seen := use(t, tableSettings(s))
	say(trail, 1, 3)
	written(t, trail, 5)
	s.mu.Lock()
	s.err = errors.New("the disk is full")
	s.mu.Unlock()
	say(trail, 4, 5)
	await(t, "it fails", func() bool { return trail.Stats()[0].Failing })
	s.mu.Lock()
	s.err = nil
	s.mu.Unlock()
	await(t, "it works again", func() bool { return !trail.Stats()[0].Failing })
	end(t, trail)
	if !seen.has("the disk is full") {
		t.Errorf("troubles: %v", seen.all)
	}
	trail, _ = use(t, tableSettings(s))
	say(trail, 6, 7)
	end(t, trail)
	if c := s.report(t); c.Unproven != 0 || !c.Stopped || c.Dropped != 0 {
		t.Errorf("%+v", c)
	}
	found := 0
	for _, r := range s.rows {
		if r.Kind == "retrieval" && r.Base == "alice" && r.Session == "5f0c2a17" && strings.HasPrefix(r.MessageID, "<") && strings.HasPrefix(r.UIDL, "uidl-") && r.Time > 1_800_000_000 {
			found++
		}
	}
	if found != 7 {
		t.Errorf("%d retrievals of 7 can be looked for", found)
	}
}

// TestTableRetention: what is old goes, up to a checkpoint, and the chain says
// so.
func TestTableRetention(t *testing.T) {
	s := &shelf{}
	set := tableSettings(s)
	for range 3 {
		trail, _ := use(t, set)
		say(trail, 1, 5)
		end(t, trail)
	}
	s.mu.Lock()
	for i := range s.rows[:12] { // of last year, as the table knows it
		s.rows[i].Time -= 365 * 24 * 60 * 60
	}
	for i := range s.rows[12:] {
		s.rows[12+i].Time = time.Now().Unix()
	}
	s.mu.Unlock()
	set.Retain = 24 * time.Hour
	trail, _ := use(t, set)
	end(t, trail)
	if c := s.report(t); c.First == 1 || c.Pruned != c.First-1 || c.Unproven != 0 {
		t.Errorf("%+v", c)
	}
}
