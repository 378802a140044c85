package store

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"testing"
)

var aliceView = ViewKey{Maildrop: "main\nalice"}

func mustView(t *testing.T, f *file, key ViewKey) View {
	t.Helper()
	v, err := f.View(bounded(t), key)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func keep(t *testing.T, f *file, c Changes) {
	t.Helper()
	if err := f.Remember(bounded(t), aliceView, c); err != nil {
		t.Fatal(err)
	}
}

// What an administrator changes beside the owner is there at the owner's next
// look, and its own writes go on.
func TestBesideTheOwner(t *testing.T) {
	f := fresh(t)
	ctx := bounded(t)
	keep(t, f, Changes{At: 1, Folders: []ViewFolder{{Name: "INBOX", UIDValidity: 7}}})
	for _, held := range []bool{true, true, false, false} {
		if err := Hold(ctx, f.path, aliceView.Maildrop, held); err != nil {
			t.Fatal(err)
		}
		if got := mustView(t, f, aliceView).Held; got != held {
			t.Errorf("held: %v, want %v", got, held)
		}
	}
	for _, at := range []int64{5, 6} {
		if err := Approve(ctx, f.path, []string{"one", "two"}, at); err != nil {
			t.Fatal(err)
		}
		want := map[string]int64{"one": at, "two": at}
		if got, err := f.Approvals(ctx); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("approvals: %v, %v; want %v", got, err, want)
		}
	}
	v, approved, err := Look(ctx, f.path, aliceView)
	if err != nil || !reflect.DeepEqual(v, mustView(t, f, aliceView)) || len(approved) != 2 {
		t.Errorf("Look: %+v, %v, %v", v, approved, err)
	}
	keep(t, f, Changes{At: 2})
	if n, err := Forget(ctx, f.path, aliceView.Maildrop); n != 1 || err != nil {
		t.Errorf("Forget: %d, %v", n, err)
	}
	if got := mustView(t, f, aliceView); !reflect.DeepEqual(got, View{}) {
		t.Errorf("after Forget: %+v", got)
	}
	keep(t, f, Changes{At: 3})
}

func TestUndelete(t *testing.T) {
	f := fresh(t)
	deed := func(key uint64, do string, to Place) Deed {
		return Deed{Folder: "INBOX", UIDValidity: 7, Key: key, Do: do, To: to}
	}
	trash := Place{Folder: "Trash", UIDValidity: 1, UID: 50}
	deeds := []Deed{deed(1, "hide", Place{}), deed(2, "move", trash), deed(3, "move", Place{}), deed(4, "expunge", Place{}), deed(5, "seen", Place{})}
	keep(t, f, Changes{At: 1, Undo: deeds, Folders: []ViewFolder{{Name: "INBOX", UIDValidity: 7, Memories: []Memory{
		{Key: 1, First: 1, Last: 1, Deleted: 1, Hidden: 1, Wish: "expunge"}, {Key: 9, Hidden: 1}}}}})
	u, err := Undelete(bounded(t), f.path, aliceView)
	want := Undone{Shown: deeds[:1], Returning: deeds[1:2], Elsewhere: deeds[2:3], Lost: deeds[3:4]}
	if err != nil || !reflect.DeepEqual(u, want) {
		t.Errorf("Undelete: %v\ngot  %+v\nwant %+v", err, u, want)
	}
	v := mustView(t, f, aliceView)
	if !reflect.DeepEqual(v.Folders[0].Memories, []Memory{{Key: 1, Lives: 1}, {Key: 9, Hidden: 1}}) || !reflect.DeepEqual(v.Back, deeds[1:2]) || v.Undo != nil {
		t.Errorf("afterwards: %+v", v)
	}
	if again, err := Undelete(bounded(t), f.path, aliceView); err != nil || again.Shown != nil || again.Lost != nil || len(again.Returning) != 1 {
		t.Errorf("a second time: %+v, %v; want what still waits", again, err)
	}
	keep(t, f, Changes{At: 2, Returned: true})
	if v := mustView(t, f, aliceView); v.Back != nil {
		t.Errorf("returned, and still to be moved back: %+v", v.Back)
	}
	if u, err := Undelete(bounded(t), f.path, ViewKey{Maildrop: "nobody"}); err != nil || !reflect.DeepEqual(u, Undone{}) {
		t.Errorf("a view nobody knows: %+v, %v", u, err)
	}
}

