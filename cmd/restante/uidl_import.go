package main

import (
	"bufio"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/schollz/progressbar/v3"
	"github.com/sirupsen/logrus"
	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/restante-mail/restante/config"
	"github.com/restante-mail/restante/gateway"
	"github.com/restante-mail/restante/proxy"
	"github.com/restante-mail/restante/secret"
	"github.com/restante-mail/restante/store"
	"github.com/restante-mail/restante/uidl"
	"github.com/restante-mail/restante/upstream"
)

// uidlImportOptions are those of uidl import.
type uidlImportOptions struct {
	accountOptions
	from, user, users, file, ca string
	insecure, json              bool
	parallel                    int
}

func uidlImportCommand() *cobra.Command {
	o := uidlImportOptions{}
	c := &cobra.Command{
		Use:   "import --config FILE (--from URL|UPSTREAM (--user USER | --users FILE) | --file TSV --user USER)",
		Short: "Learn what a POP3 server calls its messages, and find them behind the configuration",
		Long: "Read the names and headers of all messages of a POP3 server, sign in by --config, which leads to the server\n" +
			"that the messages were copied to, and give the same messages the same names there: clients then download\n" +
			"nothing again. Nothing is changed on either server, and no QUIT is sent to the old one. What is ambiguous is\n" +
			"given a new name. It may be stopped and started again, and run again after more mail was copied; it works\n" +
			"while Restante runs.\n\n" +
			"The password is read from standard input, or from the users file: a line for each user, with the name, a tab\n" +
			"and the password, and, if the password at --from is another one, a tab and that.",
		Example: "  restante uidl import --config new.toml --from pop3s://pop.example.com --user alice\n" +
			"  restante uidl import --config new.toml --from pop3s://pop.example.com --users users.tsv --parallel 8",
		Args: noArguments,
		RunE: func(c *cobra.Command, _ []string) error {
			return o.run(c.Context(), c.InOrStdin(), c.OutOrStdout(), c.ErrOrStderr())
		},
	}
	o.flags(c)
	f := c.Flags()
	f.StringVar(&o.from, "from", "", "the POP3 server: pop3:// or pop3s://HOST[:PORT], or the name of an [[upstream]] of --config")
	f.StringVar(&o.user, "user", "", "the user; the password is read from standard input")
	f.StringVar(&o.users, "users", "", "file with users and passwords")
	f.StringVar(&o.file, "file", "", "read what restante uidl export wrote, instead of a server")
	f.StringVar(&o.ca, "ca", "", "PEM file with the authorities to trust for --from URL")
	f.BoolVar(&o.insecure, "insecure", false, "allow --from URL without TLS")
	f.IntVar(&o.parallel, "parallel", 4, "how many users at once, 1 to 64")
	f.BoolVar(&o.json, "json", false, "write JSON")
	return c
}

// A migrant is a user to be imported.
type migrant struct {
	user           string
	password, from secret.Text // at --config, and at --from
}

func (o *uidlImportOptions) run(ctx context.Context, in io.Reader, out, status io.Writer) error {
	if err := o.complete(); err != nil {
		return err
	}
	t, err := o.openTarget()
	if err != nil {
		return err
	}
	defer t.close()
	if o.file != "" {
		return o.importFile(ctx, out, t)
	}
	old, err := o.oldServer(t)
	if err != nil {
		return err
	}
	migrants, err := o.migrants(in, status, t)
	if err != nil {
		return err
	}
	return o.importAll(ctx, out, status, t, old, migrants)
}

func (o *uidlImportOptions) complete() error {
	wrong := func(text string) error { return usageError{errors.New(text), "uidl import "} }
	switch {
	case (o.from == "") == (o.file == ""):
		return wrong("say where the names are: either --from URL, or --file TSV")
	case (o.user == "") == (o.users == ""):
		return wrong("say whose: either --user USER, or --users FILE")
	case o.file != "" && o.users != "":
		return wrong("--file is of one user: --user USER")
	case o.parallel < 1 || o.parallel > 64:
		return wrong("--parallel must be from 1 to 64")
	}
	return nil
}

// oldServer is what --from names.
func (o *uidlImportOptions) oldServer(t *uidlTarget) (*proxy.Upstream, error) {
	silent := logrus.New()
	silent.SetOutput(io.Discard)
	if strings.Contains(o.from, "://") {
		c, err := config.ForUpstream(o.from, nil, "", "", "")
		if err != nil {
			return nil, err
		}
		c.Upstreams[0].CA = o.ca
		if o.insecure {
			c.Upstreams[0].Insecure = &o.insecure
		}
		snapshot, err := c.Compile()
		if err != nil {
			return nil, fmt.Errorf("--from: %w", err)
		}
		return oldServer(snapshot.Upstreams[0], silent)
	}
	for _, u := range t.snapshot.Upstreams {
		if u.Name == o.from {
			return oldServer(u, silent)
		}
	}
	return nil, fmt.Errorf("--from: %q is neither a URL nor the name of an [[upstream]] in %s", o.from, o.config)
}

