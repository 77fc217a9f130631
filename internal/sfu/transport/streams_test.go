package transport

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/pion/ice/v4"

	"github.com/rollcall-rtc/rollcall/internal/sfu/consent"
	"github.com/rollcall-rtc/rollcall/internal/sfu/stun"
)

// witness is a Handler that notes what comes, and may do something about it.
type witness struct {
	do func(b []byte, from *Path, batch *Batch) // immutable

	mu    sync.Mutex
	got   []string // mu guards
	paths []*Path  // mu guards; of checks and handshakes, each once
}

func (w *witness) note(kind string, b []byte, from *Path, batch *Batch) {
	w.mu.Lock()
	defer w.mu.Unlock()
	what := string(b)
	if ufrag := stun.Ufrag(b); ufrag != nil {
		what = string(ufrag)
	}
	w.got = append(w.got, kind+" "+what)
	if from != nil && !slices.Contains(w.paths, from) {
		w.paths = append(w.paths, from)
	}
	if w.do != nil {
		w.do(b, from, batch)
	}
	clear(b) // b is the handler's to change
}

func (w *witness) HandleCheck(b []byte, from *Path, batch *Batch) { w.note("check", b, from, batch) }
func (w *witness) HandleHandshake(b []byte, from *Path)           { w.note("handshake", b, from, nil) }
func (w *witness) HandleData(b []byte, batch *Batch)              { w.note("data", b, nil, batch) }
func (w *witness) HandleMedia(b []byte, batch *Batch)             { w.note("media", b, nil, batch) }

func (w *witness) seen() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.got)
}

// want waits for that to have come, and nothing else.
func (w *witness) want(t *testing.T, want ...string) {
	t.Helper()
	eventually(t, fmt.Sprintf("%d packets arrive", len(want)), func() bool { return len(w.seen()) >= len(want) })
	if d := cmp.Diff(want, w.seen()); d != "" {
		t.Fatalf("the handler has got (-want +got):\n%s", d)
	}
}

// path is that of the connection that was heard of as the i-th.
func (w *witness) path(i int) *Path {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.paths[i]
}

// caller is a client's end of a connection.
type caller struct {
	net.Conn
	t *testing.T
}

// say writes packets, all at once.
func (c caller) say(packets ...string) {
	c.t.Helper()
	if _, err := c.Write(framed(packets...)); err != nil {
		c.t.Fatal(err)
	}
}

// hear returns the next packet, "" at the end.
func (c caller) hear() string {
	c.t.Helper()
	_ = c.SetReadDeadline(time.Now().Add(patience))
	b := make([]byte, frameHeader)
	if _, err := io.ReadFull(c, b); err != nil {
		c.ended(err)
		return ""
	}
	b = make([]byte, binary.BigEndian.Uint16(b))
	if _, err := io.ReadFull(c, b); err != nil {
		c.t.Fatalf("in a packet: %v", err)
	}
	return string(b)
}

func (c caller) ended(err error) {
	c.t.Helper()
	if errors.Is(err, os.ErrDeadlineExceeded) {
		c.t.Fatal("the connection goes on")
	}
}

// wantEnd reads until the connection ends.
func (c caller) wantEnd() {
	c.t.Helper()
	_ = c.SetReadDeadline(time.Now().Add(patience))
	_, err := io.Copy(io.Discard, c)
	c.ended(err)
}

// framed are packets as RFC 4571 §2 has them.
func framed(packets ...string) []byte {
	var b []byte
	for _, p := range packets {
		b = append(binary.BigEndian.AppendUint16(b, uint16(len(p))), p...)
	}
	return b
}

func asked(ufrag string) string { return string(check(ufrag)) }

// hall is Streams on a real listener.
type hall struct {
	*Streams
	t  *testing.T
	at string
}

