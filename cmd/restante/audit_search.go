package main

import (
	"bufio"
	"encoding/csv"
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/spf13/cobra"

	"github.com/restante-mail/restante/audit"
)

// searchOptions are the flags of search, and some of show and stats.
type searchOptions struct {
	trailOptions
	query        audit.Query
	client       string
	since, until string
	json, csv    bool
}

func auditSearchCommand() *cobra.Command {
	var o searchOptions
	c := &cobra.Command{
		Use:   "search [FILES…]",
		Short: "Find who fetched or deleted a message, from where",
		Long: "Find lines of the audit trail. All that is asked for must hold. Without names of files the configuration\n" +
			"says where the trail is: lines that are kept in the state file are searched there, else the files are,\n" +
			"compressed ones too. Exit status 1: nothing was found.",
		Example: "  restante audit search --config restante.toml --message-id 20260302.1@example.org\n" +
			"  restante audit search --user alice@example.com --event delete --event outcome --since 7d audit*.jsonl*\n" +
			"  restante audit search --config restante.toml --client 10.0.0.0/8 --since 2026-03-01 --until 2026-03-02 --csv",
		RunE: func(c *cobra.Command, args []string) error { return o.run(c, args) },
	}
	o.flags(c)
	o.period(c)
	f := c.Flags()
	f.BoolVar(&o.files, "files", false, "search the files, also if lines are kept in the state file")
	f.StringVar(&o.query.User, "user", "", "whose maildrop, without the name of a view")
	f.StringVar(&o.query.View, "view", "", `the view; "" is the one that every maildrop has`)
	f.StringVar(&o.client, "client", "", "the client's address or network")
	f.StringVar(&o.query.MessageID, "message-id", "", "Message-ID of the message, with or without <>")
	f.StringVar(&o.query.UIDL, "uidl", "", "UIDL of the message")
	f.Uint32Var(&o.query.UID, "uid", 0, "the message's UID upstream")
	f.StringArrayVar(&o.query.Events, "event", nil, "kind of event, as docs/audit.md lists them; repeats")
	f.StringVar(&o.query.Session, "session", "", "ID of the session")
	f.BoolVar(&o.json, "json", false, "write the lines themselves: JSON, one a line")
	f.BoolVar(&o.csv, "csv", false, "write CSV")
	return c
}

func (o *searchOptions) period(c *cobra.Command) {
	c.Flags().StringVar(&o.since, "since", "", `the first moment: 2026-03-01, 2026-03-01T08:15:00Z, or "7d" and "12h" for so long ago`)
	c.Flags().StringVar(&o.until, "until", "", "the last moment, in the same forms; a day to its end")
}

// ready reads the flags that are texts.
func (o *searchOptions) ready(c *cobra.Command) (err error) {
	wrong := func(flag string, err error) error {
		return usageError{fmt.Errorf("--%s: %w", flag, err), "audit " + c.Name() + " "}
	}
	if o.query.Since, err = moment(o.since, time.Now(), false); err != nil {
		return wrong("since", err)
	}
	if o.query.Until, err = moment(o.until, time.Now(), true); err != nil {
		return wrong("until", err)
	}
	if o.query.Client, err = network(o.client); err != nil {
		return wrong("client", err)
	}
	o.query.AnyView = !c.Flags().Changed("view")
	if o.json && o.csv {
		return usageError{errors.New("--json and --csv exclude each other"), "audit " + c.Name() + " "}
	}
	return nil
}

// moment reads a time. A day stands for its first moment, or its last.
func moment(text string, now time.Time, last bool) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if day, err := time.Parse(time.DateOnly, text); err == nil {
		if last {
			day = day.AddDate(0, 0, 1).Add(-time.Microsecond)
		}
		return day, nil
	}
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04", time.DateTime, "2006-01-02 15:04"} {
		if t, err := time.Parse(layout, text); err == nil {
			return t, nil
		}
	}
	if days, ok := strings.CutSuffix(text, "d"); ok {
		if n, err := strconv.ParseUint(days, 10, 16); err == nil {
			return now.AddDate(0, 0, -int(n)), nil
		}
	}
	if d, err := time.ParseDuration(text); err == nil && d >= 0 {
		return now.Add(-d), nil
	}
	return time.Time{}, fmt.Errorf("%q is no time; write 2026-03-01, 2026-03-01T08:15:00Z, 7d or 12h", text)
}

