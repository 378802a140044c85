package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/restante-mail/restante/audit"
	"github.com/restante-mail/restante/config"
	"github.com/restante-mail/restante/store"
)

func auditCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "audit",
		Short: "Look into the audit trail, and prove that it was not edited",
		Args:  noArguments,
		RunE:  func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(auditVerifyCommand(), auditSearchCommand(), auditShowCommand(), auditStatsCommand(), auditKeygenCommand())
	return c
}

// trailOptions say which trail is meant: files, or what a configuration names.
type trailOptions struct {
	config string
	files  bool
}

func (o *trailOptions) flags(c *cobra.Command) {
	c.Flags().StringVar(&o.config, "config", "", "configuration file, or folder of *.toml files, that says where the trail is")
}

// A source is where lines are read from: files, or a state file.
type source struct {
	files []string
	state string
	// audit is what the configuration says; nil if none was named.
	audit *config.Audit
	// listed: files are all that the configuration's sinks have.
	listed bool
}

// trailFiles are the files of all sinks, each sink's oldest first.
func trailFiles(a *config.Audit) (all []string, err error) {
	for _, sink := range a.Sinks {
		if sink.To != audit.ToFile {
			continue
		}
		found, err := audit.Files(sink.Path)
		if err != nil {
			return nil, err
		}
		all = append(all, found...)
	}
	return all, nil
}

// find returns the source of a search: the files that are named, else the state
// file if lines are kept there, else the files.
func (o *trailOptions) find(files []string, command string) (source, error) {
	if len(files) > 0 && o.config == "" {
		return source{files: files}, nil
	}
	c, err := o.load(command)
	if err != nil {
		return source{}, err
	}
	s := source{audit: c.Audit, files: files}
	if len(files) > 0 {
		return s, nil
	}
	if keepsTrail(c) {
		s.state = c.State
	}
	if s.files, err = trailFiles(c.Audit); err != nil {
		return s, err
	}
	s.listed = true
	if s.state != "" && !o.files {
		s.files = nil
		return s, nil
	}
	s.state = ""
	if len(s.files) == 0 {
		return s, fmt.Errorf("%s names no audit trail that could be read here: a sink of the type file or state", o.config)
	}
	return s, nil
}

func (o *trailOptions) load(command string) (*config.Snapshot, error) {
	if o.config == "" {
		return nil, usageError{errors.New("say which trail: name its files, or --config FILE"), "audit " + command + " "}
	}
	c, err := config.Load(o.config)
	if err != nil {
		return nil, err
	}
	return c.Compile()
}

// search gives what fits to each, and tells on stderr what it could not read.
func (s source) search(ctx context.Context, q *audit.Query, each func(audit.Hit) error) error {
	if s.audit != nil {
		q.Privacy = s.audit.Privacy
	}
	if s.state != "" {
		return s.searchState(ctx, q, each)
	}
	unread, err := q.Search(ctx, s.files, each)
	if unread > 0 {
		fmt.Fprintf(os.Stderr, "restante: %d line(s) could not be read; see restante audit verify\n", unread)
	}
	if rotated, again := s.rotated(); rotated || again != nil {
		err = errors.Join(errRotated, again, err)
	}
	return err
}

var errRotated = errors.New("a file of the trail was closed or removed while the trail was read, so that some of it may be missing here: ask again")

// rotated tells whether the files are not those that were listed any more.
func (s source) rotated() (bool, error) {
	if !s.listed {
		return false, nil
	}
	now, err := trailFiles(s.audit)
	return audit.Rotated(s.files, now), err
}

func (s source) searchState(ctx context.Context, q *audit.Query, each func(audit.Hit) error) error {
	if err := s.tellBegin(ctx, q); err != nil {
		return err
	}
	narrow := store.AuditQuery{Session: q.Session, UIDL: q.UIDL, MessageID: "", Since: unix(q.Since), Until: unix(q.Until)}
	if len(q.Privacy.Key) == 0 {
		narrow.Base = q.User
	}
	if id := q.MessageID; id != "" {
		narrow.MessageID = withBrackets(id)
	}
	return store.SearchAudit(ctx, s.state, narrow, func(line []byte) error {
		_, err := q.Fits(line, each)
		return err
	})
}

var errFirst = errors.New("the first line was read")

// tellBegin tells on stderr if the state file does not go back as far as the
// question does: an answer that lacks something must say so.
func (s source) tellBegin(ctx context.Context, q *audit.Query) error {
	all := audit.Query{AnyView: true}
	err := store.SearchAudit(ctx, s.state, store.AuditQuery{}, func(line []byte) error {
		_, err := all.Fits(line, func(h audit.Hit) error {
			if h.Seq > 1 && q.Since.Before(h.Time) {
				fmt.Fprintf(os.Stderr, "restante: the state file has lines since %s only; --files searches the files, which may go back farther\n",
					h.Time.UTC().Format(time.DateTime))
			}
			return errFirst
		})
		return err
	})
	if errors.Is(err, errFirst) {
		return nil
	}
	return err
}

func unix(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.Unix()
}

// withBrackets is a Message-ID as the trail writes it.
func withBrackets(id string) string {
	if id[0] != '<' {
		id = "<" + id
	}
	if id[len(id)-1] != '>' {
		id += ">"
	}
	return id
}

func auditKeygenCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "keygen FILE",
		Short: "Make a key that signs checkpoints",
		Long: "Make an ed25519 key pair. The private key goes to FILE, which only its owner may read, and which the\n" +
			"configuration names as audit.key; the public key goes to FILE.pub. Keep a copy of FILE.pub where nobody\n" +
			"who runs Restante can change it: restante audit verify --key reads it.",
		Args: argumentCount(1),
		RunE: func(c *cobra.Command, args []string) error {
			private, public, id, err := audit.NewKey()
			if err != nil {
				return err
			}
			if err := writeNew(args[0], private, 0o600); err != nil {
				return err
			}
			if err := writeNew(args[0]+".pub", public, 0o644); err != nil {
				return err
			}
			fmt.Fprintf(c.OutOrStdout(), "private key %s, public key %s.pub, id %s\n", args[0], args[0], id)
			return nil
		},
	}
}

// writeNew writes a file that is not there yet, and makes sure of it.
func writeNew(path string, data []byte, mode os.FileMode) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	return errors.Join(err, f.Sync(), f.Close())
}