func newHall(t *testing.T) *hall {
	t.Helper()
	l, err := net.ListenTCP("tcp4", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	h := &hall{ListenStreams([]*net.TCPListener{l}, slog.New(slog.DiscardHandler)), t, l.Addr().String()}
	t.Cleanup(func() {
		if err := h.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return h
}

// linkOf returns one with names.
func linkOf(t *testing.T, s *Streams, h Handler, ufrags ...string) *Link {
	t.Helper()
	l := NewLink(nil, s, h)
	for _, ufrag := range ufrags {
		if err := l.Register(ufrag); err != nil {
			t.Fatal(err)
		}
	}
	return l
}

func (h *hall) call() caller {
	h.t.Helper()
	c, err := net.Dial("tcp4", h.at)
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() { _ = c.Close() })
	return caller{c, h.t}
}

func TestAConnectionIsOfTheLinkThatItsFirstCheckNames(t *testing.T) {
	h, w1, w2 := newHall(t), new(witness), new(witness)
	l1, l2 := linkOf(t, h.Streams, w1, "one"), linkOf(t, h.Streams, w2, "two")
	defer l1.Close()
	defer l2.Close()
	if err := linkOf(t, h.Streams, new(witness)).Register("one"); !errors.Is(err, errTaken) {
		t.Errorf("one name for two: %v", err)
	}
	c1, c2 := h.call(), h.call()
	handshake, data := "\x16\xfe\xfd\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02hi", "\x17\xfe\xfd\x00\x01\x00\x00\x00\x00\x00\x00\x00\x02yo"
	c1.say(asked("one"), "\x80\x60rtp", handshake+data, "\x01\x01answer", "\x60neither")
	c2.say(asked("two"))
	w1.want(t, "check one", "media \x80\x60rtp", "data "+data, "handshake "+handshake, "check \x01\x01answer")
	w2.want(t, "check two")
	for c, w := range map[caller]*witness{c1: w1, c2: w2} {
		p := w.path(0)
		if !p.Stream() || p.Addr() != c.LocalAddr().(*net.TCPAddr).AddrPort() || len(w.paths) != 1 {
			t.Errorf("paths %v, the first to %v, stream %v", w.paths, p.Addr(), p.Stream())
		}
		p.Write([]byte(strings.Repeat("long", 300)))
		batch := Borrow()
		batch.Add(p, copy(batch.Reserve(5), "batch"))
		batch.Return()
		if got := []string{c.hear(), c.hear()}; !slices.Equal(got, []string{strings.Repeat("long", 300), "batch"}) {
			t.Errorf("the client gets %q", got)
		}
	}
}

func TestPacketsThatCameTogetherAreAnsweredTogether(t *testing.T) {
	h := newHall(t)
	wakeups := map[uint32]bool{}
	w := &witness{do: func(_ []byte, _ *Path, batch *Batch) { wakeups[batch.round] = true }}
	l := linkOf(t, h.Streams, w, "ours")
	defer l.Close()
	c := h.call()
	c.say(asked("ours"), "\x80a", "", "\x80b", "\x80c")
	w.want(t, "check ours", "media \x80a", "media \x80b", "media \x80c")
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(wakeups) != 1 {
		t.Errorf("what one write of the client's brought is answered in %d parts", len(wakeups))
	}
}

func TestICERestartsOnTheConnectionThatThereIs(t *testing.T) {
	h, w := newHall(t), new(witness)
	l, other := linkOf(t, h.Streams, w, "old"), linkOf(t, h.Streams, new(witness), "others")
	defer l.Close()
	defer other.Close()
	c := h.call()
	c.say(asked("old"))
	w.want(t, "check old")
	if err := l.Register("new"); err != nil {
		t.Fatal(err)
	}
	c.say(asked("new"), asked("others"), asked("nobody"), asked("old"))
	w.want(t, "check old", "check new", "check old")
	l.Unregister("old")
	c.say(asked("new"), asked("old"), "\x80still")
	w.want(t, "check old", "check new", "check old", "check new", "media \x80still")
	late := h.call()
	late.say(asked("old"))
	late.wantEnd()
	w.path(0).Write([]byte("here"))
	if got := c.hear(); got != "here" || len(w.paths) != 1 {
		t.Errorf("the client gets %q by one of %d paths", got, len(w.paths))
	}
}

func TestALinkHasConnectionsInBounds(t *testing.T) {
	h, w := newHall(t), new(witness)
	l := linkOf(t, h.Streams, w, "ours")
	defer l.Close()
	var calls []caller
	call := func() caller {
		c := h.call()
		n := len(w.seen())
		c.say(asked("ours"))
		eventually(t, "it is claimed", func() bool { return len(w.seen()) == n+1 })
		calls = append(calls, c)
		return c
	}
	for range maxStreams {
		call()
	}
	l.Select(w.path(0)) // the first has media, which it does not say anything about
	n := len(w.seen())
	calls[1].say("\x80heard") // and the second is heard of
	eventually(t, "it is heard", func() bool { return len(w.seen()) == n+1 })
	call()
	calls[2].wantEnd()
	call()
	calls[3].wantEnd()
	for _, i := range []int{0, 1, 4, 5, 6, 7, 8, 9} {
		w.path(i).Write([]byte("there"))
		if got := calls[i].hear(); got != "there" {
			t.Errorf("connection %d: %q", i, got)
		}
	}
	w.path(2).Write([]byte("lost")) // silently
}

// A client learns from a close_notify that its connection is over, also while it sends:
// what is to be read when a connection is closed would take what is written with it.
func TestADroppedLinkSaysWhatIsQueued(t *testing.T) {
	h := newHall(t)
	for range 20 {
		w := new(witness)
		l := linkOf(t, h.Streams, w, "ours")
		c := h.call()
		c.say(asked("ours"))
		w.want(t, "check ours")
		for range 100 {
			c.say("\x80" + strings.Repeat("media", 200))
		}
		p := w.path(0)
		for i := range 50 {
			p.Write(fmt.Appendf(nil, "%d%s", i, strings.Repeat("x", 1000)))
		}
		p.Write([]byte("close_notify"))
		l.Close()
		p.Write([]byte("too late"))
		c.say("\x80late")
		var last string
		for got := c.hear(); got != ""; got = c.hear() {
			last = got
		}
		if last != "close_notify" {
			t.Fatalf("the last packet is %.20q", last)
		}
		_ = c.Close()
		eventually(t, "it is forgotten", func() bool {
			h.mu.Lock()
			defer h.mu.Unlock()
			return len(h.all) == 0 && len(h.claimed) == 0 && len(h.ufrags) == 0
		})
	}
}

func TestConnectionsThatEndAreForgotten(t *testing.T) {
	h, w := newHall(t), new(witness)
	l := linkOf(t, h.Streams, w, "ours")
	defer l.Close()
	c, long := h.call(), h.call()
	c.say(asked("ours"))
	w.want(t, "check ours")
	long.say(asked("ours"), strings.Repeat("\x80", maxFramed))
	w.want(t, "check ours", "check ours", "media "+strings.Repeat("\x80", maxFramed))
	long.say(strings.Repeat("\x80", maxFramed+1))
	long.wantEnd()
	_ = c.Close()
	eventually(t, "they are forgotten", func() bool {
		h.mu.Lock()
		defer h.mu.Unlock()
		return len(h.all) == 0 && len(h.claimed) == 0 && h.waiting == 0 && len(h.unclaimed) == 0
	})
	w.path(0).Write([]byte("lost"))
}

func TestCloseWaitsForAllConnections(t *testing.T) {
	h, w := newHall(t), new(witness)
	l := linkOf(t, h.Streams, w, "ours")
	silent, half, talking := h.call(), h.call(), h.call()
	if _, err := half.Write(framed(asked("ours"))[:10]); err != nil {
		t.Fatal(err)
	}
	talking.say(asked("ours"))
	w.want(t, "check ours")
	w.path(0).Write([]byte("bye"))
	if err := h.Close(); err != nil {
		t.Error(err)
	}
	if got := talking.hear(); got != "bye" {
		t.Errorf("the client gets %q", got)
	}
	for _, c := range []caller{silent, half, talking} {
		c.wantEnd()
	}
	if c, err := net.Dial("tcp4", h.at); err == nil {
		_ = c.Close()
		t.Error("it still listens")
	}
	if err := linkOf(t, h.Streams, w).Register("new"); !errors.Is(err, ErrClosed) {
		t.Errorf("register: %v", err)
	}
	l.Close()
	h.Streams = listenStreams(nil, nil) // for the end of the test
}

func TestASlowClientLosesPacketsAndHoldsUpNobody(t *testing.T) {
	h, w := newHall(t), new(witness)
	l := linkOf(t, h.Streams, w, "ours")
	defer l.Close()
	slow, quick := h.call(), h.call()
	slow.say(asked("ours"))
	w.want(t, "check ours")
	quick.say(asked("ours"))
	w.want(t, "check ours", "check ours")
	st := w.path(0).stream
	const size = 1200
	packets := 0
	eventually(t, "the queue is full", func() bool {
		full := st.waiting() > tcpWriteQueue-size-frameHeader
		for range 1000 {
			st.write(binary.BigEndian.AppendUint32(make([]byte, 0, size), uint32(packets))[:size])
			packets++
		}
		return full
	})
	full := st.waiting()
	if full > tcpWriteQueue {
		t.Errorf("%d bytes wait", full)
	}
	st.mu.Lock()
	if written := 1; st.queued > (len(st.queue)+written)*(16<<10) {
		t.Errorf("%d bytes are in %d chunks", st.queued, len(st.queue))
	}
	st.mu.Unlock()
	w.path(1).Write([]byte("for the other"))
	if got := quick.hear(); got != "for the other" {
		t.Errorf("the other client gets %q", got)
	}
	// What it gets is whole and in order; there is room for the next then.
	count, last := 0, -1
	for ; count < full/(size+frameHeader); count++ {
		got := slow.hear()
		if len(got) != size {
			t.Fatalf("a packet of %d bytes", len(got))
		}
		i := int(binary.BigEndian.Uint32([]byte(got)))
		if i <= last || i >= packets {
			t.Fatalf("packet %d after %d", i, last)
		}
		last = i
	}
	eventually(t, "there is room", func() bool { return st.waiting() < tcpWriteQueue/2 || slow.hear() == "" })
	st.write([]byte("again"))
	for got := slow.hear(); got != "again"; got = slow.hear() {
		if count++; count >= packets || got == "" {
			t.Fatalf("%d packets of %d, then %.10q", count, packets, got)
		}
	}
}

// scripted is a listener in virtual time.
type scripted struct {
	incoming chan any // connections and errors
	closed   chan struct{}
}

func newScripted(t *testing.T, log *slog.Logger) (*scripted, *Streams) {
	t.Helper()
	l := &scripted{incoming: make(chan any), closed: make(chan struct{})}
	return l, listenStreams([]net.Listener{l}, log)
}

func (l *scripted) Accept() (net.Conn, error) {
	select {
	case c := <-l.incoming:
		if err, ok := c.(error); ok {
			return nil, &net.OpError{Op: "accept", Net: "tcp", Err: err}
		}
		return c.(net.Conn), nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}
func (l *scripted) Addr() net.Addr { return nil }
func (l *scripted) Close() error   { close(l.closed); return nil }

// pipeFrom is a connection from an address.
type pipeFrom struct {
	net.Conn
	addr netip.Addr
}

func (p pipeFrom) RemoteAddr() net.Addr {
	return net.TCPAddrFromAddrPort(netip.AddrPortFrom(p.addr, 40000))
}

// halfPipe is one whose client does not end its side.
type halfPipe struct{ pipeFrom }

func (halfPipe) CloseWrite() error { return nil }

func (l *scripted) call(t *testing.T, addr string) caller {
	t.Helper()
	ours, theirs := net.Pipe()
	l.incoming <- pipeFrom{ours, netip.MustParseAddr(addr)}
	return caller{theirs, t}
}

// over reports whether the connection has ended.
func (c caller) over() bool {
	_ = c.SetReadDeadline(time.Now().Add(time.Nanosecond))
	_, err := c.Read(make([]byte, 1))
	return !errors.Is(err, os.ErrDeadlineExceeded)
}

func TestWhoDoesNotSayWhomItIsForIsCutOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, s := newScripted(t, slog.New(slog.DiscardHandler))
		w := new(witness)
		ours := linkOf(t, s, w, "ours")
		silent, known := l.call(t, "192.0.2.1"), l.call(t, "192.0.2.1")
		partly, drip := l.call(t, "192.0.2.1"), l.call(t, "192.0.2.1")
		known.say("", asked("ours"))
		first := framed(asked("ours"))
		if _, err := partly.Write(first[:len(first)-1]); err != nil {
			t.Fatal(err)
		}
		for _, b := range first[:9] { // a byte at a time is not patience for each
			if _, err := drip.Write([]byte{b}); err != nil {
				t.Fatal(err)
			}
			time.Sleep(unclaimedFor / 10)
		}
		synctest.Wait()
		for _, c := range []caller{silent, partly, drip} {
			if c.over() {
				t.Error("cut off before its time")
			}
		}
		time.Sleep(unclaimedFor / 10)
		synctest.Wait()
		for _, c := range []caller{silent, partly, drip} {
			if !c.over() {
				t.Error("goes on after its time")
			}
		}
		for what, packet := range map[string]string{
			"a check of nobody's": asked("nobody"), "no check": "\x80media", "an answer": "\x01\x01answer",
			"too long": strings.Repeat("x", maxFramed+1), "not STUN": asked("ours")[:4] + "but something else",
		} {
			c := l.call(t, "192.0.2.1")
			_, _ = c.Write(framed(packet)) // not all of it is read
			synctest.Wait()
			if !c.over() {
				t.Errorf("%s opens a connection", what)
			}
		}
		time.Sleep(time.Hour)
		if known.over() {
			t.Error("who is known must talk")
		}
		if got := w.seen(); len(got) != 1 {
			t.Errorf("the handler has got %q", got)
		}
		ours.Close()
		_ = s.Close()
	})
}

