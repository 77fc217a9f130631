package peer

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/pion/rtcp"
	"github.com/pion/rtp"

	"github.com/rollcall-rtc/rollcall/internal/sfu/bwe"
	"github.com/rollcall-rtc/rollcall/internal/sfu/downtrack"
	"github.com/rollcall-rtc/rollcall/internal/sfu/srtp"
	"github.com/rollcall-rtc/rollcall/internal/sfu/transport"
	"github.com/rollcall-rtc/rollcall/internal/sfu/uptrack"
)

// path is the way of packets from one client to many, without ICE and DTLS:
// sealed as the client seals, opened, forwarded, sealed for each, sent.
type path struct {
	t      testing.TB
	in     *packets
	out    []*packets
	downs  []*downtrack.DownTrack
	up     *uptrack.UpTrack
	sealer *srtp.Sealer // the publisher's
	stream srtp.Stream
	batch  *transport.Batch
	plain  []byte
	sealed []byte
	seq    uint16
}

func newKeys(t testing.TB, p srtp.Profile) (server, client srtp.Keys) {
	t.Helper()
	material := make([]byte, p.KeyingLen())
	if _, err := rand.Read(material); err != nil {
		t.Fatal(err)
	}
	server, err := p.Split(material, false)
	if err != nil {
		t.Fatal(err)
	}
	if client, err = p.Split(material, true); err != nil {
		t.Fatal(err)
	}
	return server, client
}

// secure gives a connection keys and, if there is a mux, somewhere to send.
func secure(t testing.TB, p *packets, m *transport.Mux, keys srtp.Keys) {
	t.Helper()
	p.init(m, nil)
	sealer, err := srtp.NewSealer(keys)
	if err != nil {
		t.Fatal(err)
	}
	if p.opener, err = srtp.NewOpener(keys); err != nil {
		t.Fatal(err)
	}
	p.sealer.Store(sealer)
	client, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	if err := p.link.Register(fmt.Sprintf("%p", p)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.link.Close)
	p.link.Select(p.link.Paths(client.LocalAddr().(*net.UDPAddr).AddrPort())[0])
}

func newPath(t testing.TB, subscribers, size int) *path {
	t.Helper()
	opus := uptrack.Codec{MimeType: "audio/opus", ClockRate: 48000}
	w := layPath(t, opus, 111, subscribers, size, func(i int, w downtrack.Writer) downtrack.Binding {
		return downtrack.Binding{PayloadType: 63, PrimaryPayloadType: 111, Wrap: i%2 == 0, Unwrap: i%2 > 0, Writer: w}
	})
	w.up.SetRedundancy(true)
	return w
}

// newVideoPath is newPath for pictures of three packets, which are numbered and counted
// for the estimate of each subscriber's bandwidth.
func newVideoPath(t testing.TB, subscribers, size int) *path {
	t.Helper()
	vp8 := uptrack.Codec{MimeType: "video/VP8", ClockRate: 90000}
	return layPath(t, vp8, 96, subscribers, size, func(_ int, w downtrack.Writer) downtrack.Binding {
		return downtrack.Binding{PayloadType: 96, Writer: newNumbered(w, bwe.NewHistory(time.Now()), 1), SequenceExt: 1}
	})
}

