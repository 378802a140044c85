package gateway

import (
	"fmt"
	"time"
)

// An ExplainedQuota is one limit of the account.
type ExplainedQuota struct {
	Root string `json:"root"`
	// Of is octets or messages.
	Of      string `json:"of"`
	Used    int64  `json:"used"`
	Limit   int64  `json:"limit"`
	Percent int64  `json:"percent"`
}

// explainQuota tells how full the account is, and what becomes of the notice.
func (s *session) explainQuota(e *Explanation) {
	p := &s.route.Policy
	if !p.NeedsQuota() || s.memory == nil {
		return
	}
	fill := &s.state().Fill
	for _, q := range fill.Limits() {
		of := map[bool]string{true: "messages", false: "octets"}[q.Messages]
		e.Quota = append(e.Quota, ExplainedQuota{q.Root, of, q.Used, q.Limit, q.Percent()})
	}
	q, known := fill.Fullest()
	n := s.memory.view.Notice
	switch full := known && q.Percent() >= int64(p.QuotaWarn); {
	case !s.warns():
	case n.Begun != 0 && n.Dismissed != 0 && (full || !known):
		e.Notice = "not shown: the client deleted it on " + moment(n.Dismissed).Format(time.DateTime)
	case n.Begun != 0 && (full || !known):
		e.Notice = fmt.Sprintf("shown as message %d since %s", len(s.index)+1, moment(n.Begun).Format(time.DateTime))
	case full:
		e.Notice = fmt.Sprintf("would be shown as message %d: %d %% are in use (quota_warn = %d)", len(s.index)+1, q.Percent(), p.QuotaWarn)
	case !known:
		e.Notice = "not shown: the server does not tell how full the account is"
	default:
		e.Notice = fmt.Sprintf("not shown: %d %% are in use (quota_warn = %d)", q.Percent(), p.QuotaWarn)
	}
}
