package gateway

import (
	"github.com/restante-mail/restante/pop3"
	"github.com/restante-mail/restante/upstream"
)

// told is what a client hears of each kind of failure upstream: what is wrong
// and what to do, and never the upstream's own words.
var told = map[upstream.Kind]pop3.Error{
	upstream.Unavailable: {Code: pop3.CodeSysTemp, Text: "The mail server does not answer as it should; try again later"},
	upstream.Rejected:    {Code: pop3.CodeAuth, Text: "The mail server does not accept this user name and password"},
	upstream.Denied:      {Code: pop3.CodeSysPerm, Text: "The mail server cannot be used for this account as things are; ask your administrator"},
	upstream.InUse:       {Code: pop3.CodeInUse, Text: "The maildrop is in use by another session; try again later"},
	upstream.Throttled:   {Code: pop3.CodeSysTemp, Text: "The mail server asks for fewer requests; try again in a few minutes"},
	upstream.Gone:        {Text: "The message does not exist any more"},
}

// clientError makes a failure upstream into what the client is told; the cause
// goes along for the log.
func clientError(err error) error {
	e := told[upstream.KindOf(err)]
	e.Err = err
	return &e
}
