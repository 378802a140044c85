// Command bench measures Restante beside other POP3 servers over the same
// mailboxes of the same Dovecot, in one run on one machine, and prints ratios.
// It starts all servers itself, on loopback, and stops them.
//
// It is no load test of anything else: what it measures are the subjects in
// subjects.go, by the rows in rows.go. New servers and new rows are one
// element each there.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
)

func main() {
	rounds := flag.Int("rounds", 9, "how often everything is measured")
	write := flag.String("write", "", "file whose table is to be replaced")
	flag.Parse()
	if *rounds < 1 || flag.NArg() > 0 {
		flag.Usage()
		os.Exit(2)
	}
	if err := run(*rounds, *write); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// run measures, and cleans up whatever happens.
func run(rounds int, write string) (err error) {
	s := &stage{}
	defer s.strike(&err)
	interrupted := make(chan os.Signal, 1)
	signal.Notify(interrupted, os.Interrupt)
	load := loadAverage()
	subjects, rows := build(s)
	// A first round, which does not count, fills every cache there is.
	if err := measure(newResults(subjects, rows), 0, interrupted); err != nil {
		return err
	}
	results := newResults(subjects, rows)
	for round := range rounds {
		if err := measure(results, round, interrupted); err != nil {
			return err
		}
		fmt.Fprintf(os.Stderr, "round %d of %d\n", round+1, rounds)
	}
	table := results.table() + conditions(rounds, load)
	fmt.Print(table)
	if write != "" {
		return replaceTable(write, table)
	}
	return nil
}

// measure takes one round: each row on all subjects, one after the other, so
// that what else the machine does hits them alike.
func measure(r *results, round int, interrupted <-chan os.Signal) error {
	for _, row := range r.rows {
		for i := range r.subjects {
			// Everyone goes first as often as last.
			k := (i + round) % len(r.subjects)
			figures, err := row.measure(r.subjects[k])
			if err != nil {
				return fmt.Errorf("%s, %s: %w", row.name, r.subjects[k].name, err)
			}
			r.add(row, k, figures)
		}
		select {
		case <-interrupted:
			return errors.New("interrupted")
		default:
		}
	}
	return nil
}
