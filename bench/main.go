// Command bench measures Restante beside other POP3 servers over the same
// mailboxes of the same Dovecot, in one run on one machine, and prints ratios.
// It starts all servers itself, on loopback, and stops them.
//
// It is no load test of anything else: what it measures are the subjects in
// subjects.go, by the rows in rows.go and its neighbours. New servers and new
// rows are one element each there.
package main

import (
	"errors"
	"flag"
	"fmt"
	"math"
	"os"
	"os/signal"
	"slices"
	"time"
)

func main() {
	rounds := flag.Int("rounds", 9, "how often everything is measured; what is slow only once")
	words := flag.String("rows", "", "measure only rows whose names begin with one of these words, with commas between")
	auditing := flag.Bool("audit", false, "measure what auditing costs, and nothing else")
	write := flag.String("write", "", "file whose table is to be replaced")
	flag.Parse()
	if *rounds < 1 || flag.NArg() > 0 {
		flag.Usage()
		os.Exit(2)
	}
	measure := func() error { return run(*rounds, *words, *write) }
	if *auditing {
		measure = func() error { return measureAudit(*rounds) }
	}
	if err := measure(); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// run measures, and cleans up whatever happens.
func run(rounds int, words, write string) (err error) {
	s := &stage{}
	defer s.strike(&err)
	interrupted := make(chan os.Signal, 1)
	signal.Notify(interrupted, os.Interrupt)
	load := loadAverage()
	all, err := build(s, words)
	if err != nil {
		return err
	}
	for round := range rounds + 1 {
		start := time.Now()
		for _, results := range all {
			if err := results.measure(round, interrupted); err != nil {
				return err
			}
		}
		fmt.Fprintf(os.Stderr, "round %d of %d: %v\n", round, rounds, time.Since(start).Round(time.Second))
	}
	for _, results := range all {
		table := results.table() + conditions(rounds, load)
		fmt.Printf("%s:\n\n%s\n", results.name, table)
		if write != "" {
			err = errors.Join(err, replaceTable(write, results.name, table))
		}
	}
	return err
}

// build starts the servers and fills the mailboxes of the chosen rows: those over
// IMAP, and those that are passed through to POP3.
func build(s *stage, words string) (all []*results, err error) {
	users := map[string]string{hugeMaildrop.user: password, farMaildrop.user: password, farFew.user: password}
	for i := range pollClients {
		users[pollUser(i)] = password
	}
	for i := range crowdAccounts {
		users[crowdUser(i)] = password
	}
	for i := range idleSessions {
		users[idleUser(i)] = password
	}
	for _, m := range retrievals {
		users[m.user] = password
	}
	u := startUpstream(s, users)
	bridged, passed := allRows(u), passRows(u)
	rows, err := chosen(slices.Concat(bridged, passed), words)
	if err != nil {
		return nil, err
	}
	deliver(u, rows)
	if some := among(rows, bridged); len(some) > 0 {
		all = append(all, newResults("bridge", subjects(s, u), some))
	}
	if some := among(rows, passed); len(some) > 0 {
		all = append(all, newResults("proxy", passers(s, u), some))
	}
	return all, nil
}

// deliver fills the mailboxes that rows need.
func deliver(u upstream, rows []*row) {
	delivered := map[string]bool{}
	for _, r := range rows {
		for _, m := range r.needs {
			if !delivered[m.name] {
				delivered[m.name] = true
				m.deliver(u)
			}
		}
	}
}

// among are those of the chosen that belong to a table.
func among(chosen, table []*row) []*row {
	return slices.DeleteFunc(slices.Clone(chosen), func(r *row) bool { return !slices.Contains(table, r) })
}

// measure takes one round: each row on all subjects, one after the other, so
// that what else the machine does hits them alike. Round 0 does not count; it
// fills every cache there is.
func (r *results) measure(round int, interrupted <-chan os.Signal) error {
	for _, row := range r.rows {
		for i := range r.subjects {
			// Everyone goes first as often as last.
			k := (i + round) % len(r.subjects)
			figures, err := row.turn(r.subjects[k], round)
			if err != nil {
				return fmt.Errorf("%s, %s: %w", row.name, r.subjects[k].name, err)
			}
			if round > 0 {
				r.add(row, k, figures)
			}
		}
		select {
		case <-interrupted:
			return errors.New("interrupted")
		default:
		}
	}
	return nil
}

// turn measures a subject if it is its turn in this round; else all is NaN.
func (r *row) turn(s subject, round int) ([]float64, error) {
	every := r.every(s)
	if every == 1 || every > 0 && round > 0 && (round-1)%every == 0 {
		return r.measure(s)
	}
	return slices.Repeat([]float64{math.NaN()}, len(r.figures)), nil
}
