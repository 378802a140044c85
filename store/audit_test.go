package store

import (
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestSearchAudit narrows down beside the owner.
func TestSearchAudit(t *testing.T) {
	path := filepath.Join(t.TempDir(), "restante.db")
	s, err := Open(path, true)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	lines := []AuditLine{
		{Chain: "c", Seq: 1, Time: 10, Kind: "started", Line: []byte("a")},
		{Chain: "c", Seq: 2, Time: 20, Kind: "retrieval", Session: "s1", Base: "Alice", MessageID: "<1@x>", UIDL: "u1", Line: []byte("b")},
		{Chain: "c", Seq: 3, Time: 30, Kind: "retrieval", Session: "s1", Base: "alice", MessageID: "<2@x>", UIDL: "u2", Line: []byte("c")},
		{Chain: "c", Seq: 4, Time: 25, Kind: "retrieval", Session: "s2", Base: "bob", MessageID: "<1@x>", UIDL: "u1", Line: []byte("d")},
	}
	if err := s.AppendAudit(t.Context(), lines); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		query AuditQuery
		want  string
	}{
		{AuditQuery{}, "a b c d"},
		{AuditQuery{Base: "ALICE"}, "b c"},
		{AuditQuery{Session: "s1", UIDL: "u2"}, "c"},
		{AuditQuery{MessageID: "<1@x>"}, "b d"},
		{AuditQuery{Since: 20, Until: 25}, "b d"},
		{AuditQuery{Base: "nobody"}, ""},
	} {
		var got []string
		err := SearchAudit(t.Context(), path, test.query, func(line []byte) error {
			got = append(got, string(line))
			return nil
		})
		if err != nil || strings.Join(got, " ") != test.want {
			t.Errorf("%+v: %v, %v; want %s", test.query, got, err, test.want)
		}
		if plan := plan(t, s.(*file), test.query); test.query != (AuditQuery{}) && !slices.ContainsFunc(plan, func(s string) bool { return strings.Contains(s, "USING INDEX audit_") }) {
			t.Errorf("%+v reads everything: %v", test.query, plan)
		}
	}
	enough := errors.New("enough")
	if err := SearchAudit(t.Context(), path, AuditQuery{}, func([]byte) error { return enough }); !errors.Is(err, enough) {
		t.Errorf("a search that was ended: %v", err)
	}
}

func plan(t *testing.T, f *file, q AuditQuery) (steps []string) {
	t.Helper()
	statement, args := q.statement()
	rows, err := f.reads.Query(`EXPLAIN QUERY PLAN `+statement, args...)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var a, b, c int
		var step string
		if err := rows.Scan(&a, &b, &c, &step); err != nil {
			t.Fatal(err)
		}
		steps = append(steps, step)
	}
	return steps
}