func TestAFloodOfConnectionsTakesLittle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		l, s := newScripted(t, slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})))
		w := new(witness)
		ours := linkOf(t, s, w, "ours")
		open := func(addrs ...string) (n int) {
			for _, addr := range addrs {
				c := l.call(t, addr)
				synctest.Wait()
				if !c.over() {
					n++
				}
			}
			return n
		}
		times := func(n int, f func(i int) string) (addrs []string) {
			for i := range n {
				addrs = append(addrs, f(i))
			}
			return addrs
		}
		one := times(maxUnclaimedOfOne+5, func(int) string { return "192.0.2.1" })
		network := times(maxUnclaimedOfOne+5, func(i int) string { return fmt.Sprintf("2001:db8::%x:1", i) })
		many := times(maxUnclaimed, func(i int) string { return fmt.Sprintf("10.0.%d.%d", i/256, i%256) })
		if n := open(one...); n != maxUnclaimedOfOne {
			t.Errorf("%d of one address", n)
		}
		if n := open("192.0.2.2", "2001:db8:1::1"); n != 2 {
			t.Error("others have no room")
		}
		if n := open(network...); n != maxUnclaimedOfOne {
			t.Errorf("%d of one network", n)
		}
		if n := open(many...); n != maxUnclaimed-2*maxUnclaimedOfOne-2 {
			t.Errorf("%d of many addresses", n)
		}
		time.Sleep(unclaimedFor)
		synctest.Wait()
		// A connection that is claimed is nobody's burden.
		for range 2 * maxUnclaimedOfOne {
			c := l.call(t, "192.0.2.1")
			c.say(asked("ours"))
			synctest.Wait()
			if c.over() {
				t.Fatal("no room after its time")
			}
		}
		if n := strings.Count(log.String(), "refused"); n == 0 || !strings.Contains(log.String(), "count=5") {
			t.Errorf("it says %s", log.String())
		}
		if len(s.claimed[ours]) != maxStreams || s.waiting != 0 || len(s.unclaimed) != 0 {
			t.Errorf("%d connections, %d wait, of %d addresses", len(s.claimed[ours]), s.waiting, len(s.unclaimed))
		}
		ours.Close()
		_ = s.Close()
	})
}

