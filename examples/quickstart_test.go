package examples

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The commands of docs/quickstart.md, in one shell, as they stand but for the ports.
func TestTheQuickStartEndsWithTheWholeStory(t *testing.T) {
	dir, out, err := shell(t, commands(t, "../docs/quickstart.md")+"wait $server || true\n")
	if err != nil {
		said, _ := os.ReadFile(filepath.Join(dir, "server.txt"))
		t.Fatalf("%v\n%s\nserver:\n%s", err, out, said)
	}
	for _, want := range []string{"room_started", "participant_joined", "track_published", "participant_left", "room_finished"} {
		if !strings.Contains(out, want) {
			t.Errorf("it does not show %s:\n%s", want, out)
		}
	}
}