func layPath(t testing.TB, codec uptrack.Codec, pt uint8, subscribers, size int, bind func(i int, w downtrack.Writer) downtrack.Binding) *path {
	t.Helper()
	m, err := transport.Listen([]netip.Addr{netip.MustParseAddr("127.0.0.1")}, 0, transport.Options{Readers: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = m.Close() })
	w := &path{t: t, in: new(packets), batch: transport.Borrow(), sealed: make([]byte, 1500)}
	server, client := newKeys(t, srtp.AEADAES128GCM)
	secure(t, w.in, m, server)
	if w.sealer, err = srtp.NewSealer(client); err != nil {
		t.Fatal(err)
	}
	w.up = uptrack.New(uptrack.Options{Codec: codec})
	t.Cleanup(w.up.Close)
	section := &mediaSection{mid: "0", up: w.up, pt: pt, ssrcs: []uint32{5}}
	section.media[pt] = true
	w.in.route([]*mediaSection{section}, exts{mid: 1})
	for i := range subscribers {
		p := new(packets)
		keys, _ := newKeys(t, srtp.AEADAES128GCM)
		secure(t, p, m, keys)
		d := downtrack.New(downtrack.Options{Source: w.up})
		ssrc := uint32(100 + i)
		b := bind(i, p.writer(ssrc))
		b.SSRC = ssrc
		d.Bind(b)
		w.out, w.downs = append(w.out, p), append(w.downs, d)
	}
	w.plain, err = (&rtp.Packet{Header: rtp.Header{Version: 2, PayloadType: pt, SSRC: 5}, Payload: make([]byte, size)}).Marshal()
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// packet takes one more packet of the publisher all the way.
func (w *path) packet() {
	b := append(w.sealed[:0], w.plain...)
	w.seq++
	binary.BigEndian.PutUint16(b[2:], w.seq)
	binary.BigEndian.PutUint32(b[4:], 960*uint32(w.seq))
	w.send(b)
	w.batch.Flush()
}

// picture takes one more picture of three packets, the first of which is a key frame.
func (w *path) picture() {
	number := w.seq / 3
	for i := range 3 {
		b := append(w.sealed[:0], w.plain...)
		w.seq++
		if i == 2 {
			b[1] |= 0x80 // the marker
		}
		binary.BigEndian.PutUint16(b[2:], w.seq)
		binary.BigEndian.PutUint32(b[4:], 3000*uint32(number))
		// RFC 7741 §4.2: extended, with a picture id of 15 bits.
		payload := b[12:]
		payload[0], payload[1] = 0x80, 0x80
		binary.BigEndian.PutUint16(payload[2:], 0x8000|number)
		if i == 0 {
			payload[0] |= 0x10 // it begins
			if number > 0 {
				payload[4] = 1 // and is no key frame
			}
		}
		w.send(b)
	}
	w.batch.Flush()
}

func (w *path) send(b []byte) {
	index, _ := w.stream.Index(w.seq)
	b = w.sealer.RTP(&w.batch.Scratch, b, 12, index)
	w.in.HandleMedia(b, w.batch)
}

func (w *path) forwarded() (n uint64) {
	for _, d := range w.downs {
		n += d.Stats().Packets
	}
	return n
}

// wantFree asserts the budget of the packet path, from the socket to the sockets: each
// move, of so many packets, allocates nothing and waits for nobody.
func (w *path) wantFree(move func(), packets int) {
	w.t.Helper()
	for range 300 { // caches and batches grow to their size
		move()
	}
	for _, p := range w.out {
		// Whoever has these has no say in when packets go.
		p.mu.Lock()
		defer p.mu.Unlock()
		p.sendMu.Lock()
		defer p.sendMu.Unlock()
	}
	before := w.forwarded()
	const runs = 500
	if n := testing.AllocsPerRun(runs, move); n != 0 {
		w.t.Errorf("%v allocations for %d packets to %d subscribers", n, packets, len(w.out))
	}
	if got, want := w.forwarded()-before, uint64(len(w.out)*packets*(runs+1)); got != want {
		w.t.Errorf("%d packets went, want %d", got, want)
	}
}

func TestForwardingAllocatesNothingAndWaitsForNobody(t *testing.T) {
	w := newPath(t, 20, 500) // half of them with the packet before, of 500 too
	w.wantFree(w.packet, 1)
	wrapped, bare := w.downs[0].Stats(), w.downs[1].Stats()
	if wrapped.Octets/wrapped.Packets < 1000 || bare.Octets != bare.Packets*500 {
		t.Errorf("with redundancy %+v, without %+v", wrapped, bare)
	}
}

func TestForwardingPicturesAllocatesNothingAndWaitsForNobody(t *testing.T) {
	w := newVideoPath(t, 20, 900)
	w.wantFree(w.picture, 3)
}

func TestWhatCannotBeReadEndsTheConnectionOnce(t *testing.T) {
	report := func(w *path, packet ...byte) {
		w.in.HandleMedia(w.sealer.RTCP(&w.batch.Scratch, append(make([]byte, 0, 100), packet...)), w.batch)
	}
	var stream srtp.Stream
	for name, c := range map[string]struct{ good, bad func(w *path, i int) }{
		"of reports": {
			func(w *path, _ int) { report(w, 0x80, 201, 0, 1, 0, 0, 0, 5) },
			func(w *path, _ int) { report(w, 0x9f, 201, 0, 7, 0, 0, 0, 5, 1, 2, 3, 4) },
		},
		"of a track": {
			func(w *path, i int) { w.media(&stream, 0x80, 5, 111, uint16(2*i), 100) },
			func(w *path, i int) { w.media(&stream, 0xa0, 5, 111, uint16(2*i+1), 100) }, // with padding, of no length
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newPath(t, 0, 100)
			var failed []error
			w.in.failed = func(err error) { failed = append(failed, err) }
			for i := range maxGarbage {
				c.good(w, i)
				c.bad(w, i)
			}
			if len(failed) > 0 {
				t.Errorf("too early: %v", failed)
			}
			for i := range 5 {
				c.bad(w, maxGarbage+i)
			}
			if len(failed) != 1 || failed[0] != ErrGarbage {
				t.Errorf("failed with %v", failed)
			}
		})
	}
}

// media sends a packet of a stream as the client does, of zeros behind its header, which
// begins with first.
func (w *path) media(stream *srtp.Stream, first byte, ssrc uint32, pt uint8, seq uint16, size int) {
	w.t.Helper()
	b := make([]byte, 12+size, 12+size+srtp.MaxOverhead)
	b[0], b[1] = first, pt
	binary.BigEndian.PutUint16(b[2:], seq)
	binary.BigEndian.PutUint32(b[8:], ssrc)
	index, _ := stream.Index(seq)
	w.in.HandleMedia(w.sealer.RTP(&w.batch.Scratch, b, 12, index), w.batch)
	w.batch.Flush()
}

