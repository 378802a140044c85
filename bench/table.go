package main

import (
	"fmt"
	"math"
	"os"
	"os/exec"
	"runtime"
	"strings"
)

// results are all figures of all rounds: by row, subject and figure.
type results struct {
	name     string // of the table
	subjects []subject
	rows     []*row
	values   map[*row][][][]float64
}

func newResults(name string, subjects []subject, rows []*row) *results {
	r := &results{name, subjects, rows, map[*row][][][]float64{}}
	for _, row := range rows {
		r.values[row] = make([][][]float64, len(subjects))
		for i := range subjects {
			r.values[row][i] = make([][]float64, len(row.figures))
		}
	}
	return r
}

func (r *results) add(row *row, subject int, figures []float64) {
	for i, f := range figures {
		r.values[row][subject][i] = append(r.values[row][subject][i], f)
	}
}

// table is in Markdown: medians, the last subject's ratios to the others, and
// what of its goals is met.
func (r *results) table() string {
	others := r.subjects[:len(r.subjects)-1]
	ours := r.subjects[len(others)].name
	var b strings.Builder
	b.WriteString("| |")
	for _, s := range r.subjects {
		fmt.Fprintf(&b, " %s |", s.name)
	}
	b.WriteString(" unit |")
	for _, s := range others {
		fmt.Fprintf(&b, " %s ÷ %s (interval) |", ours, s.name)
	}
	b.WriteString(" goal |\n|---|" + strings.Repeat("---|", 2*len(r.subjects)+1) + "\n")
	for _, row := range r.rows {
		for i, f := range row.figures {
			r.line(&b, f, i, r.values[row])
		}
	}
	return b.String()
}

func (r *results) line(b *strings.Builder, f figure, i int, values [][][]float64) {
	last := len(r.subjects) - 1
	fmt.Fprintf(b, "| %s |", f.name)
	for s := range r.subjects {
		fmt.Fprintf(b, " %s |", rounded(median(values[s][i])))
	}
	fmt.Fprintf(b, " %s |", f.unit)
	// What goals are about: by the name of who it is compared with.
	reached := map[string]float64{"": median(values[last][i])}
	for s, other := range r.subjects[:last] {
		q := ratios(values[last][i], values[s][i])
		reached[other.name] = median(q)
		fmt.Fprintf(b, " %s |", withInterval(q))
	}
	reached[bestName] = median(ratios(values[last][i], best(values[:last], i)))
	var said []string
	for _, g := range f.goals {
		v, measured := reached[g.against]
		if !measured {
			v = math.NaN()
		}
		said = append(said, g.judge(v))
	}
	fmt.Fprintf(b, " %s |\n", strings.Join(said, "; "))
}

// best is, round by round, the largest of a figure's values.
func best(values [][][]float64, figure int) (all []float64) {
	for _, of := range values {
		for round, v := range of[figure] {
			if round == len(all) {
				all = append(all, v)
			} else if math.IsNaN(all[round]) || v > all[round] {
				all[round] = v
			}
		}
	}
	return all
}

func withInterval(q []float64) string {
	low, high := interval(q)
	switch len(q) {
	case 0:
		return "–"
	case 1:
		return fmt.Sprintf("**%s** (once)", rounded(q[0]))
	default:
		return fmt.Sprintf("**%s** (%s to %s)", rounded(median(q)), rounded(low), rounded(high))
	}
}

// rounded writes three figures.
func rounded(v float64) string {
	switch {
	case math.IsNaN(v):
		return "–"
	case v >= 100:
		return fmt.Sprintf("%.0f", v)
	case v >= 10:
		return fmt.Sprintf("%.1f", v)
	default:
		return fmt.Sprintf("%.2f", v)
	}
}

// conditions say where and with what it was measured, and how busy the machine
// was before and after.
func conditions(rounds int, load string) string {
	return fmt.Sprintf("\n%d rounds; %d cores, %s/%s, load average before the run %s, after it %s; %s; Dovecot %s.\n", rounds,
		runtime.NumCPU(), runtime.GOOS, runtime.GOARCH, load, loadAverage(), runtime.Version(), dovecotVersion())
}

// loadAverage of the last minute.
func loadAverage() string {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "unknown"
	}
	load, _, _ := strings.Cut(string(text), " ")
	return load
}

func dovecotVersion() string {
	out, err := exec.Command("dovecot", "--version").Output()
	if err != nil {
		return "of unknown version"
	}
	version, _, _ := strings.Cut(string(out), " ")
	return version
}

// What is between these lines of a document is the benchmark's.
const (
	tableBegin = "<!-- make bench writes %s from here -->\n"
	tableEnd   = "<!-- %s to here -->\n"
)

func replaceTable(path, name, table string) error {
	tableBegin, tableEnd := fmt.Sprintf(tableBegin, name), fmt.Sprintf(tableEnd, name)
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	before, rest, found := strings.Cut(string(text), tableBegin)
	_, after, foundEnd := strings.Cut(rest, tableEnd)
	if !found || !foundEnd {
		return fmt.Errorf("%s: the lines %q and %q, between which the table belongs, are not there", path, tableBegin, tableEnd)
	}
	return os.WriteFile(path, []byte(before+tableBegin+table+tableEnd+after), 0o644)
}
