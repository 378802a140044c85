package audit

import "time"

// Fields are all that lines may hold, as far as somebody looks for it or is told
// of it. A line has some of them.
type Fields struct {
	Chain    string    `json:"chain"`
	Seq      uint64    `json:"seq"`
	Event    string    `json:"event"`
	Time     time.Time `json:"time"`
	Instance string    `json:"instance"`
	Session  string    `json:"session"`
	Listener string    `json:"listener"`
	Client   string    `json:"client"`
	User     string    `json:"user"`
	Base     string    `json:"base"`
	View     string    `json:"view"`

	Number      int    `json:"n"`
	UIDL        string `json:"uidl"`
	Upstream    string `json:"upstream"`
	Host        string `json:"host"`
	Folder      string `json:"folder"`
	UIDValidity uint32 `json:"uidvalidity"`
	UID         uint32 `json:"uid"`
	MessageID   string `json:"message_id"`
	From        string `json:"from"`
	Subject     string `json:"subject"`
	Octets      int64  `json:"octets"`
	SHA256      string `json:"sha256"`
	Sent        bool   `json:"sent"`
	Complete    bool   `json:"complete"`

	Identity  string  `json:"identity"`
	Result    string  `json:"result"`
	Method    string  `json:"method"`
	TLS       any     `json:"tls"` // the version, or whether there is TLS
	Cipher    string  `json:"cipher"`
	Warm      bool    `json:"warm"`
	Policy    string  `json:"policy"`
	Do        string  `json:"do"`
	Target    string  `json:"target"`
	Cause     string  `json:"cause"`
	Why       string  `json:"why"`
	Dry       bool    `json:"dry"`
	End       string  `json:"end"`
	Seconds   float64 `json:"seconds"`
	Error     string  `json:"error"`
	Text      string  `json:"text"`
	Detail    string  `json:"detail"`
	Limit     any     `json:"limit"` // a setting's name, or octets
	Action    string  `json:"action"`
	Actor     string  `json:"actor"`
	Program   string  `json:"program"`
	Reason    string  `json:"reason"`
	Lifted    bool    `json:"lifted"`
	Percent   int     `json:"percent"`
	Lines     int     `json:"lines"`
	Messages  int     `json:"messages"`
	Hidden    int     `json:"hidden"`
	Retrieved int     `json:"retrieved"`
	Deleted   int     `json:"deleted"`
	Changed   int     `json:"changed"`
	Failed    int     `json:"failed"`
}

// account is whose it is.
func (f *Fields) account() string {
	if f.Base != "" {
		return f.Base
	}
	return f.User
}
