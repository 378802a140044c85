package main

import (
	"github.com/sirupsen/logrus"

	"github.com/restante-mail/restante/config"
)

// setLog makes the log as the configuration wants it. The values were checked.
func setLog(log *logrus.Logger, c config.Log) {
	if level, err := logrus.ParseLevel(c.Level); err == nil {
		log.SetLevel(level)
	}
	if c.Format == "json" {
		log.SetFormatter(&logrus.JSONFormatter{})
		return
	}
	log.SetFormatter(&logrus.TextFormatter{FullTimestamp: true})
}