func TestListenersOutliveAMomentWithoutFiles(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		l, s := newScripted(t, slog.New(slog.NewTextHandler(&log, nil)))
		began := time.Now()
		l.incoming <- syscall.ECONNABORTED
		l.incoming <- os.NewSyscallError("accept4", syscall.EMFILE)
		if waited := time.Since(began); waited != 0 {
			t.Errorf("a client that has gone again holds up others for %v", waited)
		}
		l.incoming <- os.NewSyscallError("accept4", syscall.ENFILE)
		c := l.call(t, "192.0.2.1")
		if waited := time.Since(began); waited != 2*acceptPause {
			t.Errorf("the next connection is accepted after %v", waited)
		}
		if n := strings.Count(log.String(), "\n"); n != 1 || !strings.Contains(log.String(), syscall.EMFILE.Error()) {
			t.Errorf("it says %s", log.String())
		}
		l.incoming <- os.NewSyscallError("accept4", syscall.EMFILE)
		began = time.Now()
		_ = s.Close()
		if waited := time.Since(began); waited != 0 || !c.over() {
			t.Errorf("closed after %v", waited)
		}
	})
}

func TestClientsThatDoNotListenAreCutOffAtTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, s := newScripted(t, slog.New(slog.DiscardHandler))
		for name, queued := range map[string]int{"that do not read": 100, "that do not end": 0} {
			w := new(witness)
			ours := linkOf(t, s, w, "ours")
			end, theirs := net.Pipe()
			l.incoming <- halfPipe{pipeFrom{end, netip.MustParseAddr("192.0.2.1")}}
			c := caller{theirs, t}
			c.say(asked("ours"))
			synctest.Wait()
			for range queued {
				w.path(0).Write(make([]byte, 1000))
			}
			began := time.Now()
			ours.Close()
			synctest.Wait()
			if queued == 0 {
				c.say("\x80more")
			}
			s.mu.Lock()
			open := len(s.all)
			s.mu.Unlock()
			if waited := time.Since(began); waited != 0 || open != 1 {
				t.Errorf("%s: %d connections after %v", name, open, waited)
			}
			time.Sleep(endFor)
			synctest.Wait()
			if !c.over() || len(s.all) != 0 {
				t.Errorf("%s: goes on", name)
			}
			if got := w.seen(); len(got) != 1 {
				t.Errorf("%s: the handler of a link that is closed gets %q", name, got[1:])
			}
		}
		_ = s.Close()
	})
}

