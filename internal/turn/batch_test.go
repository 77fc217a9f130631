package turn

import (
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rollcall-rtc/rollcall/internal/sfu/transport"
)

const burst = 12 // packets of a frame

// media is a media port that sends bursts, as the server's own does.
type media struct {
	*net.UDPConn
	port *transport.Port
}

func newMedia(t testing.TB) media {
	t.Helper()
	c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: loopback.AsSlice()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	p, err := transport.NewPort(c, transport.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return media{c, p}
}

// send sends packets to a relay at once, and returns them.
func (m media) send(to net.Addr, from, n int, size func(i int) int) (sent []string) {
	path, b := m.port.Path(addrOf(to)), transport.BorrowWide()
	for i := from; i < from+n; i++ {
		packet := fmt.Sprintf("%0*d", size(i), i)
		copy(b.Reserve(len(packet)), packet)
		b.Add(path, len(packet))
		sent = append(sent, packet)
	}
	b.Return()
	return sent
}

func alike(int) int    { return 1100 }
func unlike(i int) int { return 900 + 37*(i%7) }

// writes accepts connections whose writes are counted, and can be held up.
type writes struct {
	net.Listener
	tried atomic.Int32
	n     atomic.Int32
	bytes atomic.Int32
	held  sync.Mutex
}

func (w *writes) Accept() (net.Conn, error) {
	c, err := w.Listener.Accept()
	return written{c, w}, err
}

type written struct {
	net.Conn
	of *writes
}

func (c written) Write(p []byte) (int, error) {
	c.of.tried.Add(1)
	c.of.held.Lock()
	defer c.of.held.Unlock()
	c.of.n.Add(1)
	c.of.bytes.Add(int32(len(p)))
	return c.Conn.Write(p)
}

// newStreams is a rig whose writes to clients are seen: by TCP, or of records of TLS.
func newStreams(t *testing.T, network string) (*rig, *writes) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &writes{Listener: l}
	return newRig(t, func(o *Options) {
		o.MediaPorts, o.Shared, o.Limits.Bitrate = [2]uint16{1, 65535}, []net.Listener{w}, -1
		if network == "tls" {
			o.Shared[0] = tls.NewListener(w, &tls.Config{GetCertificate: o.Certificate})
		}
	}), w
}

// bind has a client bind a channel to a media port, and waits until it has it.
func (tc *rig) bind(sid string, relayed net.PacketConn, to media) {
	tc.Helper()
	name := addrOf(to.LocalAddr())
	// The library asks for a channel when it sends, and answers nothing.
	if _, err := relayed.WriteTo([]byte("bind"), to.LocalAddr()); err != nil {
		tc.Fatal(err)
	}
	tc.eventually("the channel", func() bool {
		r := tc.server.relayAt(sid, relayed.LocalAddr())
		r.mu.Lock()
		defer r.mu.Unlock()
		return r.channels[name] != 0
	})
}

// want wants these packets in their order.
func (tc *rig) want(relayed net.PacketConn, from net.Addr, packets []string) {
	tc.Helper()
	b := make([]byte, 1<<16)
	_ = relayed.SetReadDeadline(time.Now().Add(20 * time.Second))
	for i, packet := range packets {
		n, sender, err := relayed.ReadFrom(b)
		if err != nil {
			tc.Fatalf("%d of %d packets have come: %v", i, len(packets), err)
		}
		if string(b[:n]) != packet || sender.String() != from.String() {
			tc.Fatalf("packet %d is %.20q of %d bytes from %v", i, b[:n], n, sender)
		}
	}
}

func TestPacketsOfABurstKeepTheirOrder(t *testing.T) {
	for _, network := range []string{"udp", "tls"} {
		t.Run(network, func(t *testing.T) {
			tc := newRig(t, func(o *Options) { o.MediaPorts, o.Limits.Bitrate = [2]uint16{1, 65535}, -1 })
			m := newMedia(t)
			relayed := tc.allocate(tc.admitted(network, "PA_alice"))
			tc.bind("PA_alice", relayed, m)
			for i := range 100 {
				size := alike
				if i%2 > 0 {
					size = unlike
				}
				tc.want(relayed, m.LocalAddr(), m.send(relayed.LocalAddr(), i*burst, burst, size))
			}
		})
	}
}

// As they did before there was a channel: pion writes what has none by itself.
func TestPacketsKeepTheirOrderWithAndWithoutAChannel(t *testing.T) {
	tc := newRig(t, func(o *Options) { o.MediaPorts, o.Limits.Bitrate = [2]uint16{1, 65535}, -1 })
	client := tc.dial("udp").(*net.UDPConn)
	r := tc.relay("PA_alice", client)
	with, without := newMedia(t), newMedia(t)
	r.bind(addrOf(with.LocalAddr()), 0x4001)
	for i := range 6 {
		m := with
		if i%3 == 2 {
			m = without
		}
		m.send(r.LocalAddr(), i, 1, alike)
	}
	b := make([]byte, maxPacket)
	for i, channel := range []bool{true, true, false, true, true, false} {
		if !channel {
			n, from, err := r.ReadFrom(b)
			if err != nil || from.String() != without.LocalAddr().String() || string(b[:n]) != fmt.Sprintf("%0*d", alike(0), i) {
				t.Fatalf("packet %d: pion has %d bytes from %v, %v", i, n, from, err)
			}
			wantFrames(t, client, i-2, i-1)
		}
	}
}

