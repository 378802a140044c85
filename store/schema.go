package store

import (
	"context"
	"database/sql"
	_ "embed"
	"errors"
	"fmt"
)

// applicationID in a file's header says that it is ours: "ReSt" in ASCII.
const applicationID = 0x52655374

//go:embed schema/0001.sql
var version1 string

//go:embed schema/0002.sql
var version2 string

//go:embed schema/0003.sql
var version3 string

//go:embed schema/0004.sql
var version4 string

//go:embed schema/0005.sql
var version5 string

//go:embed schema/0006.sql
var version6 string

//go:embed schema/0007.sql
var version7 string

//go:embed schema/0008.sql
var version8 string

// schema leads from an empty file to the newest version: step i makes version
// i+1.
var schema = []string{version1, version2, version3, version4, version5, version6, version7, version8}

// errDamaged is what SQLite's own check found.
var errDamaged = errors.New("check failed")

// identify refuses a file that is not ours or that we do not understand. It
// changes nothing in it.
func identify(ctx context.Context, db *sql.DB, path string, newest int) error {
	var application, version int
	err := db.QueryRowContext(ctx, `SELECT * FROM pragma_application_id, pragma_user_version`).Scan(&application, &version)
	switch {
	case err != nil:
		return explain(path, "open", err)
	case application != applicationID:
		return fault(path, ErrNotState, nil)
	case version > newest:
		return fault(path, ErrNewer, fmt.Errorf("schema version %d; this program knows %d", version, newest))
	}
	return nil
}

// check looks for damage in the structure of the whole file: a third of a
// second for a gigabyte that is in the page cache.
func check(ctx context.Context, db *sql.DB, path string) error {
	var verdict string
	err := db.QueryRowContext(ctx, `PRAGMA quick_check(1)`).Scan(&verdict)
	if err == nil && verdict != "ok" {
		err = fmt.Errorf("%w: %s", errDamaged, verdict)
	}
	return explain(path, "check", err)
}

// migrate makes the steps that the file has not had, all or none.
func migrate(ctx context.Context, db *sql.DB, steps []string) error {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }() // nothing to do after Commit
	var version int
	if err := tx.QueryRow(`PRAGMA user_version`).Scan(&version); err != nil {
		return err
	}
	for ; version < len(steps); version++ {
		if _, err := tx.Exec(steps[version]); err != nil {
			return fmt.Errorf("to version %d: %w", version+1, err)
		}
		if _, err := tx.Exec(fmt.Sprintf(`PRAGMA user_version = %d`, version+1)); err != nil {
			return err
		}
	}
	return tx.Commit()
}