func oldServer(u *config.Upstream, log logrus.FieldLogger) (*proxy.Upstream, error) {
	if u.Protocol != config.POP3 {
		return nil, fmt.Errorf("--from: %s speaks IMAP; names are learned from a POP3 server", u.Name)
	}
	return proxy.New(proxyOptions(u, log))
}

// migrants are whom to import, all of whom the configuration has a place for.
func (o *uidlImportOptions) migrants(in io.Reader, status io.Writer, t *uidlTarget) ([]migrant, error) {
	if o.user != "" {
		password, err := readPassword(in, status, o.user)
		if err != nil {
			return nil, err
		}
		_, err = t.maildrops(o.user)
		return []migrant{{o.user, password, password}}, err
	}
	f, err := os.Open(o.users)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return readMigrants(o.users, f, func(user string) error {
		_, err := t.maildrops(user)
		return err
	})
}

const (
	// maxMigrants and maxUserLine bound a users file: more than one run can do,
	// and as much as a client can send.
	maxMigrants = 1_000_000
	maxUserLine = 16 << 10
	// maxFileErrors are reported of a file: more than anybody reads at once.
	maxFileErrors = 20
	// byteOrderMark is what editors on Windows begin a file with; no name does.
	byteOrderMark = "\ufeff"
)

// readMigrants reads a users file. All that is wrong with it is reported, by
// line, and then nobody is returned.
func readMigrants(name string, in io.Reader, check func(user string) error) (all []migrant, err error) {
	var wrong []error
	lines := map[string]int{}
	s := bufio.NewScanner(in)
	s.Buffer(nil, maxUserLine)
	n := 0
	for s.Scan() {
		n++
		m, err := readMigrant(strings.TrimPrefix(s.Text(), byteOrderMark))
		if err == nil && m.user == "" {
			continue
		}
		if before, twice := lines[m.user]; err == nil && twice {
			err = fmt.Errorf("user %q is in line %d too", m.user, before)
		}
		if err == nil {
			err = check(m.user)
		}
		if err != nil {
			wrong = append(wrong, fmt.Errorf("%s:%d: %w", name, n, err))
		}
		lines[m.user] = n
		all = append(all, m)
		if len(wrong) == maxFileErrors || len(all) > maxMigrants {
			break
		}
	}
	if err := s.Err(); err != nil {
		wrong = append(wrong, fmt.Errorf("%s:%d: %w", name, n+1, err))
	}
	if len(all) == 0 && wrong == nil {
		wrong = append(wrong, fmt.Errorf("%s: there are no users in it", name))
	}
	if len(all) > maxMigrants {
		wrong = append(wrong, fmt.Errorf("%s:%d: more than %d users", name, n, maxMigrants))
	}
	if wrong != nil {
		return nil, errors.Join(wrong...)
	}
	return all, nil
}

// readMigrant reads one line. An empty one, and a comment, is nobody.
func readMigrant(line string) (m migrant, err error) {
	line = strings.TrimSuffix(line, "\r")
	if strings.TrimSpace(line) == "" || strings.HasPrefix(line, "#") {
		return m, nil
	}
	fields := strings.Split(line, "\t")
	switch {
	case len(fields) < 2:
		return m, errors.New("there is no tab; write the user, a tab, and the password")
	case len(fields) > 3:
		return m, errors.New("there are more than three fields; write the user, a tab, the password, and perhaps a tab and the password at --from")
	case fields[0] == "":
		return m, errors.New("there is no user before the tab")
	case fields[1] == "", len(fields) == 3 && fields[2] == "":
		return m, fmt.Errorf("user %q has an empty password", fields[0])
	case strings.ContainsAny(line, "\r\x00"):
		return m, errors.New("there are control characters in it")
	}
	m = migrant{fields[0], secret.New(fields[1]), secret.New(fields[len(fields)-1])}
	return m, nil
}

// An importResult is what came of one user.
type importResult struct {
	User string `json:"user"`
	*gateway.Adoption
	// Learned are the names that came from a file.
	Learned int    `json:"learned,omitempty"`
	Error   string `json:"error,omitempty"`
}