// relay makes one that the test reads in pion's place, for a client over UDP.
func (tc *rig) relay(sid string, client *net.UDPConn) *relay {
	tc.Helper()
	tc.server.Admit(sid)
	r, err := tc.server.openRelay("udp4", sid, 0, tc.server.udp[0])
	if err != nil {
		tc.Fatal(err)
	}
	tc.Cleanup(func() { _ = r.Close() })
	r.client.path = tc.server.udp[0].port.Path(addrOf(client.LocalAddr()))
	return r
}

// wantFrames wants packets of alike in a channel.
func wantFrames(t testing.TB, client *net.UDPConn, numbers ...int) {
	t.Helper()
	b := make([]byte, 1<<16)
	_ = client.SetReadDeadline(time.Now().Add(20 * time.Second))
	for _, i := range numbers {
		n, _, err := client.ReadFromUDPAddrPort(b)
		want := fmt.Sprintf("%0*d", alike(0), i)
		if err != nil || n != frameHeader+len(want) || binary.BigEndian.Uint16(b) != 0x4001 || string(b[frameHeader:n]) != want {
			t.Fatalf("packet %d: %d bytes %.20q, %v", i, n, b[:n], err)
		}
	}
}

// A channel that has ended, or that nobody has bound, is pion's to know of.
func TestPacketsWithoutAChannelArriveByPion(t *testing.T) {
	tc := newRig(t, func(o *Options) { o.MediaPorts, o.Limits.Bitrate = [2]uint16{1, 65535}, -1 })
	m := newMedia(t)
	relayed := tc.allocate(tc.admitted("udp", "PA_alice"))
	tc.bind("PA_alice", relayed, m)
	at := relayed.LocalAddr()
	tc.want(relayed, m.LocalAddr(), m.send(at, 0, burst, alike))
	tc.server.unbound(nil, nil, "", "PA_alice", "", at, m.LocalAddr(), 0)
	r := tc.server.relayAt("PA_alice", at)
	r.mu.Lock()
	if len(r.channels) != 0 || r.bindings.Load() != 0 {
		t.Errorf("%d channels, %d counted", len(r.channels), r.bindings.Load())
	}
	r.mu.Unlock()
	tc.want(relayed, m.LocalAddr(), m.send(at, 0, burst, alike))
	other := newMedia(t) // of a permitted address
	tc.want(relayed, other.LocalAddr(), other.send(at, 0, burst, alike))
}

// What one wake-up brought is one write, and one record, however the packets differ.
func TestABurstIsOneWriteToAStream(t *testing.T) {
	for _, network := range []string{"tcp", "tls"} {
		t.Run(network, func(t *testing.T) {
			tc, w := newStreams(t, network)
			m := newMedia(t)
			relayed := tc.allocate(tc.admitted(network, "PA_alice"))
			tc.bind("PA_alice", relayed, m)
			for range 15 { // the first records of a connection are short, in crypto/tls
				tc.want(relayed, m.LocalAddr(), m.send(relayed.LocalAddr(), 0, burst, alike))
			}
			for range 5 {
				// The reader is in a write until all of the burst waits for it.
				before, tried := w.n.Load(), w.tried.Load()
				w.held.Lock()
				sent := m.send(relayed.LocalAddr(), 0, 1, alike)
				tc.eventually("the first to be written", func() bool { return w.tried.Load() > tried })
				sent = append(sent, m.send(relayed.LocalAddr(), 1, burst, unlike)...)
				w.held.Unlock()
				tc.want(relayed, m.LocalAddr(), sent)
				if n := w.n.Load() - before; n != 2 {
					t.Errorf("%d packets were written in %d writes", len(sent), n)
				}
			}
		})
	}
}

func TestAWriteToAStreamFitsARecord(t *testing.T) {
	tc, w := newStreams(t, "tcp")
	m := newMedia(t)
	relayed := tc.allocate(tc.admitted("tcp", "PA_alice"))
	tc.bind("PA_alice", relayed, m)
	before, size := w.n.Load(), w.bytes.Load()
	tc.want(relayed, m.LocalAddr(), m.send(relayed.LocalAddr(), 0, 40, alike))
	size = w.bytes.Load() - size
	if size != 40*(frameHeader+1100) {
		t.Errorf("%d bytes were written", size)
	}
	// One train, which one wake-up brings.
	if n, fit := w.n.Load()-before, int32(maxWrite/(frameHeader+1100)); n != (40+fit-1)/fit {
		t.Errorf("%d writes of %d bytes", n, size)
	}
}

