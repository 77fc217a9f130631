package ops

import (
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/rollcall-rtc/rollcall/internal/server"
)

func scrape(t *testing.T, s *server.Server) string {
	t.Helper()
	resp, err := http.Get("http://" + s.MetricsAddr().String() + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%d %v %s", resp.StatusCode, err, text)
	}
	return string(text)
}

// everything is a server with all that has metrics.
const everything = "prometheus: {port: -1}\nturn: {enabled: true, udp_port: -1}\n"

// whenTheyHappen are the metrics that have no series before their first event.
var whenTheyHappen = []string{"rollcall_joins_aborted_total", "rollcall_participants_left_total", "rollcall_ice_connections"}

// exposed are the names of what a scrape shows.
func exposed(text string) map[string]bool {
	names := map[string]bool{}
	for _, name := range whenTheyHappen {
		names[name] = true
	}
	for _, m := range regexp.MustCompile(`(?m)^([a-z_]+)[{ ]`).FindAllStringSubmatch(text, -1) {
		names[m[1]] = true
	}
	return names
}

var metricName = regexp.MustCompile(`\b(rollcall|process|go)_[a-z_]+\b`)

func TestAlertsAndDashboardAskForMetricsThatThereAre(t *testing.T) {
	there := exposed(scrape(t, start(t, everything)))
	for _, file := range []string{"deploy/prometheus/rollcall.rules.yml", "deploy/prometheus/rollcall.rules.test.yml", "deploy/grafana/rollcall.json"} {
		text, err := os.ReadFile(filepath.Join(root, file))
		if err != nil {
			t.Fatal(err)
		}
		asked := map[string]bool{}
		for _, name := range metricName.FindAllString(string(text), -1) {
			asked[name] = true
		}
		if len(asked) < 10 {
			t.Errorf("%s asks for %d metrics only", file, len(asked))
		}
		for _, name := range slices.Sorted(maps.Keys(asked)) {
			if !there[name] {
				t.Errorf("%s asks for %s, which there is not", file, name)
			}
		}
	}
}

func TestDocumentationNamesEveryMetric(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(root, "docs/operations.md"))
	if err != nil {
		t.Fatal(err)
	}
	for name := range exposed(scrape(t, start(t, everything))) {
		for _, suffix := range []string{"_bucket", "_sum", "_count"} {
			name = strings.TrimSuffix(name, suffix)
		}
		if strings.HasPrefix(name, "rollcall_") && !strings.Contains(string(text), name) {
			t.Errorf("docs/operations.md does not name %s", name)
		}
	}
}

func TestDashboardIsWhatGrafanaImports(t *testing.T) {
	raw, err := os.ReadFile(filepath.Join(root, "deploy/grafana/rollcall.json"))
	if err != nil {
		t.Fatal(err)
	}
	var board struct {
		Title, UID string
		Panels     []struct {
			ID      int
			Title   string
			Type    string
			GridPos struct{ X, Y, W, H int }
			Targets []struct{ Expr string }
		}
	}
	if err := json.Unmarshal(raw, &board); err != nil {
		t.Fatal(err)
	}
	seen := map[int]bool{}
	for _, p := range board.Panels {
		if seen[p.ID] || p.ID == 0 {
			t.Errorf("panel %q has the id %d, as another one", p.Title, p.ID)
		}
		seen[p.ID] = true
		if p.GridPos.X+p.GridPos.W > 24 || p.GridPos.H == 0 {
			t.Errorf("panel %q is at %+v", p.Title, p.GridPos)
		}
		if p.Type != "row" && len(p.Targets) == 0 {
			t.Errorf("panel %q shows nothing", p.Title)
		}
	}
	if board.UID == "" || len(board.Panels) < 20 {
		t.Errorf("dashboard %q has %d panels", board.UID, len(board.Panels))
	}
}
