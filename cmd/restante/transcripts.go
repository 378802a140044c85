package main

import (
	"time"

	"github.com/restante-mail/restante/audit"
	"github.com/restante-mail/restante/config"
	"github.com/restante-mail/restante/gateway"
)

// transcripts are a configuration's rules, and the folders that they lead to.
type transcripts struct {
	rules   []gateway.TranscriptRule
	folders map[transcriptFolder]*audit.TranscriptFolder
}

// transcriptFolder is what makes two rules' folders the same.
type transcriptFolder struct {
	path           string
	total, session int64
	keep           time.Duration
}

// openTranscripts makes the folders. One whose time is over is not needed.
func openTranscripts(c *config.Snapshot) (all transcripts, err error) {
	all.folders = map[transcriptFolder]*audit.TranscriptFolder{}
	for _, t := range c.Transcripts {
		if !time.Now().Before(t.Until) {
			continue
		}
		key := transcriptFolder{t.Folder, t.Total, t.Session, t.Keep}
		if all.folders[key] == nil {
			folder, err := audit.NewTranscriptFolder(t.Folder, t.Total, t.Session, t.Keep)
			if err != nil {
				all.close()
				return all, err
			}
			all.folders[key] = folder
		}
		rule := gateway.TranscriptRule{Folder: all.folders[key], Until: t.Until, Client: t.OfClient}
		if t.NeedsLogin() {
			rule.Login = t.OfLogin
		}
		all.rules = append(all.rules, rule)
	}
	return all, nil
}

// close is called when no more sessions begin. Those that are being written down
// go on.
func (t transcripts) close() {
	for _, folder := range t.folders {
		folder.Close()
	}
}
