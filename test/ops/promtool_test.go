//go:build tools

package ops

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// tool runs a tool that scripts/ops-tools.sh gets; it has to be there.
func tool(t *testing.T, stdin, dir, name string, args ...string) string {
	t.Helper()
	local, err := filepath.Abs(filepath.Join(root, "out/tools/usr/bin", name))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(local); err == nil && filepath.Base(name) == name {
		name = local
	}
	cmd := exec.Command(name, args...)
	cmd.Dir, cmd.Stdin = dir, strings.NewReader(stdin)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

func TestPromtoolAcceptsMetrics(t *testing.T) {
	tool(t, scrape(t, start(t, everything)), ".", "promtool", "check", "metrics")
}

func TestPromtoolAcceptsRulesAndTheirTests(t *testing.T) {
	dir := filepath.Join(root, "deploy/prometheus")
	tool(t, "", dir, "promtool", "check", "config", "prometheus.yml")
	tool(t, "", dir, "promtool", "check", "rules", "rollcall.rules.yml")
	tool(t, "", dir, "promtool", "test", "rules", "rollcall.rules.test.yml")
}

// Each query of the dashboard is a rule to promtool, with what Grafana fills in.
func TestPromtoolAcceptsQueriesOfTheDashboard(t *testing.T) {
	raw, err := os.ReadFile(filepath.Join(root, "deploy/grafana/rollcall.json"))
	if err != nil {
		t.Fatal(err)
	}
	var board struct {
		Panels []struct{ Targets []struct{ Expr string } }
	}
	if err := json.Unmarshal(raw, &board); err != nil {
		t.Fatal(err)
	}
	type rule struct {
		Record string `json:"record"`
		Expr   string `json:"expr"`
	}
	var rules []rule
	for _, p := range board.Panels {
		for _, target := range p.Targets {
			expr := strings.NewReplacer("$__rate_interval", "1m", "$instance", ".*").Replace(target.Expr)
			rules = append(rules, rule{fmt.Sprintf("query:%d", len(rules)), expr})
		}
	}
	file := filepath.Join(t.TempDir(), "queries.yml")
	body, err := json.Marshal(map[string]any{"groups": []any{map[string]any{"name": "dashboard", "rules": rules}}}) // JSON is YAML
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, body, 0o600); err != nil {
		t.Fatal(err)
	}
	tool(t, "", ".", "promtool", "check", "rules", file)
	if len(rules) < 30 {
		t.Errorf("%d queries only", len(rules))
	}
}
