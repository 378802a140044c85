package admin

import (
	"context"
	"net"
	"os/user"
	"strconv"
)

type peerKey struct{}

// withPeer notes who has connected to the socket, as the system tells it.
func withPeer(ctx context.Context, c net.Conn) context.Context {
	if bounded, ok := c.(*counted); ok {
		c = bounded.Conn
	}
	local, ok := c.(*net.UnixConn)
	if !ok {
		return ctx
	}
	return context.WithValue(ctx, peerKey{}, peerOf(local))
}

// whoAsks is the name of the user at the other end of the socket.
func whoAsks(ctx context.Context) string {
	who, _ := ctx.Value(peerKey{}).(string)
	if who == "" {
		return "unknown"
	}
	return who
}

// nameOf is a user's name, or number if it has none.
func nameOf(uid uint32) string {
	id := strconv.FormatUint(uint64(uid), 10)
	if u, err := user.LookupId(id); err == nil {
		return u.Username
	}
	return "uid " + id
}
