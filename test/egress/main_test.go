package egress

import (
	"flag"
	"fmt"
	"net/netip"
	"os"
	"testing"
	"time"

	"github.com/rollcall-rtc/rollcall/internal/egress/ffmpeg"
	"github.com/rollcall-rtc/rollcall/internal/egress/studio"
	"github.com/rollcall-rtc/rollcall/internal/egress/wire"
	"github.com/rollcall-rtc/rollcall/internal/egress/worker"
	"github.com/rollcall-rtc/rollcall/internal/server"
)

// length is how long is recorded: go test ./test/egress -for 10m -v -timeout 0
var length = flag.Duration("for", 8*time.Second, "how long to record what is to be in step")

// TestMain is the worker, too: the server starts its own program again for each
// recording.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == server.WorkerVerb {
		kinds := map[wire.Kind]worker.New{wire.Pass: worker.NewPass, wire.Mix: worker.NewMix, wire.Encode: studio.New(noStreams)}
		if err := worker.Run(os.Stdin, os.Stdout, kinds); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// noStreams is the guard of what does not stream.
func noStreams([]netip.Prefix) ffmpeg.Guard { return ffmpeg.Guard{} }
