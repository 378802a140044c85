package audit

import "fmt"

// What Verify can find.
const (
	Removed   = "removed"   // lines are missing
	Added     = "added"     // a line is none of the chain's
	Reordered = "reordered" // a line is not at its place
	Changed   = "changed"   // a line is not as it was written
	Rewritten = "rewritten" // lines agree with each other, and not with a signature or a witness
	Truncated = "truncated" // the end is missing
)

// A Finding is a place where a trail is not as it was written.
type Finding struct {
	Kind string `json:"kind"`
	// File and Line are where it shows, Line counted from 1 in this file.
	File string `json:"file"`
	Line int    `json:"line"`
	// Chain and Seq are the line's own place in the chain; Seq 0 if it has none.
	Chain string `json:"chain,omitempty"`
	Seq   uint64 `json:"seq,omitempty"`
	Text  string `json:"text"`
}

func (f Finding) String() string {
	return fmt.Sprintf("%s line %d: %s: %s", f.File, f.Line, f.Kind, f.Text)
}

// maxFindings that are told of one chain: the first is the one that matters.
const maxFindings = 20

// A Report is what Verify has found.
type Report struct {
	// Files that were read, in the order of their lines.
	Files []string `json:"files"`
	Lines int      `json:"lines"`
	// Chains in the order in which they were found.
	Chains []*ChainReport `json:"chains"`
}

// Intact tells whether nothing was found.
func (r *Report) Intact() bool {
	for _, c := range r.Chains {
		if len(c.Findings) > 0 {
			return false
		}
	}
	return true
}

// A ChainReport is about one chain.
type ChainReport struct {
	Chain string `json:"chain"`
	// Sink is the name that its first line gives.
	Sink string `json:"sink,omitempty"`
	// First and Last are the numbers of the lines that are there.
	First uint64 `json:"first"`
	Last  uint64 `json:"last"`
	// Begin and End are the times of these lines.
	Begin string `json:"begin"`
	End   string `json:"end"`
	// Signed checkpoints are true, Unsigned ones prove nothing, nor do those
	// with a key that was not given (Unknown).
	Signed   int `json:"signed"`
	Unsigned int `json:"unsigned"`
	Unknown  int `json:"unknown_key"`
	// Proven is the number of the last true checkpoint: what is up to it is as it
	// was written, if there are no findings. The Unproven lines after it may be
	// anything that fits.
	Proven   uint64 `json:"proven"`
	ProvenAt string `json:"proven_at,omitempty"`
	Unproven uint64 `json:"unproven"`
	// Stopped: the last line says that the process ended in good order.
	Stopped bool `json:"stopped"`
	// Dropped lines were never written: the sink was full. Gaps is how often.
	Dropped uint64 `json:"dropped"`
	Gaps    int    `json:"gaps"`
	// Torn is how often a crash left half a line behind.
	Torn int `json:"torn"`
	// Late lines were signed only by the start after a crash.
	Late uint64 `json:"late"`
	// Pruned is up to which line retention has removed lines.
	Pruned uint64 `json:"pruned"`
	// LostFiles is how often somebody took the file away while it was written.
	LostFiles int `json:"lost_files"`
	// ClockSet is how often the clock was set.
	ClockSet int `json:"clock_set"`
	// Witnessed is the last line that another sink has witnessed.
	Witnessed uint64 `json:"witnessed"`
	// HalfLine: behind the last line there is half a one.
	HalfLine bool `json:"half_line"`

	Findings []Finding `json:"findings"`
	// More findings are not told.
	More int `json:"more"`
}

func (c *ChainReport) find(f Finding) {
	f.Chain = c.Chain
	if len(c.Findings) == maxFindings {
		c.More++
		return
	}
	c.Findings = append(c.Findings, f)
}
