package store

import (
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// A file of version 1, as the first release makes it, is read by this one, and
// has the same tables as a new file then.
func TestFromVersion1(t *testing.T) {
	path := filepath.Join(t.TempDir(), "restante.db")
	frozen, err := os.ReadFile("testdata/version1.sql")
	if err != nil {
		t.Fatal(err)
	}
	edit(t, path, string(frozen))
	f := reopen(t, path)
	sizes, err := f.Sizes(bounded(t), FolderKey{Maildrop: "main alice", Folder: "INBOX", UIDValidity: 7})
	if err != nil || len(sizes) != 3 || sizes[1] != 100 || sizes[255] != 70000 || sizes[256] != 5 {
		t.Errorf("Sizes: %v, %v", sizes, err)
	}
	if blob, err := f.Listing(bounded(t), "main alice INBOX"); err != nil || string(blob) != "\x00listing\xff" {
		t.Errorf("Listing: %q, %v", blob, err)
	}
	info, err := f.Info(bounded(t))
	if err != nil || info.Created.Unix() != 1795000000 || info.Schema != len(schema) {
		t.Errorf("Info: %+v, %v", info, err)
	}
	if got, want := tables(t, f.reads), tables(t, fresh(t).reads); !slices.Equal(got, want) {
		t.Errorf("tables: %q; a new file has %q", got, want)
	}
	wantSums(t, f)
}

func tables(t *testing.T, db *sql.DB) (all []string) {
	t.Helper()
	rows, err := db.Query(`SELECT name || ': ' || coalesce(sql, '') FROM sqlite_schema ORDER BY name`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var table string
		if err := rows.Scan(&table); err != nil {
			t.Fatal(err)
		}
		all = append(all, table)
	}
	return all
}

// An older file takes every step that it lacks, in order, at once or not at
// all; the version tells which it has.
func TestMigrate(t *testing.T) {
	path := closedFile(t)
	o := defaults
	o.schema = append(slices.Clone(schema), `CREATE TABLE two (n); INSERT INTO two VALUES (2)`, `UPDATE two SET n = n + 1; NONSENSE`)
	if _, err := open(path, false, o); err == nil {
		t.Fatal("a broken step passed")
	}
	if info, err := Inspect(bounded(t), path); err != nil || info.Schema != len(schema) {
		t.Errorf("after a step that failed: %+v, %v; want the version of before", info, err)
	}
	f := reopen(t, path)
	wantRemembered(t, f, "a", 1000)
	closeFile(t, f)

	o.schema[len(schema)+1] = `UPDATE two SET n = n + 1`
	for range 2 { // the second time there is nothing to do
		f, err := open(path, false, o)
		if err != nil {
			t.Fatal(err)
		}
		var n, version int
		err = f.reads.QueryRow(`SELECT n, user_version FROM two, pragma_user_version`).Scan(&n, &version)
		if err != nil || n != 3 || version != len(schema)+2 {
			t.Errorf("n = %d, version %d, %v; want 3 and the newest", n, version, err)
		}
		wantRemembered(t, f, "a", 1000)
		closeFile(t, f)
	}
	if _, err := Open(path, false); !errors.Is(err, ErrNewer) {
		t.Errorf("the program of before: %v; want ErrNewer", err)
	}
}
