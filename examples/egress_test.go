package examples

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// What docs/egress.md begins with records somebody.
func TestTheCommandsOfTheRecordingPageRecord(t *testing.T) {
	dir, out, err := shell(t, commands(t, "../docs/egress.md")+"wait $server || true\n")
	if err != nil || !strings.Contains(out, "complete") {
		said, _ := os.ReadFile(filepath.Join(dir, "server.txt"))
		t.Fatalf("%v\n%s\n%s", err, out, said)
	}
	files, err := filepath.Glob(filepath.Join(dir, "rollcall-data", "egress", "demo", "ana.*"))
	if err != nil || len(files) == 0 {
		t.Fatalf("there is no file: %v\n%s", err, out)
	}
	for _, file := range files {
		if stat, err := os.Stat(file); err != nil || stat.Size() == 0 {
			t.Errorf("%s: %v", file, err)
		}
	}
}
