package admin

import (
	"errors"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/restante-mail/restante/audit"
)

// scraped is what Prometheus would read.
func scraped(t *testing.T, m *Metrics) string {
	t.Helper()
	w := httptest.NewRecorder()
	m.handler.ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	if w.Code != 200 {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	return w.Body.String()
}

// Every kind of fact is counted, under labels that name no user.
func TestFacts(t *testing.T) {
	m := NewMetrics("1", (&played{}).process())
	head := audit.Header{Session: "s", Listener: "main", User: "secretive", Base: "secretive"}
	for _, e := range []audit.Event{
		&audit.SessionStarted{Header: head},
		&audit.TLSStarted{Header: head, TLS: "TLS 1.3"},
		&audit.SignIn{Header: head, Result: audit.ResultOK, Method: "USER", Warm: true},
		&audit.SignIn{Header: head, Result: audit.ResultRejected, Method: "PLAIN"},
		&audit.Listing{Header: head, Messages: 7, Hidden: 3},
		&audit.Retrieval{Header: head, Octets: 100, Sent: true, Complete: true},
		&audit.Retrieval{Header: head, Octets: 50, Sent: true},
		&audit.Retrieval{Header: head, Octets: 5},
		&audit.Top{Header: head},
		&audit.Deletion{Header: head},
		&audit.Decision{Header: head, Policy: "p", Cause: audit.CauseDelete, Do: "hide", Dry: true},
		&audit.Outcome{Header: head, Policy: "p", Cause: audit.CauseRetention, Do: "expunge", Result: audit.OutcomeDone},
		&audit.Alert{Header: head, Policy: "p"},
		&audit.Quota{Header: head, Action: "warn"},
		&audit.LimitHit{Header: head, Limit: "connections"},
		&audit.Banned{Header: head, Lifted: true},
		&audit.Reloaded{Header: head},
		&audit.Admin{Header: head, Action: audit.ActionKick, OK: true},
		&audit.SessionEnded{Header: head, End: "quit", Seconds: 2, In: 10, Out: 200},
	} {
		m.Record(e)
	}
	text := scraped(t, m)
	for _, want := range []string{
		`restante_connections_total{listener="main"} 1`,
		`restante_tls_handshakes_total{resumed="no",version="TLS 1.3"} 1`,
		`restante_sign_ins_total{connection="warm",method="USER",result="ok"} 1`,
		`restante_sign_ins_total{connection="new",method="PLAIN",result="rejected"} 1`,
		`restante_listed_messages_total 7`, `restante_hidden_messages_total 3`,
		`restante_retrievals_total{result="complete"} 1`, `restante_retrievals_total{result="sent"} 1`, `restante_retrievals_total{result="partial"} 1`,
		`restante_retrieved_octets_total 155`, `restante_tops_total 1`, `restante_deletions_asked_total 1`,
		`restante_decisions_total{cause="delete",do="hide",dry="yes",policy="p"} 1`,
		`restante_removals_total{cause="retention",do="expunge",policy="p",result="done"} 1`,
		`restante_alerts_total{policy="p"} 1`, `restante_quota_actions_total{action="warn"} 1`,
		`restante_limits_hit_total{limit="connections"} 1`, `restante_bans_total{change="lifted"} 1`,
		`restante_config_reloads_total{result="failed"} 1`, `restante_admin_actions_total{action="kick",result="ok"} 1`,
		`restante_sessions_ended_total{end="quit",listener="main"} 1`, `restante_session_seconds_count 1`,
		`restante_client_received_octets_total 10`, `restante_client_sent_octets_total 200`,
	} {
		if !strings.Contains(text, want+"\n") {
			t.Errorf("there is no %s", want)
		}
	}
	if strings.Contains(text, "secretive") {
		t.Error("a user's name is in a metric")
	}
}

func TestWhatIsTold(t *testing.T) {
	m := NewMetrics("1", (&played{sessions: three()}).process())
	m.Command("RETR", "ok", time.Second)
	m.Command("XYZZY", "ok", time.Second) // of a later version
	m.Dialed("u", time.Second, nil)
	m.Dialed("u", time.Second, errors.New("refused"))
	m.Opened("u", true, "ok", time.Second)
	m.Opened("u", false, "rejected", time.Second)
	m.Listed("u", "remembered")
	m.Read(time.Second, nil)
	m.Wrote(time.Second, errors.New("full"))
	text := scraped(t, m)
	for _, want := range []string{
		`restante_command_seconds_count{command="RETR",result="ok"} 1`, `restante_command_seconds_count{command="other",result="ok"} 1`,
		`restante_upstream_dial_seconds_count{result="ok",upstream="u"} 1`, `restante_upstream_dial_seconds_count{result="failed",upstream="u"} 1`,
		`restante_upstream_open_seconds_count{connection="warm",result="ok",upstream="u"} 1`,
		`restante_upstream_open_seconds_count{connection="new",result="rejected",upstream="u"} 1`,
		`restante_upstream_listings_total{how="remembered",upstream="u"} 1`,
		`restante_store_read_seconds_count{result="ok"} 1`, `restante_store_write_seconds_count{result="failed"} 1`,
		`restante_connections{listener="main",state="authorization"} 1`, `restante_connections{listener="main",state="update"} 1`,
		`restante_upstream_connections{state="in use",upstream="u"} 2`, `restante_upstream_read_ahead_wasted_octets_total{upstream="u"} 7`,
		`restante_store_octets 9`, `restante_certificate_expiry_timestamp_seconds{file="c.pem"} 4e+09`,
		`restante_audit_dropped_total{sink="file"} 1`, `restante_config_last_reload_successful 1`,
	} {
		if !strings.Contains(text, want+"\n") {
			t.Errorf("there is no %s", want)
		}
	}
}

// What is counted for every command and every message makes no garbage.
func TestCountingCostsNoMemory(t *testing.T) {
	m := NewMetrics("1", (&played{}).process())
	e := &audit.Retrieval{Sent: true, Complete: true, Octets: 7}
	n := testing.AllocsPerRun(100, func() {
		m.Command("RETR", "ok", time.Millisecond)
		m.Record(e)
	})
	if n != 0 {
		t.Errorf("%v allocations", n)
	}
}
