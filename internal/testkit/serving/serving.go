package serving

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rollcall-rtc/rollcall/internal/server"
	"github.com/rollcall-rtc/rollcall/internal/testkit/configfile"
)

// patience is how long a server may take to stop on a busy machine.
const patience = time.Minute

// Options are what a test wants of a server. All but the key and its secret may be
// left out.
type Options struct {
	Key, Secret string
	// Port is that of HTTP, any free one without.
	Port int
	// Dir is where its data is, for one that is to be started again; without, the test
	// gets a directory.
	Dir string
	// YAML is more of its configuration: it must not have port, bind_addresses,
	// data_dir, rtc or keys.
	YAML []string
	// KeepVideo has video that a connection does not carry not be paused.
	KeepVideo bool
	// Level is from where on the test's output has the server's log.
	Level slog.Level
	// Version is what the server says that it is.
	Version string
}

// Start starts a server, which Stop stops.
func Start(t testing.TB, o Options) *server.Server {
	t.Helper()
	dir := o.Dir
	if dir == "" {
		dir = t.TempDir()
	}
	body := fmt.Sprintf("port: %d\nbind_addresses: [127.0.0.1]\ndata_dir: %s\nrtc: {udp_port: 0, tcp_port: -1, enable_loopback_candidate: true, congestion_control: {allow_pause: %t}}\nkeys: {%s: %s}\n%s\n",
		o.Port, filepath.Join(dir, "data"), !o.KeepVideo, o.Key, o.Secret, strings.Join(o.YAML, "\n"))
	log := slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: o.Level}))
	s, err := server.Start(context.Background(), configfile.Load(t, dir, body), cmp.Or(o.Version, "test"), log)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// Run is Start of a server that stops with the test.
func Run(t testing.TB, o Options) *server.Server {
	t.Helper()
	s := Start(t, o)
	t.Cleanup(func() { Stop(t, s) })
	return s
}

// Stop stops a server, and returns when it has ended.
func Stop(t testing.TB, s *server.Server) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := s.Stop(ctx); err != nil {
		t.Errorf("stop: %v", err)
	}
}
