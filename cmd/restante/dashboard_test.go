package main

import (
	"encoding/json"
	"io"
	"maps"
	"net"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/VictoriaMetrics/metricsql"

	"github.com/restante-mail/restante/audit"
	"github.com/restante-mail/restante/pop3"
	"github.com/restante-mail/restante/secret"
)

// exposed are the labels of each series name that a scrape has.
type exposed map[string]map[string]bool

var (
	series = regexp.MustCompile(`^([a-z_:]+)(?:\{(.*)\})? [0-9.eE+-]+$`)
	label  = regexp.MustCompile(`([a-z_]+)="(?:[^"\\]|\\.)*"`)
)

func parseScrape(t *testing.T, text string) exposed {
	t.Helper()
	all := exposed{}
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		if strings.HasPrefix(line, "#") {
			continue
		}
		m := series.FindStringSubmatch(line)
		if m == nil {
			t.Fatalf("not a series: %q", line)
		}
		if all[m[1]] == nil {
			// Prometheus adds these to whatever it scrapes.
			all[m[1]] = map[string]bool{"__name__": true, "instance": true, "job": true}
		}
		for _, l := range label.FindAllStringSubmatch(m[2], -1) {
			all[m[1]][l[1]] = true
		}
	}
	return all
}

// eventful makes the service do all that there is a metric for.
func eventful(t *testing.T) (w *watched, scraped string) {
	t.Helper()
	w = watch(t, "[admin]\nlisten = \"127.0.0.1:0\"\n[[route]]\npolicy = \"keep\"\nviews = [\"dry\"]\nview_policy = { dry = \"p\" }\n[policy.p]\ndry_run = true\n[limits]\nbad_commands = 1\n[audit]\nfile = \"audit.jsonl\"\n[oauth.id]\nissuer = \"https://id.example.com\"\nclient_id = \"x\"\n")
	poll(t, w, "alice")
	poll(t, w, "alice+dry")
	badPassword(t, w.client(t))
	babble(t, w)
	w.reloaded(w.running.live.Reload())
	w.signedIn(t)
	if out, err := command(t, "sessions", "kick", "--user", "alice", "--socket", w.socket); err != nil {
		t.Fatal(out, err)
	}
	w.log.await(t, "end=kicked")
	for _, e := range []audit.Event{ // what takes more to provoke
		&audit.Alert{Policy: "p"}, &audit.Quota{Action: "warn"},
	} {
		w.admin.Metrics().Record(e)
	}
	_, scraped = w.scrape(t, "/metrics")
	return w, scraped
}

