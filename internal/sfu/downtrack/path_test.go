package downtrack

import (
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pion/rtcp"
	"github.com/pion/rtp"

	"github.com/rollcall-rtc/rollcall/internal/sfu/uptrack"
)

// sizes are the packets that the path is measured with.
var sizes = []struct {
	name    string
	codec   uptrack.Codec
	payload int
}{
	{"audio", uptrack.Codec{MimeType: "audio/opus", ClockRate: 48000, Channels: 2}, 100},
	{"wrapped", uptrack.Codec{MimeType: "audio/opus", ClockRate: 48000, Channels: 2}, 101},
	{"unwrapped", uptrack.Codec{MimeType: "audio/red", ClockRate: 48000, Channels: 2}, 200},
	{"video", uptrack.Codec{MimeType: "video/VP8", ClockRate: 90000}, 1160},
}

// rawPacket is a packet with two extensions, one of which is forwarded.
func rawPacket(tb testing.TB, size int) []byte {
	payload := make([]byte, size)
	copy(payload, vp8Key)
	if size == 200 {
		copy(payload, []byte{0x80 | 111, 960 >> 6, 960 << 2 & 0xff, 90, 111})
	}
	p := rtp.Packet{Header: rtp.Header{Version: 2, SSRC: 5}, Payload: payload}
	for id := range uint8(2) {
		if err := p.SetExtension(id+1, []byte{0x80, 1, 2}); err != nil {
			tb.Fatal(err)
		}
	}
	raw, err := p.Marshal()
	if err != nil {
		tb.Fatal(err)
	}
	return raw
}

func advance(raw []byte) {
	binary.BigEndian.PutUint16(raw[2:], binary.BigEndian.Uint16(raw[2:])+1)
	binary.BigEndian.PutUint32(raw[4:], binary.BigEndian.Uint32(raw[4:])+3000)
}

// null is a Writer that does what the cheapest transport must: look at it.
type null struct{ octets atomic.Uint64 }

func (n *null) WriteRTP(h *rtp.Header, payload []byte, _ uptrack.Batch) (int, error) {
	n.octets.Store(uint64(len(payload)) + uint64(h.SequenceNumber))
	return len(payload), nil
}

func subscribe(up *uptrack.UpTrack, n int) []*DownTrack {
	downs := make([]*DownTrack, n)
	for i := range downs {
		downs[i] = New(Options{Source: up})
		downs[i].Bind(Binding{SSRC: uint32(i + 1), PayloadType: 120, PrimaryPayloadType: 111, Unwrap: up.Codec().MimeType == "audio/red", Wrap: up.Redundancy(), Writer: new(null), Extensions: []Ext{{From: 2, To: 3}}, SequenceExt: 4})
	}
	return downs
}

// source is a Stream of n packets, as fast as they are read. It closes donec
// after the last.
type source struct {
	raw   []byte
	n     int
	donec chan struct{}
}

func (s *source) Read(b []byte) (int, error) {
	if s.n == 0 {
		close(s.donec)
		return 0, io.EOF
	}
	s.n--
	advance(s.raw)
	return copy(b, s.raw), nil
}

// BenchmarkForward measures a packet from Read to WriteRTP; "ns/fwd" is the
// time per packet and subscriber.
func BenchmarkForward(b *testing.B) {
	for _, size := range sizes {
		for _, down := range []int{1, 10, 50, 100, 200, 1000} {
			b.Run(fmt.Sprintf("%s/down=%d", size.name, down), func(b *testing.B) {
				up := uptrack.New(uptrack.Options{Codec: size.codec, AudioLevelExt: 1, NACK: true})
				up.SetRedundancy(size.name == "wrapped")
				downs := subscribe(up, down)
				b.ReportAllocs()
				b.ResetTimer()
				s := &source{rawPacket(b, size.payload), b.N, make(chan struct{})}
				play(up, uptrack.StreamInfo{SSRC: 5}, s)
				<-s.donec
				b.StopTimer()
				end(up)
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*down), "ns/fwd")
				for _, d := range downs {
					if got := d.Stats().Packets; got != uint64(b.N) {
						b.Fatalf("forwarded %d of %d", got, b.N)
					}
				}
			})
		}
	}
}

// hand is a Stream that is given one packet at a time. When put returns, the
// packet before has been dealt with.
type hand struct {
	packets chan []byte
	bufs    [2][]byte // in turn, as the last one is still being read
	turn    int
}

func newHand() *hand {
	return &hand{packets: make(chan []byte), bufs: [2][]byte{make([]byte, 2000), make([]byte, 2000)}}
}

// put gives raw away unless stop is closed.
func (h *hand) put(raw []byte, stop <-chan struct{}) bool {
	h.turn ^= 1
	buf := h.bufs[h.turn]
	select {
	case h.packets <- buf[:copy(buf, raw)]:
		return true
	case <-stop:
		return false
	}
}