// brokenPipe is one that cannot be written to.
type brokenPipe struct{ pipeFrom }

func (brokenPipe) Write([]byte) (int, error) { return 0, syscall.EPIPE }

func TestAConnectionThatCannotBeWrittenToEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, s := newScripted(t, slog.New(slog.DiscardHandler))
		w := new(witness)
		ours := linkOf(t, s, w, "ours")
		end, theirs := net.Pipe()
		l.incoming <- brokenPipe{pipeFrom{end, netip.MustParseAddr("192.0.2.1")}}
		c := caller{theirs, t}
		c.say(asked("ours"))
		synctest.Wait()
		for range 200 {
			w.path(0).Write(make([]byte, 1000))
		}
		synctest.Wait()
		if st := w.path(0).stream; !c.over() || len(s.all) != 0 || len(st.queue) != 0 {
			t.Errorf("%d connections, %d chunks wait", len(s.all), len(st.queue))
		}
		ours.Close()
		_ = s.Close()
	})
}

// Any IPv6 address of a host is one of its network.
func TestSourcesAreAddressesOrNetworks(t *testing.T) {
	for addr, want := range map[string]string{
		"192.0.2.7": "192.0.2.7", "2001:db8:0:1:2:3:4:5": "2001:db8:0:1::", "fe80::1%eth0": "fe80::",
	} {
		if got := sourceOf(netip.MustParseAddr(addr)); got != netip.MustParseAddr(want) {
			t.Errorf("%s is of %s", addr, got)
		}
	}
}

