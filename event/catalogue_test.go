package event_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-rtc/rollcall/event"
)

var update = flag.Bool("update", false, "write the golden files")

func golden(name event.Name) string {
	return filepath.Join("testdata", "golden", string(name)+".json")
}

// Golden files are indented, for the reader; the bodies are not.
func TestEachEventHasItsGoldenBody(t *testing.T) {
	want := make(map[string]bool)
	for _, d := range event.Catalogue() {
		file := golden(d.Name)
		want[file] = true
		got := body(t, sample(t, d.Name))
		if bytes.ContainsAny(got, "\n\t") || bytes.Contains(got, []byte(`": `)) {
			t.Errorf("%s: body is not compact: %s", d.Name, got)
		}
		var indented bytes.Buffer
		if err := json.Indent(&indented, got, "", "  "); err != nil {
			t.Fatalf("%s: %v in %s", d.Name, err, got)
		}
		indented.WriteByte('\n')
		if *update {
			if err := os.WriteFile(file, indented.Bytes(), 0o644); err != nil {
				t.Fatal(err)
			}
			continue
		}
		stored, err := os.ReadFile(file)
		if err != nil {
			t.Errorf("%s has no golden file, go test ./event -update makes it: %v", d.Name, err)
			continue
		}
		if d := cmp.Diff(string(stored), indented.String()); d != "" {
			t.Errorf("%s (-golden +body):\n%s", file, d)
		}
	}
	files, err := filepath.Glob(golden("*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if !want[file] {
			t.Errorf("%s is of no event in the catalogue", file)
		}
	}
}

func TestCatalogueIsWellFormed(t *testing.T) {
	names := make(map[event.Name]event.Definition)
	closed := make(map[event.Name]event.Name)
	for _, d := range event.Catalogue() {
		if _, ok := names[d.Name]; ok {
			t.Errorf("%s is there twice", d.Name)
		}
		names[d.Name] = d
		if !regexp.MustCompile(`^[a-z]+(_[a-z]+)+$`).MatchString(string(d.Name)) {
			t.Errorf("%q is no event name", d.Name)
		}
		if !strings.HasSuffix(d.Doc, ".") || len(d.Doc) < 20 {
			t.Errorf("%s: doc %q is no sentence", d.Name, d.Doc)
		}
		if d.Scope.String() == "unknown" {
			t.Errorf("%s has no scope", d.Name)
		}
		if got, ok := event.Lookup(d.Name); !ok || got.Doc != d.Doc {
			t.Errorf("Lookup(%s) = %v, %t", d.Name, got, ok)
		}
		for _, opener := range d.Closes {
			if by, ok := closed[opener]; ok {
				t.Errorf("%s is closed by %s and by %s", opener, by, d.Name)
			}
			closed[opener] = d.Name
		}
	}
	for opener, by := range closed {
		if names[opener].Scope != names[by].Scope {
			t.Errorf("%s closes %s, which has another scope", by, opener)
		}
	}
	if _, ok := event.Lookup("no_such_event"); ok {
		t.Error("Lookup finds what is not in the catalogue")
	}
}

// What LiveKit documents is a contract: none of it may go missing.
func TestAllDocumentedEventsAreInTheCatalogue(t *testing.T) {
	for _, name := range []event.Name{"room_started", "room_finished", "participant_joined", "participant_left",
		"participant_connection_aborted", "track_published", "track_unpublished",
		"egress_started", "egress_updated", "egress_ended", "ingress_started", "ingress_ended"} {
		if d, ok := event.Lookup(name); !ok || !d.Stock {
			t.Errorf("%s: in the catalogue %t, stock %t", name, ok, d.Stock)
		}
	}
}