func (h *hand) Read(b []byte) (int, error) {
	raw, ok := <-h.packets
	if !ok {
		return 0, io.EOF
	}
	return copy(b, raw), nil
}

// The budget of the packet path: nothing is allocated per packet, nor per
// packet and subscriber, whether it is sent or turned away.
func TestForwardAllocatesNothing(t *testing.T) {
	for _, size := range sizes {
		t.Run(size.name, func(t *testing.T) {
			up := uptrack.New(uptrack.Options{Codec: size.codec, AudioLevelExt: 1, NACK: true})
			up.SetRedundancy(size.name == "wrapped")
			h := newHand()
			play(up, uptrack.StreamInfo{SSRC: 5}, h)
			downs := subscribe(up, 20)
			downs[3].SetPaused(true)
			downs[4].Unbind()
			raw := rawPacket(t, size.payload)
			next := func() {
				advance(raw)
				h.put(raw, nil)
			}
			for range 2000 { // the cache grows to its size
				next()
			}
			if n := testing.AllocsPerRun(2000, next); n != 0 {
				t.Errorf("%v allocations a packet", n)
			}
			close(h.packets)
			end(up)
			s := downs[0].Stats()
			if s.Packets < 3000 {
				t.Fatalf("only %d packets were forwarded", s.Packets)
			}
			if each := s.Octets / s.Packets; size.name == "wrapped" && each < 200 {
				t.Errorf("%d bytes a packet are without redundancy", each)
			}
		})
	}
}

// quitter is a Writer that does to its track what a transport that fails may
// lead to, from within the write.
type quitter struct {
	down *DownTrack
	n    int
}

func (q *quitter) WriteRTP(h *rtp.Header, payload []byte, _ uptrack.Batch) (int, error) {
	q.n++
	switch q.n % 7 {
	case 1:
		q.down.SetPaused(true)
		q.down.SetPaused(false)
	case 2:
		q.down.SetMaxLayer(q.n % 3)
	case 3:
		q.down.Stats()
		q.down.SenderReport(time.Now())
	case 4:
		q.down.Unbind()
	case 5:
		q.down.Bind(Binding{SSRC: uint32(q.n), Writer: q})
	}
	if q.n == 100 {
		q.down.Close()
	}
	return 0, io.ErrClosedPipe
}

// Who holds a lock of a track has no say in when packets go.
func TestForwardTakesNoLock(t *testing.T) {
	up := uptrack.New(uptrack.Options{Codec: sizes[0].codec})
	in := up.AddStream(uptrack.StreamInfo{SSRC: 5})
	downs := subscribe(up, 20)
	for _, d := range downs {
		d.bindMu.Lock()
		defer d.bindMu.Unlock()
		d.rtxMu.Lock()
		defer d.rtxMu.Unlock()
	}
	raw := rawPacket(t, 100)
	for range 100 {
		advance(raw)
		in.Receive(raw, nil)
	}
	for i, d := range downs {
		if got := d.Stats().Packets; got != 100 {
			t.Fatalf("track %d: forwarded %d", i, got)
		}
	}
	in.End()
}

func TestWriterMayCallItsTrack(t *testing.T) {
	up := uptrack.New(uptrack.Options{Codec: sizes[0].codec})
	h := newHand()
	play(up, uptrack.StreamInfo{SSRC: 5}, h)
	q := new(quitter)
	q.down = New(Options{Source: up})
	raw := rawPacket(t, 100)
	for range 1000 {
		q.down.Bind(Binding{SSRC: 1, Writer: q})
		advance(raw)
		h.put(raw, nil)
	}
	close(h.packets)
	end(up)
	if q.n != 100 {
		t.Fatalf("%d writes, want none after Close", q.n)
	}
}

