package peer

import (
	"encoding/binary"
	"net"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pion/rtp"

	"github.com/rollcall-rtc/rollcall/internal/sfu/bwe"
	"github.com/rollcall-rtc/rollcall/internal/sfu/srtp"
	"github.com/rollcall-rtc/rollcall/internal/sfu/transport"
	"github.com/rollcall-rtc/rollcall/internal/sfu/uptrack"
)

// paced is a connection with a pacer, of which is noted what it sends.
type paced struct {
	pacer
	paces   paces
	numbers *bwe.History
	media   *numbered
	again   *numbered

	sentMu sync.Mutex
	sent   []sentPacket // sentMu guards
}

type sentPacket struct {
	header  rtp.Header
	payload string
	number  uint16 // transport-wide
	at      time.Time
}

const (
	mediaSSRC = 7
	againSSRC = 8
)

func newPaced() *paced {
	c := &paced{numbers: bwe.NewHistory(time.Now())}
	c.visit = c.paces.add
	c.media, c.again = newNumbered(c, c.numbers, 3), newNumbered(c, c.numbers, 3)
	c.media.pacer, c.again.pacer, c.again.again = &c.pacer, &c.pacer, true
	return c
}

// WriteRTP implements downtrack.Writer.
func (c *paced) WriteRTP(h *rtp.Header, payload []byte, _ uptrack.Batch) (int, error) {
	c.sentMu.Lock()
	defer c.sentMu.Unlock()
	c.sent = append(c.sent, sentPacket{h.Clone(), string(payload), binary.BigEndian.Uint16(h.GetExtension(3)), time.Now()})
	return len(payload), nil
}

// write sends a packet of so many bytes, whose number is its content.
func (c *paced) write(n *numbered, ssrc uint32, seq uint16, size int) {
	payload := make([]byte, size)
	binary.BigEndian.PutUint16(payload, seq)
	h := rtp.Header{Version: 2, Marker: seq%2 == 0, PayloadType: 96, SSRC: ssrc, SequenceNumber: seq, Timestamp: uint32(seq) * 10}
	_ = h.SetExtension(5, []byte{byte(seq), 1, 2})
	_ = h.SetExtension(3, []byte{0, 0})
	_, _ = n.WriteRTP(&h, payload, nil)
	clear(payload) // it is the caller's
}

func (c *paced) seqs() (seqs []uint16) {
	c.sentMu.Lock()
	defer c.sentMu.Unlock()
	for _, s := range c.sent {
		seqs = append(seqs, s.header.SequenceNumber)
	}
	return seqs
}

// amount is what waits.
func (c *paced) amount() (packets, bytes int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.count, c.bytes
}

// count returns from, from+1, …, n of them.
func count(from uint16, n int) (seqs []uint16) {
	for i := range n {
		seqs = append(seqs, from+uint16(i))
	}
	return seqs
}

func TestABurstIsSpreadOnceThereIsALimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newPaced()
		for i := range 30 {
			c.write(c.media, mediaSSRC, uint16(i), 1000)
		}
		if n := len(c.seqs()); n != 30 {
			t.Fatalf("%d packets of 30 are sent, without a limit", n)
		}
		c.set(c.numbers, 1_000_000)
		began := time.Now()
		for i := range 30 {
			c.write(c.media, mediaSSRC, uint16(30+i), 1000)
		}
		if s := c.stats(); s.Waiting < 25 || s.Packets != uint64(s.Waiting) || s.Connections != 1 {
			t.Fatalf("%+v", s)
		}
		time.Sleep(100 * time.Millisecond)
		if n := len(c.seqs()) - 30; n < 10 || n > 17 {
			t.Errorf("after 100 ms %d packets are sent, of 8 ms each", n)
		}
		time.Sleep(400 * time.Millisecond)
		if got := c.seqs(); !slices.Equal(got, count(0, 60)) {
			t.Fatalf("sent %v", got)
		}
		for i, s := range c.sent {
			if got := binary.BigEndian.Uint16([]byte(s.payload)); int(s.number) != i || int(got) != i || len(s.payload) != 1000 ||
				s.header.Marker != (i%2 == 0) || s.header.Timestamp != uint32(i)*10 || s.header.GetExtension(5)[0] != byte(i) {
				t.Fatalf("packet %d: %+v, number %d, content %d", i, s.header, s.number, got)
			}
		}
		if last := c.sent[59].at.Sub(began); last < 150*time.Millisecond || last > 300*time.Millisecond {
			t.Errorf("the last of 240 ms is sent after %v", last)
		}
		c.paces.mu.Lock()
		defer c.paces.mu.Unlock()
		if c.paces.running {
			t.Error("the timer runs on")
		}
	})
}

