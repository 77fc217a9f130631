package chaos

import (
	"context"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/livekit/protocol/livekit"
	"github.com/pion/webrtc/v4"
	"github.com/pion/webrtc/v4/pkg/media"
)

// A client whose media comes by TCP and that reads none of it loses packets, and then
// its connection. What waits for it is bounded, and nobody else hears of it.
func TestClientThatStopsReadingItsMediaByTCPIsCutOff(t *testing.T) {
	t.Parallel() // it waits most of the time
	m := newMeeting(t)
	dam := newDam(t, fmt.Sprintf("127.0.0.1:%d", m.s.tcpPort))
	far := newGuestsBy(m.s.url, webrtc.NetworkTypeTCP4)
	// Candidates lead through the dam.
	far.reroute = strings.NewReplacer(fmt.Sprintf(" 127.0.0.1 %d ", m.s.tcpPort), fmt.Sprintf(" 127.0.0.1 %d ", dam.port))
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	g, err := far.dial(ctx, "demo", "stalled", livekit.SignalTarget_SUBSCRIBER)
	m.must(err)
	defer g.leave(false)
	m.must(g.await(ctx, g.active))
	loud := m.enter("loud")
	defer loud.leave(true)
	m.must(loud.publish(ctx))
	flooding, dry := context.WithCancel(ctx)
	var flood sync.WaitGroup
	defer flood.Wait()
	defer dry()
	flood.Go(func() { loud.flood(flooding) })
	m.s.poll("both to arrive by TCP", func() error {
		if n := g.hears(10); n < 2 {
			return fmt.Errorf("%d tracks", n)
		}
		return nil
	})

	dam.shut()
	// More than its queue of 4 MiB and the buffers of both ends take.
	const more = 12 << 20 / loudness
	from := m.listener.packets()
	m.s.poll("the listener to hear it all", func() error {
		if n := m.listener.packets(); n < from+more {
			return fmt.Errorf("%d packets, from %d", n, from)
		}
		return nil
	})
	m.wantBounded(100, 9<<20)
	m.wantAlive()
	// It does not answer that it still wants to receive (RFC 7675), either.
	m.wantCutOff(g, "CONNECTION_TIMEOUT", "participant=stalled")
	m.wantAlive()
}

// loudness is how long the packets of flood are, in bytes.
const loudness = 1000

// flood sends a thousand packets a second, if it can, until ctx ends.
func (g *guest) flood(ctx context.Context) {
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			_ = g.track.WriteSample(media.Sample{Data: make([]byte, loudness), Duration: 20 * time.Millisecond})
		}
	}
}

// dam carries TCP connections, until it is shut: then it reads nothing more of what
// the server sends.
type dam struct {
	port  int
	shutc chan struct{}
	shut  func()
}

func newDam(t *testing.T, to string) *dam {
	t.Helper()
	d := &dam{shutc: make(chan struct{})}
	d.shut = sync.OnceFunc(func() { close(d.shutc) })
	endc := make(chan struct{})
	carry := func(from, to net.Conn, shutc <-chan struct{}) {
		defer to.Close()
		buf := make([]byte, 32<<10)
		for {
			select {
			case <-shutc:
				<-endc
				return
			default:
			}
			n, err := from.Read(buf)
			if err != nil {
				return
			}
			if _, err := to.Write(buf[:n]); err != nil {
				return
			}
		}
	}
	d.port = relay(t, to, func(near, far net.Conn) []func() {
		// So that little waits elsewhere than at the server.
		_ = far.(*net.TCPConn).SetReadBuffer(64 << 10)
		return []func(){func() { carry(near, far, nil) }, func() { carry(far, near, d.shutc) }}
	}).Port
	t.Cleanup(func() { close(endc) }) // before the relay's end, which waits
	return d
}
