package audit

import (
	"context"
	"encoding/json"
	"fmt"
	"time"
)

// tableTime is how long the state file may take for one batch: more than it
// waits for another program's lock.
const tableTime = 30 * time.Second

func tableContext() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), tableTime)
}

// tableOutput is an output of lines to a Table, which makes sure of each batch
// by itself.
type tableOutput struct{ table Table }

// openTable finds where the table's chain has got to.
func openTable(t Table) (*tableOutput, *recovered, error) {
	ctx, cancel := tableContext()
	defer cancel()
	last, err := t.Last(ctx)
	if err != nil {
		return nil, nil, err
	}
	r := &recovered{whole: true}
	if last != nil {
		l, err := parseLink(last)
		if err != nil {
			return nil, nil, fmt.Errorf("the last line in the state file %w", err)
		}
		r.head, r.signed = l.head(), kindOf(last) == kindCheckpoint
	}
	return &tableOutput{t}, r, nil
}

// write implements output.
func (t *tableOutput) write(lines [][]byte) (int, error) {
	rows := make([]Row, len(lines))
	for i, line := range lines {
		row, err := rowOf(line)
		if err != nil {
			return 0, err
		}
		rows[i] = row
	}
	ctx, cancel := tableContext()
	defer cancel()
	if err := t.table.Append(ctx, rows); err != nil {
		return 0, err
	}
	return len(lines), nil
}

// rowOf reads what a line is looked for by.
func rowOf(line []byte) (Row, error) {
	l, err := parseLink(line)
	if err != nil {
		return Row{}, err
	}
	var f Fields
	if err := json.Unmarshal(line, &f); err != nil {
		return Row{}, err
	}
	return Row{Chain: l.chain, Seq: l.seq, Time: f.Time.Unix(), Kind: f.Event, Session: f.Session, Base: f.account(),
		MessageID: f.MessageID, UIDL: f.UIDL, Line: line}, nil
}

func (t *tableOutput) sync() error  { return nil }
func (t *tableOutput) close() error { return nil }
