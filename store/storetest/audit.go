package storetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/restante-mail/restante/store"
)

func auditLines(t *testing.T, ctx context.Context, s store.Store) {
	if last, err := s.LastAudit(ctx); last != nil || err != nil {
		t.Fatalf("of an empty store: %q, %v", last, err)
	}
	if first, last, err := s.OldAudit(ctx, 1000); first != 0 || last != 0 || err != nil {
		t.Fatalf("OldAudit of an empty store: %d, %d, %v", first, last, err)
	}
	var lines []store.AuditLine
	for i := range 5000 {
		kind := "retrieval"
		if i%1000 == 999 {
			kind = "checkpoint"
		}
		lines = append(lines, store.AuditLine{Chain: "c", Seq: uint64(i + 1), Time: int64(i), Kind: kind, Base: "alice", Line: fmt.Append(nil, i)})
	}
	if err := s.AppendAudit(ctx, lines); err != nil {
		t.Fatal(err)
	}
	wantAudit(t, ctx, s, 4500, 1, 3999)
	if err := s.PruneAudit(ctx, 3999); err != nil {
		t.Fatal(err)
	}
	wantAudit(t, ctx, s, 4500, 0, 0) // a checkpoint is first now
	wantAudit(t, ctx, s, 10_000, 4000, 4999)
	if last, err := s.LastAudit(ctx); !bytes.Equal(last, []byte("4999")) || err != nil {
		t.Errorf("last line: %q, %v", last, err)
	}
	gone, cancel := context.WithCancel(ctx)
	cancel()
	if err := s.AppendAudit(gone, lines); !errors.Is(err, context.Canceled) {
		t.Errorf("AppendAudit: %v; want context.Canceled", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	_, last := s.LastAudit(ctx)
	_, _, old := s.OldAudit(ctx, 1)
	for name, err := range map[string]error{"LastAudit": last, "OldAudit": old, "AppendAudit": s.AppendAudit(ctx, lines), "PruneAudit": s.PruneAudit(ctx, 1)} {
		if !errors.Is(err, store.ErrClosed) {
			t.Errorf("%s: %v; want ErrClosed", name, err)
		}
	}
}

func wantAudit(t *testing.T, ctx context.Context, s store.Store, before int64, first, last uint64) {
	t.Helper()
	gotFirst, gotLast, err := s.OldAudit(ctx, before)
	if err != nil || gotFirst != first || gotLast != last {
		t.Fatalf("OldAudit of %d: %d, %d, %v; want %d, %d", before, gotFirst, gotLast, err, first, last)
	}
}
