package proxy

import (
	"context"

	"github.com/restante-mail/restante/upstream"
)

// A count is what STAT said.
type count struct {
	messages int
	octets   int64
}

// Count implements upstream.Counter: it costs a STAT. Of a server whose STAT
// was found to disagree with its LIST only the listing is believed.
func (m *Mailbox) Count(ctx context.Context) (messages int, octets int64, ok bool, err error) {
	if m.listing != nil || m.counted == nil && m.upstream.caps.knows(m.line.address).wrongStat {
		return 0, 0, false, nil
	}
	if m.counted == nil {
		err = m.attempt(ctx, func() error {
			n, octets, err := m.line.Stat(ctx)
			m.counted = &count{n, octets}
			return err
		})
	}
	if err != nil {
		m.counted = nil
		return 0, 0, false, &upstream.Error{Kind: kindOf(err, updating), Doing: "count the messages", Err: err}
	}
	return m.counted.messages, m.counted.octets, true, nil
}

// compare looks whether STAT told the truth.
func (m *Mailbox) compare() {
	if m.counted == nil {
		return
	}
	listed := count{messages: len(m.listing.messages)}
	for i := range m.listing.messages {
		listed.octets += m.listing.messages[i].Size
	}
	if listed == *m.counted {
		return
	}
	m.upstream.caps.learn(m.line.address, func(f *facts) { f.wrongStat = true })
	m.upstream.options.Log.WithField("session", m.login.Session).
		Warnf("POP3 upstream said %d messages of %d octets to STAT, and then listed %d of %d; its STAT is not used any more",
			m.counted.messages, m.counted.octets, listed.messages, listed.octets)
}
