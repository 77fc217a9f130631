package server

import (
	"bytes"
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestStartTellsWhatIsConfiguredAndMissing(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	said := func(extra string) string {
		t.Helper()
		var log bytes.Buffer
		s, err := Start(context.Background(), configure(t, dir, extra), "test", slog.New(slog.NewTextHandler(&log, nil)))
		if err != nil {
			t.Fatal(err)
		}
		stop(t, s)
		return log.String()
	}
	log := said("egress: {directory: " + file + "/below, chromium: /none/chromium}\ningress: {ffmpeg: /none/ffmpeg}")
	for _, want := range []string{
		`level=WARN msg="recordings cannot be written" key=egress.directory error="mkdir ` + file,
		`level=WARN msg="web pages cannot be recorded" error="Chromium is not installed on the server where egress.chromium says, /none/chromium`,
		`level=WARN msg="ingress cannot encode, nor read from URLs" error="ffmpeg is not installed on the server (Debian package ffmpeg): ingress.ffmpeg says /none/ffmpeg"`,
	} {
		if !strings.Contains(log, want) {
			t.Errorf("the log lacks %s:\n%s", want, log)
		}
	}
	if log := said("egress: {directory: " + filepath.Join(dir, "recordings") + "}"); strings.Contains(log, "WARN") {
		t.Errorf("a directory that can be made: %s", log)
	}
	if left, err := os.ReadDir(filepath.Join(dir, "recordings")); err != nil || len(left) > 0 {
		t.Errorf("left in the directory: %v (%v)", left, err)
	}
}
