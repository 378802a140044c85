package memimap

import (
	"slices"
	"strings"

	"github.com/emersion/go-imap/v2"
)

var systemFlags = []imap.Flag{
	imap.FlagSeen, imap.FlagAnswered, imap.FlagFlagged, imap.FlagDeleted, imap.FlagDraft,
}

// Flags and keywords are compared without regard to case (RFC 3501 section
// 2.3.2, RFC 9051 section 2.3.2), and kept as they were first written.

func hasFlag(flags []imap.Flag, flag imap.Flag) bool {
	return slices.ContainsFunc(flags, func(f imap.Flag) bool { return strings.EqualFold(string(f), string(flag)) })
}

// The functions that change a set of flags return a new one.

func withFlags(flags, more []imap.Flag) []imap.Flag {
	set := slices.Clone(flags)
	for _, f := range more {
		if !hasFlag(set, f) {
			set = append(set, f)
		}
	}
	return set
}

func withoutFlags(flags, fewer []imap.Flag) []imap.Flag {
	set := slices.Clone(flags)
	return slices.DeleteFunc(set, func(f imap.Flag) bool { return hasFlag(fewer, f) })
}

func storeFlags(flags []imap.Flag, change *imap.StoreFlags) []imap.Flag {
	switch change.Op {
	case imap.StoreFlagsAdd:
		return withFlags(flags, change.Flags)
	case imap.StoreFlagsDel:
		return withoutFlags(flags, change.Flags)
	default:
		return withFlags(nil, change.Flags)
	}
}

func imapFlags(names []string) []imap.Flag {
	flags := make([]imap.Flag, len(names))
	for i, name := range names {
		flags[i] = imap.Flag(name)
	}
	return flags
}

func flagNames(flags []imap.Flag) []string {
	names := make([]string, len(flags))
	for i, f := range flags {
		names[i] = string(f)
	}
	return names
}