// poll does what a client does, over TLS.
func poll(t *testing.T, w *watched, user string) {
	t.Helper()
	c := w.client(t)
	if err := c.StartTLS(t.Context(), untrusting()); err != nil {
		t.Fatal(err)
	}
	if err := c.Login(t.Context(), user, secret.New("open sesame")); err != nil {
		t.Fatal(err)
	}
	body, err := c.Retr(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, body); err != nil {
		t.Fatal(err)
	}
	top, err := c.Top(t.Context(), 2, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, top); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Dele(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	if err := c.Quit(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func badPassword(t *testing.T, c *pop3.Client) {
	t.Helper()
	if err := c.Login(t.Context(), "alice", secret.New("open barley")); err == nil {
		t.Fatal("a wrong password is good")
	}
}

// babble runs into the limit of bad commands.
func babble(t *testing.T, w *watched) {
	t.Helper()
	conn, err := net.Dial("tcp", w.at("127.0.0.1:0"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, "EHLO there\r\n"); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadAll(conn); err != nil {
		t.Fatal(err)
	}
	w.log.await(t, `end="bad commands"`)
}

// A query of the dashboard, and where it stands.
type query struct{ panel, text string }

func dashboard(t *testing.T) (all []query) {
	t.Helper()
	data, err := os.ReadFile("../../docs/grafana/restante.json")
	if err != nil {
		t.Fatal(err)
	}
	var d struct {
		Panels []struct {
			ID      int
			Title   string
			Targets []struct{ Expr string }
		}
	}
	if err := json.Unmarshal(data, &d); err != nil {
		t.Fatal(err)
	}
	ids := map[int]bool{}
	for _, p := range d.Panels {
		if ids[p.ID] {
			t.Errorf("two panels have the number %d", p.ID)
		}
		ids[p.ID] = true
		for _, target := range p.Targets {
			all = append(all, query{p.Title, target.Expr})
		}
	}
	return all
}

// alerts are the expressions of the alerting rules, each on a line of its own.
func alerts(t *testing.T) (all []query) {
	t.Helper()
	data, err := os.ReadFile("../../docs/grafana/alerts.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(data)) {
		if text, found := strings.CutPrefix(strings.TrimSpace(line), "expr: "); found {
			all = append(all, query{"alerts.yaml", text})
		}
	}
	if rules := strings.Count(string(data), "- alert: "); rules != len(all) || rules == 0 {
		t.Errorf("%d expressions for %d rules", len(all), rules)
	}
	return all
}

// TestDashboard: every query, and every alerting rule, parses and asks for series
// and labels that a running Restante has.
func TestDashboard(t *testing.T) {
	w, text := eventful(t)
	for _, name := range []string{"alice", "open sesame", w.upstream} {
		if strings.Contains(text, name) {
			t.Errorf("%q is in the metrics", name)
		}
	}
	there := parseScrape(t, text)
	there["up"] = map[string]bool{"__name__": true, "instance": true, "job": true} // of Prometheus itself
	for _, q := range alerts(t) {
		there.check(t, q, map[string]bool{})
	}
	queries := dashboard(t)
	if len(queries) < 40 {
		t.Errorf("only %d queries", len(queries))
	}
	used := map[string]bool{}
	for _, q := range queries {
		there.check(t, q, used)
	}
	there.documented(t)
	if !strings.Contains(text, `restante_config_reloads_total{result="ok"} 1`+"\n") {
		t.Error("the reload was not counted")
	}
	if !strings.Contains(text, `restante_retrievals_total{result="complete"} 2`+"\n") || !strings.Contains(text, "restante_retrieved_octets_total 60\n") {
		t.Error("two retrievals of 30 octets each were not counted as such")
	}
	for _, name := range slices.Sorted(maps.Keys(there)) {
		family := regexp.MustCompile(`_(bucket|sum|count)$`).ReplaceAllString(name, "")
		if strings.HasPrefix(name, "restante_") && !used[family] {
			t.Errorf("no query shows %s", name)
		}
	}
}

// documented: docs/operations.md has a row for each metric, with its labels.
func (there exposed) documented(t *testing.T) {
	t.Helper()
	data, err := os.ReadFile("../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	for name, labels := range there {
		name = regexp.MustCompile(`_(bucket|sum|count)$`).ReplaceAllString(name, "")
		at := strings.Index(string(data), "`"+name+"`")
		if !strings.HasPrefix(name, "restante_") {
			continue
		}
		if at < 0 {
			t.Errorf("docs/operations.md says nothing of %s", name)
			continue
		}
		row, _, _ := strings.Cut(string(data[at:]), "\n")
		_, row, _ = strings.Cut(row, "|")
		for l := range labels {
			if !slices.Contains([]string{"__name__", "instance", "job", "le"}, l) && !strings.Contains(row, l) {
				t.Errorf("docs/operations.md does not say that %s has the label %s", name, l)
			}
		}
	}
}

func (there exposed) check(t *testing.T, q query, used map[string]bool) {
	t.Helper()
	text := strings.NewReplacer("$__rate_interval", "5m", "$instance", ".*").Replace(q.text)
	parsed, err := metricsql.Parse(text)
	if err != nil {
		t.Errorf("%s: %s: %v", q.panel, q.text, err)
		return
	}
	var groups []string
	labels := map[string]bool{"le": false}
	metricsql.VisitAll(parsed, func(e metricsql.Expr) {
		switch e := e.(type) {
		case *metricsql.MetricExpr:
			maps.Copy(labels, there.checkSeries(t, q, e, used))
		case *metricsql.AggrFuncExpr:
			groups = append(groups, e.Modifier.Args...)
		}
	})
	for _, group := range groups {
		if !labels[group] {
			t.Errorf("%s: %s: the series have no label %s", q.panel, q.text, group)
		}
	}
}

func (there exposed) checkSeries(t *testing.T, q query, e *metricsql.MetricExpr, used map[string]bool) (labels map[string]bool) {
	t.Helper()
	for _, filters := range e.LabelFilterss {
		name := filters[0].Value
		labels = there[name]
		if labels == nil {
			t.Errorf("%s: %s: there is no series %s", q.panel, q.text, name)
			continue
		}
		used[regexp.MustCompile(`_(bucket|sum|count)$`).ReplaceAllString(name, "")] = true
		for _, f := range filters {
			if !labels[f.Label] {
				t.Errorf("%s: %s: %s has no label %s", q.panel, q.text, name, f.Label)
			}
		}
	}
	return labels
}