// What the estimator hears of sending times is when packets were sent, and a probe is made
// of what waits.
func TestWhatWaitsServesAProbe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newPaced()
		defer c.close()
		c.set(c.numbers, 100_000)
		for i := range 10 {
			c.write(c.media, mediaSSRC, uint16(i), 1000)
		}
		_, before := c.numbers.Next()
		if sent := c.release(2500); sent < 3000 || sent > 3300 {
			t.Fatalf("%d bytes are sent instead of padding", sent)
		}
		if _, after := c.numbers.Next(); after-before < 3000 {
			t.Errorf("%d bytes are counted", after-before)
		}
		if got := c.seqs(); !slices.Equal(got, count(0, 4)) {
			t.Errorf("sent %v", got)
		}
		if sent := c.release(1e6); sent < 6000 || sent > 6500 || c.release(1) != 0 {
			t.Errorf("%d bytes were left", sent)
		}
	})
}

func TestWhatIsSentAgainGoesFirstAndPaddingAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newPaced()
		c.set(c.numbers, 1_000_000)
		for i := range 5 {
			c.write(c.media, mediaSSRC, uint16(i), 1000)
		}
		pad := func(seq uint16) {
			h := rtp.Header{Version: 2, Padding: true, PaddingSize: 255, SSRC: againSSRC, SequenceNumber: seq}
			_ = h.SetExtension(3, []byte{0, 0})
			_, _ = c.again.WriteRTP(&h, nil, nil)
		}
		pad(100)
		c.write(c.again, againSSRC, 101, 1000)
		c.write(c.again, againSSRC, 102, 1000)
		pad(103) // not before those
		if got := c.seqs(); !slices.Equal(got, []uint16{0, 100}) {
			t.Errorf("at once %v is sent", got)
		}
		time.Sleep(time.Second)
		if got := c.seqs(); !slices.Equal(got, []uint16{0, 100, 101, 102, 103, 1, 2, 3, 4}) {
			t.Errorf("sent %v", got)
		}
		if s := c.sent[4]; s.header.PaddingSize != 255 || !s.header.Padding || len(s.payload) != 0 {
			t.Errorf("padding is %+v", s.header)
		}
	})
}

func TestWhatWaitsGoesWhenTheLimitEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newPaced()
		for round := range 3 {
			c.set(c.numbers, 100_000)
			for i := range 5 {
				c.write(c.media, mediaSSRC, uint16(10*round+i), 1000)
			}
			c.set(c.numbers, bwe.Unlimited)
			for i := range 5 {
				c.write(c.media, mediaSSRC, uint16(10*round+5+i), 1000)
			}
		}
		if got := c.seqs(); !slices.Equal(got, count(0, 30)) {
			t.Errorf("sent %v", got)
		}
	})
}

func TestWhatWaitsOfATrackThatEndsIsDropped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newPaced()
		c.set(c.numbers, 100_000)
		for i := range 4 {
			c.write(c.media, mediaSSRC, uint16(i), 1000)
			c.write(c.media, mediaSSRC+100, uint16(20+i), 1000)
			c.write(c.again, againSSRC, uint16(40+i), 1000)
			c.write(c.again, againSSRC+100, uint16(60+i), 1000)
		}
		c.forget(mediaSSRC, againSSRC)
		if n, bytes := c.amount(); n != 8 || bytes < 8000 || bytes > 8500 {
			t.Errorf("%d packets and %d bytes wait", n, bytes)
		}
		time.Sleep(2 * time.Second)
		if got := c.seqs(); !slices.Equal(got, append(append([]uint16{0}, count(60, 4)...), count(20, 4)...)) {
			t.Errorf("sent %v", got)
		}
		for i := range 4 {
			c.write(c.media, mediaSSRC, uint16(i), 1000)
		}
		n := len(c.seqs())
		c.close()
		c.close()
		c.set(c.numbers, 100_000)
		if got, bytes := c.amount(); got != 0 || bytes != 0 || len(c.seqs()) != n {
			t.Errorf("after the end %d packets and %d bytes wait", got, bytes)
		}
		c.write(c.media, mediaSSRC, 9, 1000)
		if len(c.seqs()) != n+1 {
			t.Error("after the end packets are held back")
		}
	})
}

// However much comes, little waits, and in order.
func TestLittleIsHeldBackOfMuch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newPaced()
		c.set(c.numbers, 100_000)
		for i := range 3 * maxHeld {
			c.write(c.media, mediaSSRC, uint16(i), 100)
			if n := c.stats().Waiting; n > maxHeld {
				t.Fatalf("%d packets wait", n)
			}
		}
		c.write(c.media, mediaSSRC, 3*maxHeld, uptrack.MaxPacket+2*heldRoom) // longer than any
		if got := c.seqs(); !slices.Equal(got, count(0, 3*maxHeld+1)) {
			t.Errorf("sent %v", got)
		}
		for i := range 20 {
			c.write(c.media, mediaSSRC, uint16(3*maxHeld+1+i), 100)
		}
		time.Sleep(bwe.PaceLongest + 2*paceInterval)
		if n := c.stats().Waiting; n != 0 {
			t.Errorf("%d packets wait for longer than that", n)
		}
	})
}

