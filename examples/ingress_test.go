package examples

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// What docs/ingress.md begins with brings an encoder into a room, and tells of it.
func TestTheCommandsOfTheIngressPageTellTheWholeStory(t *testing.T) {
	dir, out, err := shell(t, commands(t, "../docs/ingress.md")+"kill $server $receiver\nwait $server $receiver || true\n")
	if err != nil {
		said, _ := os.ReadFile(filepath.Join(dir, "server.txt"))
		t.Fatalf("%v\n%s\nserver:\n%s", err, out, said)
	}
	received, err := os.ReadFile(filepath.Join(dir, "received.txt"))
	if err != nil {
		t.Fatal(err)
	}
	for place, text := range map[string]string{"the log": out, "the receiver": string(received)} {
		for _, want := range []string{"ingress_started", "track_published", "ingress_ended"} {
			if !strings.Contains(text, want) {
				t.Errorf("%s does not show %s:\n%s", place, want, text)
			}
		}
	}
	if strings.Contains(string(received), "refused") {
		t.Errorf("what came does not verify:\n%s", received)
	}
}