// Everything at once, for the race detector: three layers' goroutines, many
// subscribers, and every method from other goroutines. At the end each
// subscriber still gets what it should.
func TestEverythingAtOnce(t *testing.T) {
	up := uptrack.New(uptrack.Options{Codec: sizes[1].codec, NACK: true, AudioLevelExt: 1})
	var streams []*hand
	for _, rid := range simulcast {
		h := newHand()
		streams = append(streams, h)
		play(up, uptrack.StreamInfo{RID: rid, SSRC: uint32(len(streams))}, h)
	}
	downs := subscribe(up, 8)

	stop := make(chan struct{})
	var feeders, users sync.WaitGroup
	for i, h := range streams {
		feeders.Go(func() {
			raw := rawPacket(t, 300)
			binary.BigEndian.PutUint32(raw[8:], uint32(i+1))
			for n := 0; ; n++ {
				advance(raw)
				switch {
				case n%50 == 49:
					advance(raw) // lost
				case n%1000 == 999:
					binary.BigEndian.PutUint32(raw[8:], uint32(n))
				}
				if !h.put(raw, stop) {
					close(h.packets)
					return
				}
			}
		})
	}
	for i, d := range downs {
		users.Go(func() {
			rng := rand.New(rand.NewPCG(uint64(i), 5))
			for range 300 {
				switch rng.IntN(9) {
				case 0:
					d.SetPaused(true)
				case 1:
					d.SetPaused(false)
				case 2:
					d.SetMaxLayer(rng.IntN(3))
				case 3:
					d.Unbind()
				case 4:
					d.Bind(Binding{SSRC: uint32(i*10 + rng.IntN(2)), PayloadType: 120, RTXSSRC: 9, RTXPayloadType: 121, Writer: new(null)})
				case 5:
					up.SetMuted(rng.IntN(4) == 0)
				case 6:
					if sr := d.SenderReport(time.Now()); sr != nil {
						pairs := []rtcp.NackPair{{PacketID: uint16(rng.Uint32()), LostPackets: 0xffff}}
						d.HandleRTCP([]rtcp.Packet{&rtcp.TransportLayerNack{MediaSSRC: sr.SSRC, Nacks: pairs}, &rtcp.PictureLossIndication{MediaSSRC: sr.SSRC}})
					}
				case 7:
					d.Stats()
					up.Stats()
				case 8:
					up.HandleRTCP(1, []rtcp.Packet{&rtcp.SenderReport{SSRC: uint32(rng.IntN(4)), NTPTime: ntp(time.Now())}})
				}
			}
		})
	}
	users.Wait()
	up.SetMuted(false)
	for i, d := range downs {
		before := d.Stats().Packets
		d.SetPaused(false)
		d.SetMaxLayer(2)
		d.Bind(Binding{SSRC: uint32(i), PayloadType: 120, Writer: new(null)})
		for deadline := time.Now().Add(20 * time.Second); d.Stats().Packets < before+100 || d.Stats().Layer != 2; {
			if time.Now().After(deadline) {
				t.Fatalf("subscriber %d is stuck: %+v", i, d.Stats())
			}
			time.Sleep(time.Millisecond)
		}
	}
	close(stop)
	feeders.Wait()
	for _, d := range downs {
		d.Close()
	}
	end(up)
}

// scripted is a Stream of given packets.
type scripted struct {
	packets [][]byte
	donec   chan struct{}
}

func (s *scripted) Read(b []byte) (int, error) {
	if len(s.packets) == 0 {
		close(s.donec)
		return 0, io.EOF
	}
	n := copy(b, s.packets[0])
	s.packets = s.packets[1:]
	return n, nil
}

// Whatever a publisher sends and a subscriber asks for, nothing panics and
// what is sent is well-formed.
func FuzzForward(f *testing.F) {
	mimes := []string{"video/VP8", "video/VP9", "video/H264", "video/H265", "video/AV1", "audio/opus", "audio/red"}
	for i := range mimes {
		f.Add(uint8(i), rawPacket(f, 30), uint16(0))
	}
	f.Fuzz(func(t *testing.T, codec uint8, raw []byte, lost uint16) {
		up := uptrack.New(uptrack.Options{Codec: uptrack.Codec{MimeType: mimes[int(codec)%len(mimes)], ClockRate: 90000},
			DependencyDescriptorExt: 2, AudioLevelExt: 1, NACK: true})
		out := new(tape)
		d := New(Options{Source: up})
		up.SetRedundancy(lost%3 == 0)
		b := Binding{SSRC: 1, PayloadType: 96, PrimaryPayloadType: 96, Unwrap: lost%2 == 0, Wrap: up.Redundancy(), RTXSSRC: 2, RTXPayloadType: 97, Writer: out,
			Extensions: []Ext{{From: 1, To: 1}, {From: 2, To: 15}}}
		d.Bind(b)
		s := &scripted{donec: make(chan struct{})}
		good := rawPacket(t, 20)
		for i := range 4 { // the packet between good ones, twice
			advance(good)
			s.packets = append(s.packets, append([]byte(nil), good...))
			if i%2 == 0 {
				s.packets = append(s.packets, raw)
			}
		}
		play(up, uptrack.StreamInfo{}, s)
		<-s.donec
		nack := &rtcp.TransportLayerNack{MediaSSRC: 1, Nacks: []rtcp.NackPair{{PacketID: lost, LostPackets: 0xffff}}}
		for _, p := range out.take() {
			if p.SSRC != 1 || p.PayloadType != 96 {
				t.Fatalf("sent %+v", p)
			}
			if _, err := p.Marshal(); err != nil {
				t.Fatalf("sent %+v: %v", p, err)
			}
			nack.Nacks = append(nack.Nacks, rtcp.NackPair{PacketID: p.SequenceNumber})
		}
		d.HandleRTCP([]rtcp.Packet{nack})
		for _, p := range out.take() {
			if p.SSRC != 2 || p.PayloadType != 97 || len(p.Payload) < 2 {
				t.Fatalf("repeated %+v", p)
			}
		}
		d.Close()
		end(up)
	})
}