// An agent of pion's connects, as a client does.
func TestPionConnectsOverTCP(t *testing.T) {
	h := newHall(t)
	agent, err := ice.NewAgentWithOptions(
		ice.WithNetworkTypes([]ice.NetworkType{ice.NetworkTypeTCP4}), ice.WithCandidateTypes([]ice.CandidateType{ice.CandidateTypeHost}),
		ice.WithIncludeLoopback(), ice.WithMulticastDNSMode(ice.MulticastDNSModeDisabled),
	)
	if err != nil {
		t.Fatal(err)
	}
	defer agent.Close()
	ufrag, password, err := agent.GetLocalUserCredentials()
	if err != nil {
		t.Fatal(err)
	}
	ours := consent.Credentials{Ufrag: "ours", Password: "our password of 22 chars"}
	keeper := consent.New(ours, consent.Credentials{Ufrag: ufrag, Password: password}, false, time.Now())
	var answered int
	w := &witness{do: func(b []byte, from *Path, batch *Batch) {
		switch {
		case isCheck(b):
			if n, ok := keeper.Take(b, from.Addr(), batch.Reserve(consent.MaxReply), time.Now()); ok && n > 0 {
				batch.Add(from, n)
				answered++
			}
		case isRecord(b):
			from.Write(b)
		}
	}}
	l := linkOf(t, h.Streams, w, ours.Ufrag)
	defer l.Close()
	remote, err := ice.NewCandidateHost(&ice.CandidateHostConfig{
		Network: "tcp", Address: "127.0.0.1", Port: int(netip.MustParseAddrPort(h.at).Port()), Component: 1, TCPType: ice.TCPTypePassive,
	})
	if err != nil {
		t.Fatal(err)
	}
	_ = agent.OnCandidate(func(ice.Candidate) {})
	if err := errors.Join(agent.GatherCandidates(), agent.AddRemoteCandidate(remote)); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	conn, err := agent.Dial(ctx, ours.Ufrag, ours.Password)
	if err != nil {
		t.Fatalf("%v; %d checks answered", err, answered)
	}
	b := make([]byte, 2000)
	for _, n := range []int{1, 1200, 1500} {
		packet := bytes.Repeat([]byte{63}, n)
		if _, err := conn.Write(packet); err != nil {
			t.Fatal(err)
		}
		_ = conn.SetReadDeadline(time.Now().Add(patience))
		if got, err := conn.Read(b); err != nil || !bytes.Equal(b[:got], packet) {
			t.Fatalf("%d bytes of %d come back, %v", got, n, err)
		}
	}
}

