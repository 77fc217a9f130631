package ops

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"github.com/rollcall-rtc/rollcall/internal/server"
	"github.com/rollcall-rtc/rollcall/internal/testkit/configfile"
)

const key, secret = "testkey", "a-secret-that-is-long-enough-for-hs256"

// root is the repository.
const root = "../.."

// start runs a server on this machine, on free ports or the one given.
func start(t *testing.T, extra string, port ...int) *server.Server {
	t.Helper()
	port = append(port, 0)
	body := fmt.Sprintf("port: %d\nbind_addresses: [127.0.0.1]\ndata_dir: %s\nrtc: {udp_port: 0, tcp_port: 0, enable_loopback_candidate: true}\nkeys: {%s: %s}\n%s",
		port[0], filepath.Join(t.TempDir(), "data"), key, secret, extra)
	s, err := server.Start(context.Background(), configfile.Load(t, t.TempDir(), body), "v0.0.0-test", slog.New(slog.DiscardHandler))
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