// Streams are written, probes sent, and limits come and go, all at a time.
func TestNoOrderOfEventsChangesThatOfAStream(t *testing.T) {
	c := newPaced()
	const streams, packets = 4, 3000
	var writers, others sync.WaitGroup
	for i := range uint32(streams) {
		n := newNumbered(c, c.numbers, 3)
		n.pacer, n.again = &c.pacer, i%2 == 1
		writers.Go(func() {
			for seq := range packets {
				c.write(n, i, uint16(seq), 200)
			}
		})
	}
	stop := make(chan struct{})
	for _, f := range []func(i int){
		func(i int) { c.set(c.numbers, []uint64{bwe.Unlimited, 1e6, 1e9, 1e8}[i%4]) },
		func(i int) { c.release(i % 5000) },
		func(int) { c.stats() },
		func(int) { c.forget(1000, 1001) },
	} {
		others.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
					f(i)
				}
			}
		})
	}
	writers.Wait()
	close(stop)
	others.Wait()
	c.set(c.numbers, bwe.Unlimited)
	c.sentMu.Lock()
	defer c.sentMu.Unlock()
	next := map[uint32]uint16{}
	for i, s := range c.sent {
		if s.header.SequenceNumber != next[s.header.SSRC] {
			t.Fatalf("packet %d of %d: number %d, want %d", i, s.header.SSRC, s.header.SequenceNumber, next[s.header.SSRC])
		}
		next[s.header.SSRC]++
	}
	if len(c.sent) != streams*packets {
		t.Errorf("%d packets are sent", len(c.sent))
	}
}

// What a reader has gathered when a limit is found goes before what comes after that.
func TestWhatAReaderHasGatheredIsNotOvertaken(t *testing.T) {
	m, err := transport.Listen([]netip.Addr{netip.MustParseAddr("127.0.0.1")}, 0, transport.Options{Readers: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = m.Close() }()
	p := new(packets)
	keys, _ := newKeys(t, srtp.AEADAES128GCM)
	secure(t, p, m, keys)
	client, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = client.Close() }()
	p.link.Select(p.link.Paths(client.LocalAddr().(*net.UDPAddr).AddrPort())[0])
	h := bwe.NewHistory(time.Now())
	var s paces
	pacer := pacer{visit: s.add}
	n := newNumbered(p.writer(mediaSSRC), h, 3)
	n.pacer = &pacer
	batch := transport.Borrow()
	defer batch.Return()
	const rounds, each = 6, 6 // as many as a socket's buffer holds
	seq := uint16(0)
	send := func() {
		for range each {
			header := rtp.Header{Version: 2, PayloadType: 96, SSRC: mediaSSRC, SequenceNumber: seq}
			_ = header.SetExtension(3, []byte{0, 0})
			if _, err := n.WriteRTP(&header, make([]byte, 500+10*int(seq%each)), batch); err != nil {
				t.Fatal(err)
			}
			seq++
		}
	}
	for range rounds {
		send() // gathered
		pacer.set(h, 5_000_000)
		send() // spread
		pacer.set(h, bwe.Unlimited)
	}
	batch.Flush()
	if err := client.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 2000)
	for want := range seq {
		if _, err := client.Read(b); err != nil {
			t.Fatal(err)
		}
		if got := binary.BigEndian.Uint16(b[2:]); got != want {
			t.Fatalf("packet %d arrives instead of %d", got, want)
		}
	}
}

func TestHoldingAPacketAllocatesNothing(t *testing.T) {
	f := new(held)
	h := rtp.Header{Version: 2, PayloadType: 96, SSRC: 7}
	_ = h.SetExtension(3, []byte{0, 0})
	payload := make([]byte, 1000)
	if n := testing.AllocsPerRun(100, func() { f.fill(&h, payload) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// A connection is paced from the first sign of a limit on, and not any more when there has
// been none for long.
func TestAConnectionIsPacedWhileItIsNarrow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlay(t, 1)
		defer p.end()
		p.run(5 * time.Second)
		if s := p.budget.pacer.stats(); s != (Paced{}) {
			t.Fatalf("a wide connection: %+v", s)
		}
		p.setRate(300e3)
		p.run(10 * time.Second)
		if s := p.budget.pacer.stats(); s.Connections != 1 || s.Packets < 100 {
			t.Errorf("a narrow one: %+v", s)
		}
		if again := p.conn.packets.paced(); again != p.budget.pacer.stats() {
			t.Errorf("the connection says %+v", again)
		}
		p.setRate(10e6)
		p.run(90 * time.Second)
		if s := p.budget.pacer.stats(); s.Connections != 0 || s.Waiting != 0 {
			t.Errorf("wide again: %+v", s)
		}
		for _, a := range p.actors {
			a.came()
		}
		p.run(time.Second)
		if what := p.amiss(); what != "" {
			t.Error(what)
		}
	})
}
