package gateway

import (
	"github.com/restante-mail/restante/audit"
	"github.com/restante-mail/restante/pop3"
)

// tallied is a body that is counted and not described: nobody keeps what it is
// called or holds, so nothing is spent on finding that out.
type tallied struct {
	*body
	lines int // of TOP; negative for RETR
}

// Done implements pop3.Body.
func (b *tallied) Done(d pop3.Delivery) {
	b.body.Done(d)
	s := b.session
	if !b.whole {
		s.gateway.Recorder.Record(&audit.Top{Header: s.header(), Lines: b.lines, Octets: d.Octets})
		return
	}
	s.gateway.Recorder.Record(&audit.Retrieval{Header: s.header(), Octets: d.Octets, Sent: d.Whole, Complete: d.Proven})
}
