package doctor

import (
	"slices"
	"strings"

	"github.com/restante-mail/restante/upstream"
)

// A complaint is what providers say, or are, when a sign-in fails, and what it
// means.
type complaint struct {
	// words of the error, and the end of the server's name; "" for any.
	words, host string
	// kind that the error must be of.
	kind upstream.Kind
	// password: only if that was what signed in.
	password bool
	problem  string
	remedy   string
}

// complaints are tried in order.
var complaints = []complaint{
	{words: "authenticated but not connected", kind: upstream.Denied,
		problem: "Microsoft 365 took the credentials and does not open the mailbox",
		remedy: "look whether the mailbox exists under this very name (a shared one: its own address as the user, with the token of who may open it); " +
			"whether IMAP is on for it (Set-CASMailbox -ImapEnabled $true); and for an application's own token, whether it has IMAP.AccessAsApp, " +
			"a New-ServicePrincipal and Add-MailboxPermission for this mailbox. It is said, too, if there were too many connections at once: wait a few minutes"},
	{words: "application-specific password", kind: upstream.Denied,
		problem: "the provider takes no ordinary password from programs",
		remedy:  "make an app password in the settings of the account (it needs two-step verification), or sign in with OAuth2: restante account authorize"},
	{words: "not enabled for imap", kind: upstream.Denied, problem: "IMAP is switched off for the account",
		remedy: `switch it on in the settings of the account (Gmail: "Forwarding and POP/IMAP")`},
	{words: "imap access is disabled", kind: upstream.Denied, problem: "IMAP is switched off for the account",
		remedy: "switch it on in the settings of the account, or have its administrator do so"},
	{host: ".office365.com", kind: upstream.Rejected, password: true, problem: "Microsoft 365 refuses the password; it takes none from programs any more",
		remedy: "an account with OAuth2: restante account authorize (docs/oauth.md)"},
	{host: ".outlook.com", kind: upstream.Rejected, password: true, problem: "Outlook.com refuses the password; it takes none from programs any more",
		remedy: "an account with OAuth2: restante account authorize (docs/oauth.md)"},
	{host: ".gmail.com", kind: upstream.Rejected, password: true, problem: "Gmail refuses the password; it takes only app passwords, and Workspace none at all",
		remedy: "an app password (it needs two-step verification), or OAuth2: restante account authorize (docs/oauth.md)"},
	{host: ".yahoo.com", kind: upstream.Rejected, password: true, problem: "Yahoo refuses the password; it takes only app passwords",
		remedy: `"Generate app password" in the account's security settings`},
	{host: ".aol.com", kind: upstream.Rejected, password: true, problem: "AOL refuses the password; it takes only app passwords",
		remedy: `"Generate app password" in the account's security settings`},
	{host: ".me.com", kind: upstream.Rejected, password: true, problem: "iCloud refuses the sign-in; it takes only app-specific passwords",
		remedy: `an app-specific password (account.apple.com), and as the user only what stands before the @: identity = "{local}"`},
	{words: "logindisabled", kind: upstream.Denied, problem: "the server takes no password on this connection",
		remedy: "imaps://, or imap:// with STARTTLS; or OAuth2, if it takes tokens only"},
	{kind: upstream.Rejected, password: true, problem: "the server refuses the name or the password",
		remedy: "look whether the server wants the name with or without its domain (identity in [[route]]), and whether the password opens the mailbox in another program; with two-step verification it must be an app password"},
	{kind: upstream.Rejected, problem: "the server refuses the token",
		remedy: "restante account list tells what is known of it; restante account authorize gets another"},
	{kind: upstream.Throttled, problem: "the server asks to be left alone for a while: too many sign-ins, connections or octets",
		remedy: "wait; poll less often (login_delay), and look who else uses the account"},
	{kind: upstream.InUse, problem: "another session holds the mailbox",
		remedy: "wait for it to end; POP3 lets in one at a time"},
}

// failure explains why the examination came to an end.
func (d *Diagnosis) failure(f *Facts) {
	text, host, kind := strings.ToLower(f.Err.Error()), "", upstream.KindOf(f.Err)
	if f.Exam != nil {
		host = strings.ToLower(f.Exam.Host)
	}
	if len(f.Visits) > 0 && !slices.ContainsFunc(f.Visits, func(v upstream.Visit) bool { return v.Err == nil }) {
		return // that was said already
	}
	for _, c := range complaints {
		if c.kind == kind && (!c.password || (f.Exam == nil || !f.Exam.Token)) && strings.Contains(text, c.words) && strings.HasSuffix("."+host, c.host) {
			d.find("sign-in", c.problem+": "+f.Err.Error(), c.remedy)
			return
		}
	}
	d.find("sign-in", f.Err.Error(), "")
}
