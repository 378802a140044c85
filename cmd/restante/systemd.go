package main

import (
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
	"github.com/sirupsen/logrus"
)

// tell tells systemd how things are (Type=notify). Without systemd it does nothing.
func tell(log logrus.FieldLogger, state string) {
	if _, err := daemon.SdNotify(false, state); err != nil {
		log.WithError(err).WithField("state", state).Warn("systemd cannot be told")
	}
}

// watchdog ticks as often as systemd wants to hear that we live (WatchdogSec),
// twice over; nil if it does not. stop is to be called.
func watchdog(log logrus.FieldLogger) (ticks <-chan time.Time, stop func()) {
	every, err := daemon.SdWatchdogEnabled(false)
	if err != nil {
		log.WithError(err).Warn("systemd's watchdog is not heeded")
	}
	if err != nil || every <= 0 {
		return nil, func() {}
	}
	t := time.NewTicker(max(every/2, time.Millisecond))
	return t.C, t.Stop
}
