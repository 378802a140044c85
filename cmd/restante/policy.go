package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/restante-mail/restante/audit"
	"github.com/restante-mail/restante/config"
	"github.com/restante-mail/restante/store"
)

func policyCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "policy",
		Short: "Look at policies, and approve what they remove",
		Args:  noArguments,
		RunE:  func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(explainCommand(), policyListCommand(), witnessed(approveCommand(), always(audit.ActionApprove)))
	return c
}

// A listedRule is a rule of retention and whether it acts.
type listedRule struct {
	Rule     string    `json:"rule"`
	Hash     string    `json:"hash"`
	Approved time.Time `json:"approved,omitzero"`
}

// A listedPolicy is a policy in use.
type listedPolicy struct {
	Name       string `json:"name"`
	OnRetrieve string `json:"on_retrieve"`
	OnDelete   string `json:"on_delete"`
	Expire     string `json:"expire,omitempty"`
	DryRun     bool   `json:"dry_run,omitempty"`
	// Quota settings; 0 and "" are off.
	QuotaWarn    int          `json:"quota_warn,omitempty"`
	QuotaReclaim string       `json:"quota_reclaim,omitempty"`
	Retain       []listedRule `json:"retain,omitempty"`
}

func policyListCommand() *cobra.Command {
	var o accountOptions
	var asJSON bool
	c := &cobra.Command{
		Use:   "list",
		Short: "List the policies in use, and whether their rules of retention are approved",
		Args:  noArguments,
		RunE: func(c *cobra.Command, _ []string) error {
			snapshot, err := o.load()
			if err != nil {
				return err
			}
			all, err := listPolicies(c.Context(), snapshot)
			if err != nil {
				return err
			}
			if asJSON {
				return writeJSON(c.OutOrStdout(), all)
			}
			return writePolicies(c.OutOrStdout(), all)
		},
	}
	c.Flags().StringVar(&o.config, "config", "", "configuration file, or folder of *.toml files")
	c.Flags().BoolVar(&asJSON, "json", false, "write JSON")
	return c
}

func listPolicies(ctx context.Context, c *config.Snapshot) (all []listedPolicy, err error) {
	approved := map[string]int64{}
	if c.State != "" && c.NeedsState {
		if approved, err = (beside{path: c.State}).Approvals(ctx); err != nil {
			return nil, err
		}
	}
	for _, p := range c.Policies() {
		l := listedPolicy{Name: p.Name, OnRetrieve: p.Policy.OnRetrieve.String(), OnDelete: p.Policy.OnDelete.String(),
			Expire: p.Policy.Expire(), DryRun: p.Policy.DryRun, QuotaWarn: p.Policy.QuotaWarn}
		if r := p.Policy.QuotaReclaim; r.On() {
			l.QuotaReclaim = fmt.Sprintf("above %d %%: %s", r.Above, r.Do)
		}
		for _, r := range p.Policy.Retain {
			rule := listedRule{Rule: r.String(), Hash: r.Hash(p.Name)}
			if at := approved[rule.Hash]; at != 0 {
				rule.Approved = time.Unix(at, 0)
			}
			l.Retain = append(l.Retain, rule)
		}
		all = append(all, l)
	}
	return all, nil
}

func writePolicies(out io.Writer, all []listedPolicy) error {
	for _, p := range all {
		dry := map[bool]string{true: ", dry run"}[p.DryRun]
		fmt.Fprintf(out, "%s: on_retrieve = %s, on_delete = %s, EXPIRE %s%s\n", p.Name, p.OnRetrieve, p.OnDelete, orNone(p.Expire), dry)
		if p.QuotaWarn > 0 {
			fmt.Fprintf(out, "    quota_warn at %d %%\n", p.QuotaWarn)
		}
		if p.QuotaReclaim != "" {
			fmt.Fprintf(out, "    quota_reclaim %s\n", p.QuotaReclaim)
		}
		for _, r := range p.Retain {
			state := "waits for restante policy approve"
			if !r.Approved.IsZero() {
				state = "approved " + r.Approved.Format(time.DateTime)
			}
			fmt.Fprintf(out, "    retain %s: %s\n", r.Rule, state)
		}
	}
	return nil
}

func approveCommand() *cobra.Command {
	var o accountOptions
	c := &cobra.Command{
		Use:   "approve",
		Short: "Let the rules of retention act, as the configuration has them now",
		Long: "Let all rules of retention act, as the configuration has them now. Before, look at what they would do: the\n" +
			"log has it, and restante policy explain. A rule that changes later waits for approval again. Works while\n" +
			"Restante runs; sessions that begin afterwards follow the rules.",
		Args: noArguments,
		RunE: func(c *cobra.Command, _ []string) error {
			snapshot, err := o.load()
			if err != nil {
				return err
			}
			return approve(c.Context(), c.OutOrStdout(), snapshot)
		},
	}
	c.Flags().StringVar(&o.config, "config", "", "configuration file, or folder of *.toml files")
	return c
}

func approve(ctx context.Context, out io.Writer, c *config.Snapshot) error {
	all, err := listPolicies(ctx, c)
	if err != nil {
		return err
	}
	var rules []string
	for _, p := range all {
		for _, r := range p.Retain {
			if r.Approved.IsZero() {
				rules = append(rules, r.Hash)
				fmt.Fprintf(out, "%s: retain %s\n", p.Name, r.Rule)
			}
		}
	}
	if rules == nil {
		fmt.Fprintln(out, "no rule waits for approval")
		return nil
	}
	if err := store.Approve(ctx, c.State, rules, time.Now().Unix()); err != nil {
		return err
	}
	fmt.Fprintf(out, "approved %d rule(s)\n", len(rules))
	return nil
}

// beside is the state file read beside the process that owns it. What a
// command that only looks does not use is not there.
type beside struct {
	store.Store
	path string
}

func (b beside) View(ctx context.Context, key store.ViewKey) (store.View, error) {
	v, _, err := store.Look(ctx, b.path, key)
	return v, err
}

func (b beside) Approvals(ctx context.Context) (map[string]int64, error) {
	_, approved, err := store.Look(ctx, b.path, store.ViewKey{})
	return approved, err
}

func (b beside) Lives(ctx context.Context, maildrop string) (lives []store.Life, err error) {
	err = b.ledger(ctx, func(l store.Ledger) error { lives, err = l.Lives(ctx, maildrop); return err })
	return lives, err
}

func (b beside) UIDLs(ctx context.Context, life store.FolderKey) (uidls map[uint64]string, err error) {
	err = b.ledger(ctx, func(l store.Ledger) error { uidls, err = l.UIDLs(ctx, life); return err })
	return uidls, err
}

func (b beside) Entries(ctx context.Context, life store.FolderKey) (entries []store.Entry, err error) {
	err = b.ledger(ctx, func(l store.Ledger) error { entries, err = l.Entries(ctx, life); return err })
	return entries, err
}

func (b beside) Enter(ctx context.Context, life store.FolderKey, c store.LedgerChanges) error {
	return store.EnterBeside(ctx, b.path, life, c)
}

// ledger looks into the file.
func (b beside) ledger(ctx context.Context, look func(store.Ledger) error) error {
	l, leave, err := store.LookLedger(ctx, b.path)
	if err != nil {
		return err
	}
	return errors.Join(look(l), leave())
}

func orNone(s string) string {
	if s == "" {
		return "(none)"
	}
	return s
}
