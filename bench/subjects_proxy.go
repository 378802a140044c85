package main

import (
	"fmt"

	"github.com/restante-mail/restante/peertest"
)

const (
	nginxName     = "nginx"
	loginName     = "Dovecot login proxy"
	perditionName = "perdition"
	// bestName is whoever of the others was best in a round.
	bestName = "the best"
)

// passers are servers that pass POP3 through to the same Dovecot's pop3d.
// Ratios are Restante's, the last.
func passers(s *stage, u upstream) []subject {
	return []subject{
		passer(s, nginxName, peertest.Nginx, u), loginProxy(s, u), passer(s, perditionName, peertest.Perdition, u), ourProxy(s, u),
	}
}

// passer has one of its kind nearby and one at the end of the line.
func passer(s *stage, name string, start func(peertest.T, string) *peertest.Passer, u upstream) subject {
	near, far := start(s, u.POP3Addr()), start(s, u.line.pop3.Addr())
	return subject{
		name:  name,
		plain: place{addr: near.POP3}, tls: place{near.POP3S, trusting(s, near.CA)}, far: place{addr: far.POP3},
		gateway: near.PID, secure: near.SecurePID, server: near.PID,
	}
}

func loginProxy(s *stage, u upstream) subject {
	start := func(addr string) *peertest.DovecotServer { return peertest.Dovecot(s, peertest.WithPOP3Proxy(addr)) }
	near, far := start(u.POP3Addr()), start(u.line.pop3.Addr())
	return subject{
		name:  loginName,
		plain: place{addr: near.POP3Addr()}, tls: place{near.POP3SAddr(), trusting(s, near.Certificate.CA)}, far: place{addr: far.POP3Addr()},
		gateway: near.PID(), secure: near.PID(), server: near.PID(),
	}
}

func ourProxy(s *stage, u upstream) subject {
	binary := peertest.BuildRestante(s, false)
	start := func(addr string) started {
		r := peertest.Restante(s, binary, peertest.For(fmt.Sprintf("pop3://%s", addr), "neutral = true"))
		return started{r, place{addr: r.POP3}, place{r.POP3S, trusting(s, r.CA)}}
	}
	near, far := start(u.POP3Addr()), start(u.line.pop3.Addr())
	return subject{
		name:  oursName,
		plain: near.plain, tls: near.tls, far: far.plain,
		gateway: near.PID(), secure: near.PID(), server: near.PID(),
		start: func() started { return start(u.POP3Addr()) },
	}
}
