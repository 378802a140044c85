package pop3

import (
	"slices"
	"strings"
)

// secrecy is how much of a command's argument is secret.
type secrecy uint8

const (
	nothingSecret secrecy = iota
	allSecret             // PASS
	namedSecret           // AUTH: all but the mechanism
)

const masked = "****"

// traceCommand shows a command to who wants to see it, with its secrets masked. Of
// what is not a command nothing is shown: it may be a password that was typed
// too early, or a token that was sent after a refusal.
func (c *conn) traceCommand(cmd *command, valid bool, verb, rest []byte) {
	if c.server.Hooks.Command == nil && c.w.watcher == nil {
		return
	}
	switch {
	case !valid:
		c.trace("(unknown) " + masked)
	case rest == nil:
		c.trace(string(verb))
	default:
		c.trace(string(verb) + " " + cmd.secret.mask(string(rest)))
	}
}

// mask hides what is secret of an argument. A mechanism's name is shown, and
// nothing that could be a secret in its place.
func (s secrecy) mask(arg string) string {
	switch s {
	case allSecret:
		return masked
	case namedSecret:
		name, _, more := strings.Cut(strings.Trim(arg, " \t"), " ")
		switch {
		case !slices.Contains(defaultMechanisms, strings.ToUpper(name)):
			return masked
		case more:
			return name + " " + masked
		}
		return name
	}
	return arg
}

// trace shows a line without secrets to Hooks.Command and to the Watcher.
func (c *conn) trace(line string) {
	if c.server.Hooks.Command == nil && c.w.watcher == nil {
		return
	}
	line = printable(line, maxReply)
	if c.server.Hooks.Command != nil {
		c.server.Hooks.Command(c.peer, line)
	}
	if c.w.watcher != nil {
		c.w.watcher.Heard(line)
	}
}
