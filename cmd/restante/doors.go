package main

import (
	"errors"
	"fmt"
	"net"

	"github.com/restante-mail/restante/admin"
	"github.com/restante-mail/restante/config"
)

// A door is where administrators ask: the socket, or the address of metrics and
// health. One that a reload needs is opened beside the one in use, and takes
// its place only if the reload succeeds.
type door struct {
	at      string // as configured; "" is no door
	serving *admin.Door

	nextAt string
	next   net.Listener // opened and not yet in use; nil if the door stays
}

// openDoors opens what the configuration asks for and is not there yet.
func (s *service) openDoors(a config.Admin) error {
	if err := s.socket.open(a.Socket, admin.ListenSocket); err != nil {
		return err
	}
	return s.web.open(a.Listen, func(address string) (net.Listener, error) {
		l, err := net.Listen("tcp", address)
		if err != nil {
			return nil, fmt.Errorf("metrics and health: %w", err)
		}
		return l, nil
	})
}

func (d *door) open(at string, listen func(string) (net.Listener, error)) (err error) {
	d.nextAt = at
	if at != "" && at != d.at {
		d.next, err = listen(at)
	}
	return err
}

// closeNewDoors is for a reload that failed.
func (s *service) closeNewDoors() error { return errors.Join(s.socket.giveUp(), s.web.giveUp()) }

func (d *door) giveUp() (err error) {
	if d.next != nil {
		err = d.next.Close()
		d.next = nil
	}
	return err
}

// useDoors answers at what was opened, and closes what is not wanted any more.
func (s *service) useDoors(a config.Admin) {
	for _, d := range []struct {
		*door
		serve func(net.Listener) *admin.Door
	}{{&s.socket, s.admin.ServeSocket}, {&s.web, s.admin.ServeWeb}} {
		before := d.serving
		if err := d.use(d.serve); err != nil {
			s.log.WithError(err).Warn("closing an address of the administrator's")
		}
		if d.serving != nil && d.serving != before {
			s.log.WithField("address", d.serving.Addr().String()).Info("administrators are answered")
		}
		if d.serving != nil {
			d.serving.SetProfiles(a.Pprof)
		}
	}
}

func (d *door) use(serve func(net.Listener) *admin.Door) (err error) {
	if d.at == d.nextAt {
		return nil
	}
	err = d.close()
	d.at = d.nextAt
	if d.next != nil {
		d.serving, d.next = serve(d.next), nil
	}
	return err
}

func (d *door) close() (err error) {
	if d.serving != nil {
		err = d.serving.Close()
		d.serving = nil
	}
	return err
}

// closeDoors is the last of a process: its end can be watched.
func (s *service) closeDoors() error { return errors.Join(s.socket.close(), s.web.close()) }
