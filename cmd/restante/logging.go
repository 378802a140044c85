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
	log.SetFormatter(&lineFormatter{logrus.TextFormatter{FullTimestamp: true}})
}

// lineFormatter writes a line for each entry, whatever is in it: in color, for a
// terminal, logrus quotes fields and not the message.
type lineFormatter struct{ logrus.TextFormatter }

// Format implements logrus.Formatter.
func (f *lineFormatter) Format(e *logrus.Entry) ([]byte, error) {
	if quoted := printable(e.Message); quoted != e.Message {
		escaped := *e
		escaped.Message = quoted[1 : len(quoted)-1]
		e = &escaped
	}
	return f.TextFormatter.Format(e)
}