// What was hidden may have left since then, for another view or by another hand.
func TestUndeleteWhatHasLeft(t *testing.T) {
	f := fresh(t)
	hide := func(key uint64) Deed { return Deed{Folder: "INBOX", UIDValidity: 7, Key: key, Do: "hide"} }
	inbox := func(memories ...Memory) []ViewFolder {
		return []ViewFolder{{Name: "INBOX", UIDValidity: 7, Memories: memories}, {Name: "INBOX", UIDValidity: 6, Memories: []Memory{{Key: 1, Removed: 1}}}}
	}
	keep(t, f, Changes{At: 1, Undo: []Deed{hide(1), hide(2), hide(3), hide(4), hide(5)}, Folders: inbox(
		Memory{Key: 1, Hidden: 1}, Memory{Key: 2, Hidden: 1}, Memory{Key: 3, Hidden: 1}, Memory{Key: 4, Hidden: 1, Absent: 3}, Memory{Key: 5, Hidden: 5})})
	trash := Place{Folder: "Trash", UIDValidity: 1, UID: 50}
	printer := ViewKey{Maildrop: aliceView.Maildrop, View: "printer"}
	other := Changes{At: 2, Folders: inbox(Memory{Key: 2, Removed: 2}, Memory{Key: 3, Removed: 2, Moved: trash}, Memory{Key: 5, Absent: 4})}
	if err := f.Remember(bounded(t), printer, other); err != nil {
		t.Fatal(err)
	}
	u, err := Undelete(bounded(t), f.path, aliceView)
	moved := hide(3)
	moved.Do, moved.Target, moved.To = "move", "Trash", trash
	want := Undone{Shown: []Deed{hide(1), hide(5)}, Returning: []Deed{moved}, Lost: []Deed{hide(2), hide(4)}}
	if err != nil || !reflect.DeepEqual(u, want) {
		t.Errorf("Undelete: %v\ngot  %+v\nwant %+v", err, u, want)
	}
	if v := mustView(t, f, aliceView); !reflect.DeepEqual(v.Back, []Deed{moved}) {
		t.Errorf("to be moved back: %+v", v.Back)
	}
}

// A file that its owner has not brought up to date is told apart, and left as
// it is.
func TestBesideAnOlderFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "restante.db")
	frozen, err := os.ReadFile("testdata/version1.sql")
	if err != nil {
		t.Fatal(err)
	}
	edit(t, path, string(frozen))
	ctx := bounded(t)
	_, _, look := Look(ctx, path, aliceView)
	for name, err := range map[string]error{"look": look, "approve": Approve(ctx, path, []string{"x"}, 1), "hold": Hold(ctx, path, "x", true)} {
		if !errors.Is(err, ErrOlder) {
			t.Errorf("%s: %v; want ErrOlder", name, err)
		}
	}
	if info, err := Inspect(ctx, path); err != nil || info.Schema != 1 || info.Folders != 1 {
		t.Errorf("Inspect: %+v, %v", info, err)
	}
	if err := Hold(ctx, filepath.Join(t.TempDir(), "none"), "x", true); !errors.Is(err, ErrMissing) {
		t.Errorf("no file: %v; want ErrMissing", err)
	}
}

// One damaged octet in what is remembered is an error, never an empty memory.
func TestDamagedMemories(t *testing.T) {
	f := fresh(t)
	keep(t, f, Changes{At: 1, Folders: []ViewFolder{{Name: "INBOX", UIDValidity: 7, Memories: []Memory{{Key: 1, Hidden: 1795000000}}}}})
	if _, err := f.writer.db.Exec(`UPDATE memory_block SET memories = x'01080000000000'`); err != nil {
		t.Fatal(err)
	}
	if _, err := f.View(bounded(t), aliceView); !errors.Is(err, ErrCorrupt) {
		t.Errorf("View: %v; want ErrCorrupt", err)
	}
	err := f.Remember(context.Background(), aliceView, Changes{At: 1, Folders: []ViewFolder{{Name: "INBOX", UIDValidity: 7, Memories: []Memory{{Key: 2}}}}})
	if !errors.Is(err, ErrCorrupt) {
		t.Errorf("Remember: %v; want ErrCorrupt", err)
	}
}

// decodeMemories takes nothing for what it is not.
func FuzzMemories(f *testing.F) {
	f.Add(encodeMemories([]Memory{{Key: 3, Hidden: 4, Wish: "x"}, {Key: 1 << 40, First: 1, Last: 2}}))
	f.Fuzz(func(t *testing.T, b []byte) {
		list, err := decodeMemories(nil, b)
		if err != nil {
			return
		}
		again, err := decodeMemories(nil, encodeMemories(list))
		if err != nil || len(again) != len(list) || len(list) > 0 && !reflect.DeepEqual(again, list) {
			t.Errorf("%v, %+v; want %+v", err, again, list)
		}
	})
}

func BenchmarkView50000(b *testing.B) {
	f := fresh(b)
	folder := ViewFolder{Name: "INBOX", UIDValidity: 7}
	for i := range uint64(50_000) {
		folder.Memories = append(folder.Memories, Memory{Key: i + 1, First: 1_795_000_000, Last: 1_795_000_000, Deleted: 1_795_000_000, Hidden: 1_795_000_000})
	}
	if err := f.Remember(bounded(b), aliceView, Changes{At: 1, Folders: []ViewFolder{folder}}); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := f.View(bounded(b), aliceView); err != nil {
			b.Fatal(err)
		}
	}
}

// TestLift: a ban is lifted beside the owner.
func TestLift(t *testing.T) {
	f := fresh(t)
	ctx := bounded(t)
	want := Ban{Network: "192.0.2.1/32", Since: 1, Until: 2, Times: 1, Reason: "20 failed sign-ins"}
	if err := f.PutBan(ctx, want); err != nil {
		t.Fatal(err)
	}
	if all, err := LookAtBans(ctx, f.path); err != nil || len(all) != 1 || all[0] != want {
		t.Errorf("%+v, %v", all, err)
	}
	for _, there := range []bool{true, false} {
		if found, err := Lift(ctx, f.path, want.Network); err != nil || found != there {
			t.Errorf("Lift: %v, %v; want %v", found, err, there)
		}
	}
	if _, found, err := f.Ban(ctx, want.Network); err != nil || found {
		t.Errorf("still there: %v, %v", found, err)
	}
}
