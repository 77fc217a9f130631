package egress

import (
	"io"
	"log/slog"
	"slices"
	"strings"
	"testing"
)

// What a worker does not need to know, it and the programs that it starts are not
// told: API keys above all.
func TestWorkerSeesNoSecrets(t *testing.T) {
	t.Setenv("ROLLCALL_KEYS", "devkey: secret-of-the-api")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "secret-of-the-store")
	t.Setenv("LC_TIME", "de_DE.UTF-8")
	p, err := startProcess(Options{Logger: slog.New(slog.DiscardHandler)}, []string{"sh", "-c", "env"}, "EG_x")
	if err != nil {
		t.Fatal(err)
	}
	out, err := io.ReadAll(p.out)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.wait(); err != nil {
		t.Fatal(err)
	}
	sees := strings.Split(string(out), "\n")
	if strings.Contains(string(out), "secret-of") {
		t.Errorf("a worker sees %q", sees)
	}
	for _, want := range []string{"LC_TIME=de_DE.UTF-8", "GOMAXPROCS=1"} {
		if !slices.Contains(sees, want) {
			t.Errorf("a worker does not see %s, but %q", want, sees)
		}
	}
	if !slices.ContainsFunc(sees, func(v string) bool { return strings.HasPrefix(v, "PATH=") }) {
		t.Error("a worker sees no PATH")
	}
}