// importAll imports users side by side. One who fails is reported, and the
// others go on.
func (o *uidlImportOptions) importAll(ctx context.Context, out, status io.Writer, t *uidlTarget, old *proxy.Upstream, migrants []migrant) error {
	work, results := make(chan migrant), make(chan importResult)
	bar := o.progress(status, len(migrants))
	var workers sync.WaitGroup
	for range min(o.parallel, len(migrants)) {
		workers.Go(func() {
			for m := range work {
				results <- o.importOne(ctx, t, old, m, bar)
			}
		})
	}
	go func() {
		for _, m := range migrants {
			work <- m
		}
		close(work)
		workers.Wait()
		close(results)
	}()
	failed := 0
	var all []importResult
	for r := range results {
		if r.Error != "" {
			failed++
		}
		all = append(all, r)
		bar.user(func() {
			if !o.json {
				r.print(out)
			}
		})
	}
	bar.finish()
	if o.json {
		if err := writeJSON(out, all); err != nil {
			return err
		}
	}
	if failed > 0 {
		return fmt.Errorf("%d of %d user(s) could not be imported; run it again, what was learned is not read again", failed, len(migrants))
	}
	return nil
}

// A progress is a bar, or nothing where nobody would see it. It counts users, or
// the messages of the only one.
type progress struct {
	status io.Writer
	mu     sync.Mutex // of bar
	bar    *progressbar.ProgressBar
}

func (o *uidlImportOptions) progress(status io.Writer, users int) *progress {
	f, ok := status.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return new(progress)
	}
	p := &progress{status: status}
	if o.user == "" {
		p.begin(users, "users")
	}
	return p
}

func (p *progress) begin(of int, what string) {
	p.bar = progressbar.NewOptions(of, progressbar.OptionSetWriter(p.status),
		progressbar.OptionSetDescription(what), progressbar.OptionShowCount(), progressbar.OptionThrottle(100*time.Millisecond), progressbar.OptionClearOnFinish())
}

// message is for who counts messages.
func (p *progress) message(done, of int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.status == nil {
		return
	}
	if p.bar == nil {
		p.begin(of, "messages")
	}
	_ = p.bar.Set(done) // it fails only if the terminal does
}

// user is for who counts users. What it prints meanwhile does not mix with the bar.
func (p *progress) user(print func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.bar != nil {
		_ = p.bar.Clear()
	}
	print()
	if p.bar != nil {
		_ = p.bar.Add(1)
	}
}

func (p *progress) finish() {
	if p.bar != nil {
		_ = p.bar.Finish()
	}
}

func (o *uidlImportOptions) importOne(ctx context.Context, t *uidlTarget, old *proxy.Upstream, m migrant, bar *progress) importResult {
	r := importResult{User: m.user}
	progress := func(int, int) {}
	if o.user != "" {
		progress = bar.message
	}
	var err error
	r.Adoption, err = t.gateway.Adopt(ctx, t.question(m.user, m.password), func(maildrop string) error {
		return learnFrom(ctx, t, old, m, maildrop, progress)
	})
	if err != nil {
		r.Adoption, r.Error = nil, err.Error()
	}
	return r
}

// learnFrom reads the POP3 server.
func learnFrom(ctx context.Context, t *uidlTarget, old *proxy.Upstream, m migrant, maildrop string, progress func(int, int)) error {
	mailbox, err := old.Open(ctx, upstream.Login{User: m.user, Secret: m.from, Session: "import"})
	if err != nil {
		return fmt.Errorf("--from: %w", err)
	}
	defer mailbox.Close() // without QUIT
	if _, err = gateway.LearnPOP3(ctx, t.gateway.Shared.Store, maildrop, mailbox, time.Now().Unix(), progress); err != nil {
		return fmt.Errorf("--from: %w", err)
	}
	return nil
}

func (r *importResult) print(out io.Writer) {
	if r.Error != "" {
		fmt.Fprintf(out, "%s: FAILED: %s\n", printable(r.User), r.Error)
		return
	}
	fmt.Fprintf(out, "%s: %d messages have names there: %d matched, %d ambiguous, %d missing, %d of another size, %d unreadable; of %d here %d are new\n",
		printable(r.User), r.Known, r.Matched, r.Ambiguous, r.Missing, r.Resized, r.Unreadable, r.Listed, r.New)
	const most = 20
	for i, u := range r.Unmatched {
		if i == most {
			fmt.Fprintf(out, "  and %d more; --json tells all\n", len(r.Unmatched)-most)
			return
		}
		fmt.Fprintf(out, "  UIDL %s: %s\n", printable(u.UIDL), u.Why)
	}
}

