package ffmpeg

import (
	"fmt"
	"log/slog"
	"os"
	"strings"
	"testing"

	"github.com/rollcall-rtc/rollcall/internal/testkit/script"
)

// A system that wants for memory ends what encodes a stranger's pictures, not the server.
func TestChildrenAreEndedBeforeTheServer(t *testing.T) {
	frozen := script.Write(t, t.TempDir(), "ffmpeg", "exec sleep 3600\n")
	tr, err := Start(frozen, Job{Pictures: true, Layers: []Layer{{Bitrate: 300_000}}}, newSink(), nil, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer tr.Close()
	defer tr.Kill()
	d, err := Open(frozen, Input{URL: "http://127.0.0.1:1/a.mp4"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	defer d.Kill()
	for what, pid := range map[string]int{"encodes": tr.cmd.Process.Pid, "fetches": d.cmd.Process.Pid} {
		if b, err := os.ReadFile(fmt.Sprintf("/proc/%d/oom_score_adj", pid)); err != nil || strings.TrimSpace(string(b)) != "500" {
			t.Errorf("what %s: %q %v", what, b, err)
		}
	}
}