func TestPacketsAreWholeHoweverTheyCome(t *testing.T) {
	packets := []string{"a", "bc", strings.Repeat("long", 1000), "d", strings.Repeat("x", maxFramed), strings.Repeat("y", firstRead-frameHeader), "end"}
	b := framed(append(slices.Clone(packets), "")...)
	read := func(r io.Reader) (got []string, f *frames) {
		f = &frames{r: r, buf: make([]byte, firstRead)}
		for {
			p, err := f.wait()
			if err == io.EOF {
				return got, f
			}
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, string(p))
		}
	}
	for name, r := range map[string]io.Reader{
		"at once": bytes.NewReader(b), "by bytes": iotest.OneByteReader(bytes.NewReader(b)), "in halves": iotest.HalfReader(bytes.NewReader(b)),
		"with the error": iotest.DataErrReader(bytes.NewReader(b)),
	} {
		got, f := read(r)
		if d := cmp.Diff(packets, got); d != "" {
			t.Errorf("%s (-want +got):\n%.1000s", name, d)
		}
		if len(f.buf) > maxRead {
			t.Errorf("%s: a buffer of %d bytes", name, len(f.buf))
		}
	}
	short := framed("abc", "def")
	for n := range short {
		want := n / len(framed("abc"))
		if got, _ := read(bytes.NewReader(short[:n])); len(got) != want {
			t.Errorf("%d bytes have %q", n, got)
		}
	}
}