func network(text string) (netip.Prefix, error) {
	if text == "" {
		return netip.Prefix{}, nil
	}
	if a, err := netip.ParseAddr(text); err == nil {
		return netip.PrefixFrom(a.Unmap(), a.Unmap().BitLen()), nil
	}
	p, err := netip.ParsePrefix(text)
	if err != nil {
		return p, fmt.Errorf("%q is no address and no network", text)
	}
	return p.Masked(), nil
}

func (o *searchOptions) run(c *cobra.Command, files []string) error {
	if err := o.ready(c); err != nil {
		return err
	}
	s, err := o.find(files, "search")
	if err != nil {
		return err
	}
	out := bufio.NewWriter(c.OutOrStdout())
	write := o.writer(out)
	found := 0
	err = s.search(c.Context(), &o.query, func(h audit.Hit) error {
		found++
		return write(h)
	})
	if err := errors.Join(err, out.Flush()); err != nil {
		return err
	}
	if found == 0 {
		return errors.New("nothing was found")
	}
	return nil
}

// writer returns what writes a hit in the form that is wanted.
func (o *searchOptions) writer(out *bufio.Writer) func(audit.Hit) error {
	switch {
	case o.json:
		return func(h audit.Hit) error {
			_, err := out.WriteString(printableJSON(h.Line) + "\n")
			return err
		}
	case o.csv:
		return csvWriter(out)
	}
	first := true
	return func(h audit.Hit) error {
		if first {
			fmt.Fprintf(out, "%-27s  %-8s  %-24s  %-15s  %s\n", "TIME", "SESSION", "USER", "CLIENT", "WHAT")
			first = false
		}
		who := h.Base
		if who == "" {
			who = h.User
		}
		if h.View != "" {
			who += "+" + h.View
		}
		_, err := fmt.Fprintf(out, "%-27s  %-8s  %-24s  %-15s  %s\n", h.Time.UTC().Format("2006-01-02T15:04:05.000000Z"),
			printable(h.Session), printable(who), printable(h.Client), printable(h.Tell()))
		return err
	}
}

var csvColumns = []string{"time", "event", "session", "user", "view", "client", "folder", "uid", "uidl", "message_id", "from", "subject",
	"octets", "sha256", "complete", "result", "do", "target", "policy", "cause", "seq"}

func csvWriter(out *bufio.Writer) func(audit.Hit) error {
	w := csv.NewWriter(out)
	first := true
	return func(h audit.Hit) error {
		if first {
			first = false
			if err := w.Write(csvColumns); err != nil {
				return err
			}
		}
		who := h.Base
		if who == "" {
			who = h.User
		}
		row := []string{h.Time.UTC().Format("2006-01-02T15:04:05.000000Z"), h.Event, h.Session, who, h.View, h.Client, h.Folder, number(uint64(h.UID)),
			h.UIDL, h.MessageID, h.From, h.Subject, number(uint64(h.Octets)), h.SHA256, strconv.FormatBool(h.Complete), h.Result, h.Do, h.Target,
			h.Policy, h.Cause, number(h.Seq)}
		for i, cell := range row {
			row[i] = harmlessCell(cell)
		}
		if err := w.Write(row); err != nil {
			return err
		}
		w.Flush()
		return w.Error()
	}
}

func number(n uint64) string {
	if n == 0 {
		return ""
	}
	return strconv.FormatUint(n, 10)
}

// formulas are what a spreadsheet takes a cell for a formula by.
const formulas = "=+-@＝＋－＠"

// harmlessCell keeps a spreadsheet from taking what a stranger wrote for a
// formula, also one that takes a semicolon for the end of a cell, as they do in
// half of Europe.
func harmlessCell(text string) string {
	var b strings.Builder
	begins := true
	for _, r := range printable(text) {
		if begins && strings.ContainsRune(formulas, r) {
			b.WriteByte('\'')
		}
		begins = r == ';' || begins && (r == ' ' || r == '"')
		b.WriteRune(r)
	}
	return b.String()
}

// printableJSON escapes what a terminal should not get. Within JSON that can
// only be in texts, where an escape means the same.
func printableJSON(line []byte) string {
	var b strings.Builder
	for _, r := range string(line) {
		switch {
		case unicode.IsPrint(r):
			b.WriteRune(r)
		case r > 0xFFFF:
			r -= 0x10000
			fmt.Fprintf(&b, `\u%04x\u%04x`, 0xD800+r>>10, 0xDC00+r&0x3FF)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	return b.String()
}
