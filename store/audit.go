package store

import (
	"context"
	"database/sql"
	"errors"
	"slices"
)

// AuditLines keep the audit trail's lines for search. What is in a line is the
// trail's affair.
type AuditLines interface {
	// AppendAudit adds lines, all or none.
	AppendAudit(ctx context.Context, lines []AuditLine) error
	// LastAudit returns the last line that was added; nil if there is none.
	LastAudit(ctx context.Context) ([]byte, error)
	// OldAudit returns the numbers of the first line, and of the last line before
	// the newest checkpoint that is older than a time in seconds since 1970; 0, 0
	// if nothing is before it.
	OldAudit(ctx context.Context, before int64) (first, last uint64, err error)
	// PruneAudit removes the lines up to a number, of the chain that the first
	// line is of.
	PruneAudit(ctx context.Context, last uint64) error
}

// An AuditLine is a line, and what it is looked for by; "" for what it has not.
type AuditLine struct {
	Chain     string
	Seq       uint64 // at most 2^63-1
	Time      int64  // seconds since 1970-01-01 UTC
	Kind      string
	Session   string
	Base      string
	MessageID string
	UIDL      string
	Line      []byte
}

// AppendAudit implements AuditLines.
func (f *file) AppendAudit(ctx context.Context, lines []AuditLine) error {
	end, err := f.begin()
	if err != nil {
		return err
	}
	defer end()
	lines = slices.Clone(lines)
	return f.writer.write(ctx, func(tx *sql.Tx, _ *shelves) error {
		add, err := tx.Prepare(`INSERT INTO audit_line (chain, seq, time, kind, session, base, message_id, uidl, line)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`)
		if err != nil {
			return err
		}
		defer add.Close()
		for _, l := range lines {
			if _, err := add.Exec(l.Chain, int64(l.Seq), l.Time, l.Kind, l.Session, l.Base, l.MessageID, l.UIDL, l.Line); err != nil {
				return err
			}
		}
		return nil
	})
}

// LastAudit implements AuditLines.
func (f *file) LastAudit(ctx context.Context) (line []byte, err error) {
	end, err := f.begin()
	if err != nil {
		return nil, err
	}
	defer end()
	err = f.reads.QueryRowContext(ctx, `SELECT line FROM audit_line ORDER BY id DESC LIMIT 1`).Scan(&line)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	return line, explain(f.path, "read the audit trail", err)
}

// OldAudit implements AuditLines.
func (f *file) OldAudit(ctx context.Context, before int64) (first, last uint64, err error) {
	end, err := f.begin()
	if err != nil {
		return 0, 0, err
	}
	defer end()
	err = f.reads.QueryRowContext(ctx, `SELECT f.seq, (SELECT coalesce(max(c.seq), 0) FROM audit_line c
			WHERE c.kind = 'checkpoint' AND c.time < ? AND c.chain = f.chain)
		FROM audit_line f ORDER BY f.id LIMIT 1`, before).Scan(&first, &last)
	if errors.Is(err, sql.ErrNoRows) || err == nil && last <= first {
		return 0, 0, nil
	}
	return first, last - 1, explain(f.path, "read the audit trail", err)
}

// pruneAtOnce is how many lines one transaction removes: others wait for it.
const pruneAtOnce = 2000

// PruneAudit implements AuditLines.
func (f *file) PruneAudit(ctx context.Context, last uint64) error {
	end, err := f.begin()
	if err != nil {
		return err
	}
	defer end()
	for {
		var removed int64
		err := f.writer.write(ctx, func(tx *sql.Tx, _ *shelves) error {
			done, err := tx.Exec(`DELETE FROM audit_line WHERE id IN (SELECT id FROM audit_line
				WHERE chain = (SELECT chain FROM audit_line ORDER BY id LIMIT 1) AND seq <= ? ORDER BY id LIMIT ?)`, int64(last), pruneAtOnce)
			if err != nil {
				return err
			}
			removed, err = done.RowsAffected()
			return err
		})
		if err != nil || removed < pruneAtOnce {
			return err
		}
	}
}

// An AuditQuery narrows a search down. What is zero or "" narrows nothing.
type AuditQuery struct {
	Since, Until             int64 // seconds; both included
	Session, MessageID, UIDL string
	Base                     string // ASCII letters count without their case
}

// SearchAudit gives each line that may be asked for to each, in the order in
// which they were written, beside the process that owns the file.
func SearchAudit(ctx context.Context, path string, q AuditQuery, each func(line []byte) error) error {
	statement, args := q.statement()
	return visitAudit(ctx, path, statement, args, func(rows *sql.Rows) error {
		var line sql.RawBytes
		if err := rows.Scan(&line); err != nil {
			return err
		}
		return each(line)
	})
}

// AuditRows gives all lines to each, with what they are looked for by, as
// SearchAudit does. The line is not kept for whoever gets it.
func AuditRows(ctx context.Context, path string, each func(AuditLine) error) error {
	const all = `SELECT chain, seq, time, kind, session, base, message_id, uidl, line FROM audit_line ORDER BY id`
	return visitAudit(ctx, path, all, nil, func(rows *sql.Rows) error {
		var l AuditLine
		var line sql.RawBytes
		if err := rows.Scan(&l.Chain, &l.Seq, &l.Time, &l.Kind, &l.Session, &l.Base, &l.MessageID, &l.UIDL, &line); err != nil {
			return err
		}
		l.Line = line
		return each(l)
	})
}

func visitAudit(ctx context.Context, path, statement string, args []any, each func(*sql.Rows) error) error {
	db, path, err := visit(ctx, path)
	if err != nil {
		return err
	}
	if err = mustBeNew(ctx, db); err == nil {
		err = eachAudit(ctx, db, statement, args, each)
	}
	return errors.Join(explain(path, "search the audit trail", err), db.Close())
}

func eachAudit(ctx context.Context, db *sql.DB, statement string, args []any, each func(*sql.Rows) error) error {
	rows, err := db.QueryContext(ctx, statement, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := each(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

func (q AuditQuery) statement() (text string, args []any) {
	text = `SELECT line FROM audit_line WHERE 1`
	where := func(condition string, wanted bool, value any) {
		if wanted {
			text += ` AND ` + condition
			args = append(args, value)
		}
	}
	where(`time >= ?`, q.Since != 0, q.Since)
	where(`time <= ?`, q.Until != 0, q.Until)
	where(`session <> '' AND session = ?`, q.Session != "", q.Session)
	where(`base <> '' AND base = ?`, q.Base != "", q.Base)
	where(`message_id <> '' AND message_id = ?`, q.MessageID != "", q.MessageID)
	where(`uidl <> '' AND uidl = ?`, q.UIDL != "", q.UIDL)
	return text + ` ORDER BY id`, args
}