func TestMediaOfNoTrackEndsTheConnectionOnce(t *testing.T) {
	for name, c := range map[string]struct {
		ssrc uint32
		pt   uint8
		size int
	}{
		"of an unknown stream":            {9, 50, 100},
		"of a payload type that was none": {5, 50, 100},
		"longer than any":                 {5, 111, uptrack.MaxPacket},
	} {
		t.Run(name, func(t *testing.T) {
			w := newPath(t, 1, 100)
			var failed []error
			w.in.failed = func(err error) { failed = append(failed, err) }
			var good, bad srtp.Stream
			w.media(&good, 0x80, 5, 111, 0, 100)
			for i := range maxStray {
				w.media(&bad, 0x80, c.ssrc, c.pt, uint16(i+1), c.size)
			}
			if len(failed) > 0 {
				t.Errorf("too early: %v", failed)
			}
			for i := range 5 {
				w.media(&bad, 0x80, c.ssrc, c.pt, uint16(maxStray+i+1), c.size)
			}
			if len(failed) != 1 || !errors.Is(failed[0], ErrGarbage) {
				t.Errorf("failed with %v", failed)
			}
		})
	}
}

func TestMediaOfATrackThatIsOverIsForgiven(t *testing.T) {
	w := newPath(t, 1, 100)
	w.in.failed = func(err error) { t.Error(err) }
	w.packet()
	w.in.route(nil, exts{mid: 1})
	for range 2 * maxStray {
		w.packet()
	}
}

func TestGarbageOfLongAgoDoesNotCount(t *testing.T) {
	var g garbage
	now := time.Unix(1000, 0)
	for range 100 * maxGarbage {
		now = now.Add(garbageWindow / maxGarbage * 2)
		if g.add(now, maxGarbage) {
			t.Fatal("too many")
		}
	}
}

func BenchmarkPacketPath(b *testing.B) {
	for _, size := range []int{100, 1100} {
		for _, n := range []int{1, 10, 75} {
			b.Run(fmt.Sprintf("bytes=%d/down=%d", size, n), func(b *testing.B) {
				w := newPath(b, n, size)
				b.ReportAllocs()
				for b.Loop() {
					w.packet()
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/fwd")
			})
		}
	}
}

// Whatever RTCP a client sends, about tracks that it sends or is sent.
func FuzzRTCP(f *testing.F) {
	seed := func(pkts ...rtcp.Packet) {
		b, err := rtcp.Marshal(pkts)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	report := []rtcp.ReceptionReport{{SSRC: 7, LastSequenceNumber: 1 << 20, Jitter: 5, LastSenderReport: 9, Delay: 3}}
	seed(&rtcp.SenderReport{SSRC: 9, NTPTime: 1 << 40, RTPTime: 3000, Reports: report}, &rtcp.ReceiverReport{Reports: report})
	seed(&rtcp.TransportLayerNack{MediaSSRC: 7, Nacks: []rtcp.NackPair{{PacketID: 65535, LostPackets: 0xffff}}})
	seed(&rtcp.PictureLossIndication{MediaSSRC: 7}, &rtcp.FullIntraRequest{FIR: []rtcp.FIREntry{{SSRC: 7}}})
	seed(&rtcp.ReceiverEstimatedMaximumBitrate{Bitrate: 1e30, SSRCs: []uint32{7}}, &rtcp.Goodbye{Sources: []uint32{9}})
	seed(&rtcp.TransportLayerCC{MediaSSRC: 7, PacketStatusCount: 1, PacketChunks: []rtcp.PacketStatusChunk{
		&rtcp.RunLengthChunk{PacketStatusSymbol: rtcp.TypeTCCPacketNotReceived, RunLength: 1}}})
	f.Fuzz(func(t *testing.T, b []byte) {
		s := newSorted(t, &mediaSection{mid: "cam", ssrcs: []uint32{9}})
		s.packet(9, ptMedia, 5, vp8Payload, nil)
		up := s.sections["cam"].up
		sender := &Sender{codec: up.Codec(), up: up, down: downtrack.New(downtrack.Options{Source: up})}
		defer sender.down.Close()
		g := &budget{mayPause: true, starved: func(*Sender) {}}
		defer g.close()
		s.budget = g
		sender.down.Bind(downtrack.Binding{SSRC: 7, PayloadType: 96, Writer: newNumbered(s.writer(7), g.add(sender), 1), SequenceExt: 1})
		s.listen(sender.down, 7)
		s.mu.Lock()
		s.takeFeedback(b)
		if pkts, err := rtcp.Unmarshal(b); err == nil {
			s.handleRTCP(pkts)
		}
		s.mu.Unlock()
		s.packet(9, ptMedia, 6, vp8Payload, nil)
		sender.down.SenderReport(time.Now())
		sender.down.Stats()
		up.Stats()
	})
}
