package ops

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/rollcall-rtc/rollcall/internal/config"
	"github.com/rollcall-rtc/rollcall/internal/server"
)

const key, secret = "testkey", "a-secret-that-is-long-enough-for-hs256"

// root is the repository.
const root = "../.."

// start runs a server on this machine, on free ports or the one given.
func start(t *testing.T, extra string, port ...int) *server.Server {
	t.Helper()
	dir := t.TempDir()
	file := filepath.Join(dir, "rollcall.yaml")
	port = append(port, 0)
	body := fmt.Sprintf("port: %d\nbind_addresses: [127.0.0.1]\ndata_dir: %s\nrtc: {udp_port: 0, tcp_port: 0, enable_loopback_candidate: true}\nkeys: {%s: %s}\n%s",
		port[0], filepath.Join(dir, "data"), key, secret, extra)
	if err := os.WriteFile(file, []byte(body), 0o600); err != nil {
		t.Fatal(err)
	}
	var flags config.Flags
	fs := flag.NewFlagSet("test", flag.ContinueOnError)
	flags.Register(fs)
	if err := fs.Parse([]string{"--config", file}); err != nil {
		t.Fatal(err)
	}
	cfg, err := config.Load(&flags, nil)
	if err != nil {
		t.Fatal(err)
	}
	s, err := server.Start(context.Background(), cfg, "v0.0.0-test", slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		if err := s.Stop(ctx); err != nil {
			t.Errorf("stop: %v", err)
		}
	})
	return s
}