// A client that says little has a small buffer.
func TestBuffersGrowWithWhatIsRead(t *testing.T) {
	r, w := io.Pipe()
	defer w.Close()
	f := frames{r: r, buf: make([]byte, firstRead)}
	for _, tt := range []struct{ packet, together, rounds, buffer int }{
		{100, 1, 100, firstRead}, {1000, 1, 10, firstRead}, {1200, 1, 10, 2 * firstRead},
		{maxFramed, 1, 10, maxRead}, {1200, 100, 10, maxRead}, {1, 1, 10, maxRead},
	} {
		for range tt.rounds {
			var done sync.WaitGroup
			done.Go(func() {
				_, _ = w.Write(framed(slices.Repeat([]string{strings.Repeat("x", tt.packet)}, tt.together)...))
			})
			for range tt.together {
				if b, err := f.wait(); err != nil || len(b) != tt.packet {
					t.Fatalf("%d bytes, %v", len(b), err)
				}
			}
			done.Wait()
		}
		if len(f.buf) != tt.buffer {
			t.Errorf("%d packets of %d bytes: a buffer of %d", tt.together, tt.packet, len(f.buf))
		}
	}
}

func FuzzFrames(f *testing.F) {
	f.Add(framed("a", "", "bc", asked("ours")), uint16(3))
	f.Add(framed(strings.Repeat("x", maxFramed), "y"), uint16(1500))
	f.Add([]byte{0xff, 0xff, 0}, uint16(1))
	f.Add([]byte{0, 0, 0}, uint16(0))
	f.Fuzz(func(t *testing.T, b []byte, step uint16) {
		var want [][]byte
		wantErr := io.EOF
		for rest := b; len(rest) >= frameHeader; {
			n := int(binary.BigEndian.Uint16(rest))
			if n > maxFramed {
				wantErr = io.ErrShortBuffer
				break
			}
			if rest = rest[frameHeader:]; n > len(rest) {
				break
			}
			if n > 0 {
				want = append(want, rest[:n])
			}
			rest = rest[n:]
		}
		fr := &frames{r: &stepper{b, int(step%4096) + 1}, buf: make([]byte, firstRead)}
		for i := 0; ; i++ {
			p, err := fr.wait()
			if err != nil {
				if err != wantErr || i != len(want) {
					t.Fatalf("%v after %d packets, want %v after %d", err, i, wantErr, len(want))
				}
				return
			}
			if i >= len(want) || !bytes.Equal(p, want[i]) || cap(p) != len(p) {
				t.Fatalf("packet %d: %x", i, p)
			}
		}
	})
}

// stepper reads some bytes at a time.
type stepper struct {
	b    []byte
	step int
}

func (s *stepper) Read(b []byte) (int, error) {
	if len(s.b) == 0 {
		return 0, io.EOF
	}
	n := copy(b, s.b[:min(s.step, len(s.b))])
	s.b = s.b[n:]
	return n, nil
}

// BenchmarkStream writes packets to a client that reads them, thirty at a time.
func BenchmarkStream(b *testing.B) {
	l, err := net.ListenTCP("tcp4", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		b.Fatal(err)
	}
	s := ListenStreams([]*net.TCPListener{l}, slog.New(slog.DiscardHandler))
	defer s.Close()
	w := new(witness)
	ours := NewLink(nil, s, w)
	defer ours.Close()
	if err := ours.Register("ours"); err != nil {
		b.Fatal(err)
	}
	c, err := net.Dial("tcp4", l.Addr().String())
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Write(framed(asked("ours"))); err != nil {
		b.Fatal(err)
	}
	eventually(b, "it is claimed", func() bool { return len(w.seen()) == 1 })
	var read sync.WaitGroup
	read.Go(func() { _, _ = io.Copy(io.Discard, c) })
	packet, st := make([]byte, 1200), w.path(0).stream
	b.SetBytes(int64(len(packet)))
	b.ReportAllocs()
	for n := 0; b.Loop(); n++ {
		st.write(packet)
		for n%30 == 0 && st.waiting() > tcpWriteQueue/2 {
			runtime.Gosched()
		}
	}
	ours.Close()
	read.Wait()
}

// waiting is how many bytes are to be written.
func (s *stream) waiting() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.queued
}
