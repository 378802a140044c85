package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/restante-mail/restante/audit"
	"github.com/restante-mail/restante/store"
)

type verifyOptions struct {
	trailOptions
	keys   []string
	syslog bool
	json   bool
}

func auditVerifyCommand() *cobra.Command {
	var o verifyOptions
	c := &cobra.Command{
		Use:   "verify [FILES…]",
		Short: "Prove that the audit trail is as it was written",
		Long: "Prove that the audit trail is as it was written, or name the first line that was removed, added, moved or\n" +
			"changed. Files may be compressed and in any order; without names the configuration says which. Files of\n" +
			"another sink, which has this one's checkpoints, are verified together with them and show a tail that was\n" +
			"cut off. Exit status 1: something was found.",
		Example: "  restante audit verify --config restante.toml\n" +
			"  restante audit verify --key audit.key.pub audit*.jsonl*\n" +
			"  restante audit verify --key audit.key.pub --syslog /var/log/restante.log",
		RunE: func(c *cobra.Command, args []string) error { return o.run(c.Context(), c.OutOrStdout(), args) },
	}
	o.flags(c)
	c.Flags().StringArrayVar(&o.keys, "key", nil, "public key in PEM that checkpoints are signed with; repeats (left out: those of the configuration)")
	c.Flags().BoolVar(&o.syslog, "syslog", false, "the files were written by a syslog server: pass over what it puts before a line, and over lines of others")
	c.Flags().BoolVar(&o.json, "json", false, "write JSON")
	return c
}

func (o *verifyOptions) run(ctx context.Context, out io.Writer, files []string) error {
	for try := 1; ; try++ {
		v := &audit.Verification{Keys: audit.Verifier{}, Cut: o.syslog}
		from, err := o.prepare(v, files)
		if err != nil {
			return err
		}
		err = o.read(ctx, v, from)
		if rotated, again := from.rotated(); rotated && try < verifyTries {
			continue
		} else if rotated || again != nil {
			return errors.Join(errRotated, again, err)
		}
		if err != nil {
			return err
		}
		return o.tell(out, v.Report(), len(v.Keys) > 0)
	}
}

// verifyTries bounds how often a trail is read anew because a file of it was
// closed meanwhile: lines would be missed that are there.
const verifyTries = 5

func (o *verifyOptions) read(ctx context.Context, v *audit.Verification, from source) error {
	if err := v.Files(from.files); err != nil || from.state == "" {
		return err
	}
	return store.AuditRows(ctx, from.state, func(row store.AuditLine) error { return v.Row(from.state, audit.Row(row)) })
}

// prepare finds keys, files and the state file.
func (o *verifyOptions) prepare(v *audit.Verification, files []string) (from source, err error) {
	if err := o.readKeys(v.Keys); err != nil {
		return from, err
	}
	from.files = files
	if o.config == "" && len(files) > 0 {
		return from, nil
	}
	c, err := o.load("verify")
	if err != nil {
		return from, err
	}
	if len(o.keys) == 0 {
		v.Keys = c.Audit.Keys
	}
	if len(files) > 0 {
		return from, nil
	}
	v.Whole, from.listed, from.audit = true, true, c.Audit
	for _, sink := range c.Audit.Sinks {
		if sink.To == audit.ToState || sink.To == audit.ToFile {
			v.Sinks = append(v.Sinks, sink.Name)
		}
	}
	if keepsTrail(c) {
		from.state = c.State
	}
	if from.files, err = trailFiles(c.Audit); err != nil {
		return from, err
	}
	if len(from.files) == 0 && from.state == "" {
		return from, fmt.Errorf("%s names no audit trail that could be read here, or nothing was written yet", o.config)
	}
	return from, nil
}

func (o *verifyOptions) readKeys(into audit.Verifier) error {
	for _, path := range o.keys {
		data, err := readKey(path)
		if err == nil {
			_, err = into.Add(data)
		}
		if err != nil {
			return fmt.Errorf("--key %s: %w", path, err)
		}
	}
	return nil
}

// readKey reads a file of a few hundred octets.
func readKey(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, 64<<10))
}

var errNotIntact = errors.New("the audit trail is not as it was written")

