package storetest

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/restante-mail/restante/store"
)

func bans(t *testing.T, ctx context.Context, s store.Store) {
	put := func(b store.Ban) {
		t.Helper()
		if err := s.PutBan(ctx, b); err != nil {
			t.Fatalf("PutBan: %v", err)
		}
	}
	want := func(all ...store.Ban) {
		t.Helper()
		if got, err := s.ListBans(ctx); err != nil || !slices.Equal(got, all) {
			t.Fatalf("ListBans: %+v, %v; want %+v", got, err, all)
		}
	}
	want()
	const day = 24 * 60 * 60
	one := store.Ban{Network: "192.0.2.1/32", Since: 1000, Until: 4600, Times: 1, Reason: "20 failed sign-ins"}
	two := store.Ban{Network: "2001:db8::/64", Since: 1000, Until: 4600, Times: 1, Reason: "21 failed sign-ins"}
	put(one)
	put(two)
	want(one, two)
	one.Since, one.Until, one.Times = 5000, 12200, 2
	put(one)
	want(one, two)
	if b, found, err := s.Ban(ctx, two.Network); err != nil || !found || b != two {
		t.Errorf("Ban: %+v, %v, %v", b, found, err)
	}
	if b, found, err := s.Ban(ctx, "198.51.100.1/32"); err != nil || found {
		t.Errorf("Ban of another network: %+v, %v, %v", b, found, err)
	}
	late := store.Ban{Network: "203.0.113.1/32", Since: 4600 + 7*day + 1, Until: 9 * day, Times: 1}
	put(late) // a week after two has ended
	want(one, late)
	if err := s.PutBan(ctx, store.Ban{Network: strings.Repeat("x", store.MaxKey+1)}); err == nil {
		t.Error("a network of any length is taken")
	}
}