// The relay's own answers wait for no batch.
func TestAnswersDoNotWaitForPackets(t *testing.T) {
	tc := newRig(t, func(o *Options) { o.MediaPorts = [2]uint16{1, 65535} })
	m := newMedia(t)
	c := tc.admitted("udp", "PA_alice")
	relayed := tc.allocate(c)
	tc.bind("PA_alice", relayed, m)
	r := tc.server.relayAt("PA_alice", relayed.LocalAddr())
	r.mu.Lock() // its reader is held up with what it has read
	sent := m.send(relayed.LocalAddr(), 0, burst, alike)
	if err := c.CreatePermission(&net.UDPAddr{IP: loopback.AsSlice(), Port: 9}); err != nil {
		t.Errorf("a permission: %v", err)
	}
	if _, err := c.SendBindingRequest(); err != nil {
		t.Errorf("a binding request: %v", err)
	}
	r.mu.Unlock()
	tc.want(relayed, m.LocalAddr(), sent)
}

// Who ends with packets that wait leaves none behind, and nothing hangs.
func TestAnAllocationEndsWithPacketsThatWait(t *testing.T) {
	tc := newRig(t, func(o *Options) { o.MediaPorts = [2]uint16{1, 65535} })
	client := tc.dial("udp").(*net.UDPConn)
	r := tc.relay("PA_alice", client)
	m := newMedia(t)
	m.send(r.LocalAddr(), 0, 1, alike)
	if err := r.port.Wait(); err != nil {
		t.Fatal(err)
	}
	r.bind(addrOf(m.LocalAddr()), 0x4001)
	tc.server.Revoke("PA_alice")
	if _, _, err := r.ReadFrom(make([]byte, maxPacket)); !errors.Is(err, net.ErrClosed) {
		t.Fatalf("it is read still: %v", err)
	}
	if r.client.batch != nil {
		t.Error("a batch waits for ever")
	}
	wantFrames(t, client, 0) // it had been read
}

// So does who comes by a connection that breaks while it is written to.
func TestAConnectionBreaksWithPacketsThatWait(t *testing.T) {
	tc, w := newStreams(t, "tcp")
	m := newMedia(t)
	relayed := tc.allocate(tc.admitted("tcp", "PA_alice"))
	tc.bind("PA_alice", relayed, m)
	tried := w.tried.Load()
	w.held.Lock()
	m.send(relayed.LocalAddr(), 0, burst, alike)
	tc.eventually("the write", func() bool { return w.tried.Load() > tried })
	m.send(relayed.LocalAddr(), burst, burst, alike)
	tc.server.Revoke("PA_alice") // does not wait for the client
	tc.server.mu.Lock()
	for _, c := range tc.server.streams {
		go c.Close()
	}
	tc.server.mu.Unlock()
	w.held.Unlock()
	tc.eventually("all to end", func() bool { return tc.server.Stats().Connections == 0 && tc.server.pion.AllocationCount() == 0 })
}

// The other way: what a wake-up of the port brought reaches media in order, of each
// client's relay.
func TestPacketsOfClientsKeepTheirOrder(t *testing.T) {
	tc := newRig(t, func(o *Options) { o.MediaPorts, o.Limits.Bitrate = [2]uint16{1, 65535}, -1 })
	m := newMedia(t)
	var relays []net.PacketConn
	at := map[netip.AddrPort]int{} // the next packet of each
	for i := range 3 {
		sid := fmt.Sprint("PA_", i)
		relayed := tc.allocate(tc.admitted("udp", sid))
		tc.bind(sid, relayed, m)
		relays = append(relays, relayed)
		at[addrOf(relayed.LocalAddr())] = 0
	}
	next := func() {
		t.Helper()
		for {
			b, from, ok := m.port.Next()
			switch i, known := at[from]; {
			case !ok:
				if err := m.port.Wait(); err != nil {
					t.Fatalf("packets have not come: %v", err)
				}
			case string(b) == "bind":
			case !known || string(b) != fmt.Sprintf("%0*d", unlike(i), i):
				t.Fatalf("packet %d from %v has %d bytes %.10q", i, from, len(b), b)
			default:
				at[from]++
				return
			}
		}
	}
	_ = m.SetReadDeadline(time.Now().Add(20 * time.Second))
	for i := range 200 {
		for _, relayed := range relays {
			if _, err := relayed.WriteTo(fmt.Appendf(nil, "%0*d", unlike(i), i), m.LocalAddr()); err != nil {
				t.Fatal(err)
			}
		}
		if i%burst == burst-1 { // or there may be more than the kernel keeps
			for range len(relays) * burst {
				next()
			}
		}
	}
	for range len(relays) * (200 % burst) {
		next()
	}
}
