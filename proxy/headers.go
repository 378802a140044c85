package proxy

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/restante-mail/restante/pop3"
)

const (
	// maxHeader is how much of a header names its message.
	maxHeader = 256 << 10
	// headersAtOnce are the TOPs under way.
	headersAtOnce = 64
)

// volatile are the fields that servers write themselves when a message was read.
var volatile = [][]byte{
	[]byte("status:"), []byte("x-status:"), []byte("x-uid:"), []byte("x-uidl:"), []byte("x-keywords:"),
	[]byte("x-imap:"), []byte("x-imapbase:"), []byte("content-length:"), []byte("lines:"),
}

// listByHeaders names messages by a hash of their headers, for a server without
// UIDL. Without TOP too they have no names.
func (m *Mailbox) listByHeaders(ctx context.Context, sizes []pop3.Listed) (*listing, error) {
	names := make([]pop3.Identified, 0, len(sizes))
	rest := sizes
	m.noTop = m.noTop || m.line.caps != nil && !m.line.caps.Has("TOP")
	for len(rest) > 0 && !m.noTop {
		n := 1
		if m.line.Pipelining() && len(names) > 0 {
			n = min(headersAtOnce, len(rest))
		}
		some, err := m.headers(ctx, rest[:n])
		if m.topIsMissing(err) && len(names) == 0 {
			m.noTop = true
			break
		}
		if err != nil {
			return nil, err
		}
		names, rest = append(names, some...), rest[n:]
	}
	if m.noTop {
		return newListing(sizes, nil, numbered)
	}
	return newListing(sizes, names, numbered)
}

// topIsMissing tells whether an error says that the server has no TOP.
func (m *Mailbox) topIsMissing(err error) bool {
	var refused *pop3.ReplyError
	return errors.As(err, &refused) && refused.Code == "" && !m.line.caps.Has("TOP")
}

// numbered: equal headers get a suffix.
func numbered(said string, occurrence int) string { return fmt.Sprintf("%s.%d", said, occurrence+1) }

func (m *Mailbox) headers(ctx context.Context, of []pop3.Listed) (names []pop3.Identified, err error) {
	asks := make([]pop3.Ask, len(of))
	for i, listed := range of {
		asks[i] = pop3.Ask{Number: listed.Number}
	}
	if err := m.line.Ask(ctx, asks...); err != nil {
		return nil, err
	}
	for _, a := range asks {
		name, readErr := m.headerName(ctx)
		if readErr != nil && m.line.Err() != nil {
			return nil, readErr
		}
		err = errors.Join(err, readErr)
		names = append(names, pop3.Identified{Number: a.Number, UIDL: name})
	}
	return names, err
}

// headerName reads the next header.
func (m *Mailbox) headerName(ctx context.Context) (string, error) {
	body, err := m.line.Next(ctx)
	if err != nil {
		return "", err
	}
	header, err := io.ReadAll(io.LimitReader(body, maxHeader))
	if err != nil {
		return "", err
	}
	if err := body.CloseWithin(maxMessage); err != nil {
		return "", err
	}
	return hashHeader(header), nil
}

// hashHeader is the same whatever a server's line ends are, and whether the
// message was read.
func hashHeader(header []byte) string {
	sum, skip := sha256.New(), false
	for line := range bytes.Lines(header) {
		line = bytes.TrimRight(line, "\r\n")
		if len(line) == 0 {
			break
		}
		if line[0] != ' ' && line[0] != '\t' {
			lower := bytes.ToLower(line[:min(len(line), 32)])
			skip = slices.ContainsFunc(volatile, func(name []byte) bool { return bytes.HasPrefix(lower, name) })
		}
		if !skip {
			_, _ = sum.Write(line)
			_, _ = sum.Write([]byte{'\n'})
		}
	}
	return hex.EncodeToString(sum.Sum(nil)[:16])
}