func (o *verifyOptions) tell(out io.Writer, r *audit.Report, keys bool) error {
	if o.json {
		if err := writeJSON(out, r); err != nil {
			return err
		}
	} else {
		b := bufio.NewWriter(out)
		for _, c := range r.Chains {
			tellChain(b, c, keys)
		}
		if err := b.Flush(); err != nil {
			return err
		}
	}
	switch {
	case !r.Intact():
		return errNotIntact
	case len(r.Chains) == 0:
		return errors.New("there is no line of an audit trail in what was read")
	}
	return nil
}

func tellChain(out io.Writer, c *audit.ChainReport, keys bool) {
	name := "chain " + c.Chain
	if c.Sink != "" {
		name += " of sink " + printable(c.Sink)
	}
	span := fmt.Sprintf("lines %d to %d, %s to %s", c.First, c.Last, c.Begin, c.End)
	if c.Last == 0 {
		span = "no line"
	}
	fmt.Fprintf(out, "%s: %s\n", name, span)
	for i, f := range c.Findings {
		if i == 0 {
			fmt.Fprintln(out, "  NOT AS IT WAS WRITTEN")
		}
		fmt.Fprintf(out, "  %s line %d: %s: %s\n", printable(f.File), f.Line, f.Kind, printable(f.Text))
	}
	if c.More > 0 {
		fmt.Fprintf(out, "  and %d more\n", c.More)
	}
	for _, line := range proofOf(c, keys) {
		fmt.Fprintf(out, "  %s\n", line)
	}
	for _, line := range notesOf(c) {
		fmt.Fprintf(out, "  note: %s\n", line)
	}
}

// proofOf says what is proven, and what is not.
func proofOf(c *audit.ChainReport, keys bool) (text []string) {
	switch {
	case c.Last == 0:
		return nil
	case c.Proven == 0 && !keys && c.Unknown > 0:
		text = append(text, "nothing is proven: no public key was given (--key)")
	case c.Proven == 0 && c.Unknown > 0:
		text = append(text, "nothing is proven: the checkpoints are signed with other keys than those that were given")
	case c.Proven == 0:
		text = append(text, "nothing is proven: there is no signed checkpoint")
	case len(c.Findings) == 0:
		text = append(text, fmt.Sprintf("proven up to line %d, of %s, by %d signed checkpoint(s)", c.Proven, c.ProvenAt, c.Signed))
	default:
		text = append(text, fmt.Sprintf("the last true checkpoint is line %d, of %s", c.Proven, c.ProvenAt))
	}
	switch {
	case c.Unproven > 0:
		text = append(text, fmt.Sprintf("UNPROVEN: the %d line(s) from %d on; they agree with each other, and nothing signs them", c.Unproven, c.Last-c.Unproven+1))
	case c.Stopped:
		text = append(text, "the last line says that the process ended in good order; nothing is unproven")
	default:
		text = append(text, "nothing is unproven; whether lines followed that were cut off, only another sink can tell")
	}
	return text
}

// notesOf says what is no finding and somebody should know.
func notesOf(c *audit.ChainReport) (notes []string) {
	add := func(when bool, format string, args ...any) {
		if when {
			notes = append(notes, fmt.Sprintf(format, args...))
		}
	}
	add(c.HalfLine, "it ends with half a line: it is being written, the process was killed, or it was cut")
	add(c.First > 1 && c.Pruned >= c.First-1, "lines 1 to %d were removed by retention, as the trail says itself", c.First-1)
	add(c.First > 1 && c.Pruned < c.First-1, "lines 1 to %d are not in what was read, and it does not say that retention has removed them", c.First-1)
	add(c.Dropped > 0, "%d line(s) were never written, in %d gap(s): the sink was full", c.Dropped, c.Gaps)
	add(c.Torn > 0, "%d time(s) a crash left half a line behind", c.Torn)
	add(c.Late > 0, "%d line(s) were signed only by the start after a crash", c.Late)
	add(c.LostFiles > 0, "%d time(s) the file was removed or renamed while it was written", c.LostFiles)
	add(c.ClockSet > 0, "%d time(s) the clock was set", c.ClockSet)
	add(c.Unsigned > 0, "%d checkpoint(s) are not signed", c.Unsigned)
	add(c.Unknown > 0 && c.Signed > 0, "%d checkpoint(s) are signed with keys that were not given", c.Unknown)
	add(c.Witnessed > 0, "another sink witnesses it up to line %d", c.Witnessed)
	return notes
}