// importFile reads an export, all of it before anything is written.
func (o *uidlImportOptions) importFile(ctx context.Context, out io.Writer, t *uidlTarget) error {
	maildrops, err := t.maildrops(o.user)
	if err != nil {
		return err
	}
	f, err := os.Open(o.file)
	if err != nil {
		return err
	}
	defer f.Close()
	x, err := readExport(o.file, f)
	if err != nil {
		return err
	}
	for _, key := range x.order { // the later life of a folder counts
		entries := x.lives[key]
		key.Maildrop = maildrops[0]
		c := store.LedgerChanges{At: time.Now().Unix(), Entries: entries, Rename: true}
		if key.UIDValidity != 0 { // its names have been told
			c.Settled = uint32(entries[len(entries)-1].Key) + 1
		}
		if err := t.gateway.Shared.Store.Enter(ctx, key, c); err != nil {
			return err
		}
	}
	if o.json {
		return writeJSON(out, []importResult{{User: o.user, Learned: x.count}})
	}
	_, err = fmt.Fprintf(out, "%s: learned the names of %d messages\n", printable(o.user), x.count)
	return err
}

// exported is what a file has: lives of folders in their order, each with its
// entries by rising UID.
type exported struct {
	order []store.FolderKey
	lives map[store.FolderKey][]store.Entry
	count int
}

// maxExported bounds a file of names: several lives of the largest maildrop.
const maxExported = 4_000_000

// isComment: a UIDL may begin with "#" too, but has no blanks.
func isComment(line string) bool {
	return line == "" || line == "#" || strings.HasPrefix(line, "# ") || strings.HasPrefix(line, "#uidl\tfolder\t")
}

// readExport reads all lines, or tells what is wrong with them.
func readExport(name string, in io.Reader) (exported, error) {
	x := exported{lives: map[store.FolderKey][]store.Entry{}}
	var wrong []error
	s := bufio.NewScanner(in)
	s.Buffer(nil, maxUserLine)
	n := 0
	for s.Scan() && len(wrong) < maxFileErrors {
		n++
		line := strings.TrimSuffix(s.Text(), "\r")
		if isComment(line) {
			continue
		}
		key, e, err := readExported(line)
		last := x.lives[key]
		if err == nil && key.UIDValidity != 0 && len(last) > 0 && last[len(last)-1].Key >= e.Key {
			err = errors.New("UIDs of a folder must rise from line to line")
		}
		if err != nil {
			wrong = append(wrong, fmt.Errorf("%s:%d: %w", name, n, err))
			continue
		}
		if last == nil {
			x.order = append(x.order, key)
		}
		x.lives[key] = append(last, e)
		if x.count++; x.count > maxExported {
			wrong = append(wrong, fmt.Errorf("%s:%d: more than %d messages", name, n, maxExported))
			break
		}
	}
	if err := s.Err(); err != nil {
		wrong = append(wrong, fmt.Errorf("%s:%d: %w", name, n+1, err))
	}
	return x, errors.Join(wrong...)
}

func readExported(line string) (key store.FolderKey, e store.Entry, err error) {
	fields := strings.Split(line, "\t")
	if len(fields) != 8 {
		return key, e, fmt.Errorf("there are %d fields instead of 8: %s", len(fields), strings.ReplaceAll(tsvHeader[1:], "\t", ", "))
	}
	number := func(i int, bits int) (n uint64) {
		var bad error
		if n, bad = strconv.ParseUint(fields[i], 10, bits); bad != nil && err == nil {
			err = fmt.Errorf("field %d: %q is not a number from 0 to %d", i+1, fields[i], uint64(1)<<bits-1)
		}
		return n
	}
	key.Folder, key.UIDValidity = fields[1], uint32(number(2, 32))
	e.UIDL, e.Key = fields[0], number(3, 32)
	e.Listed, e.True = int64(number(4, 62)), int64(number(5, 62))
	print, bad := hex.DecodeString(fields[6])
	if copy(e.Print[:], print) != len(e.Print) || bad != nil || len(print) != len(e.Print) {
		err = errors.Join(err, fmt.Errorf("field 7: %q is not a print of 24 hexadecimal digits", fields[6]))
	}
	if e.Unique, bad = strconv.ParseUint(fields[7], 16, 64); bad != nil {
		err = errors.Join(err, fmt.Errorf("field 8: %q is not a hexadecimal number", fields[7]))
	}
	switch {
	case err != nil:
	case !uidl.Valid(e.UIDL):
		err = errors.New("field 1: a UIDL has 1 to 70 printable ASCII characters and no spaces")
	case key.Folder == "":
		err = errors.New("field 2: there is no folder")
	case (key.UIDValidity == 0) != (e.Key == 0):
		err = errors.New("fields 3 and 4: UIDVALIDITY and UID are both 0, for what came from a POP3 server, or both are not")
	case key.UIDValidity == 0:
		e.Key = gateway.NameKey(e.UIDL)
	}
	return key, e, err
}
