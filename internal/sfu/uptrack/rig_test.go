package uptrack

import (
	"io"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pion/rtcp"
	"github.com/pion/rtp"
)

// pipe is a Stream fed by a test.
type pipe struct {
	packets chan []byte
}

func newPipe() *pipe { return &pipe{packets: make(chan []byte)} }

func (p *pipe) Read(b []byte) (int, error) {
	raw, ok := <-p.packets
	if !ok {
		return 0, io.EOF
	}
	return copy(b, raw), nil
}

// received is what a sink keeps of a packet.
type received struct {
	Layer     int
	Epoch     uint32
	Seq       uint64
	Timestamp uint32
	Keyframe  bool
	Payload   []byte
}

type recorder struct {
	mu     sync.Mutex
	got    []received
	blanks int
	live   uint8
}

func (r *recorder) Write(p *Packet) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.live = p.Live
	r.got = append(r.got, received{p.Layer, p.Epoch, p.Seq, p.Timestamp, p.Keyframe, slices.Clone(p.Payload)})
}

func (r *recorder) Prepare(int) {}

func (r *recorder) Blank(time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.blanks++
}

func (r *recorder) take() []received {
	r.mu.Lock()
	defer r.mu.Unlock()
	got := r.got
	r.got = nil
	return got
}

// rig runs an UpTrack in a synctest bubble.
type rig struct {
	t    *testing.T
	u    *UpTrack
	sink *recorder

	mu   sync.Mutex
	rtcp []rtcp.Packet
}

func newRig(t *testing.T, opts Options) *rig {
	r := &rig{t: t, sink: new(recorder)}
	opts.WriteRTCP = func(pkts []rtcp.Packet) error {
		for _, p := range pkts {
			if _, err := p.Marshal(); err != nil {
				t.Errorf("feedback does not marshal: %v", err)
			}
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		r.rtcp = append(r.rtcp, pkts...)
		return nil
	}
	r.u = New(opts)
	return r
}

var (
	vp8  = Codec{MimeType: "video/VP8", ClockRate: 90000}
	opus = Codec{MimeType: "audio/opus", ClockRate: 48000, Channels: 2}
)

// publish adds a stream; it is ended with the test.
func (r *rig) publish(info StreamInfo) *feed {
	p := newPipe()
	if !play(r.u, info, p) {
		r.t.Fatal("stream refused")
	}
	return &feed{r: r, pipe: p, ssrc: info.SSRC, pt: info.PayloadType, seq: 65530}
}

// feed sends the packets of one stream.
type feed struct {
	r    *rig
	pipe *pipe
	ssrc uint32
	pt   uint8
	seq  uint16
	ts   uint32
}

func (f *feed) send(pkt rtp.Packet) {
	f.r.t.Helper()
	raw, err := pkt.Marshal()
	if err != nil {
		f.r.t.Fatal(err)
	}
	f.pipe.packets <- raw
	synctest.Wait()
}

func (f *feed) packet(payload ...byte) rtp.Packet {
	p := rtp.Packet{Header: rtp.Header{Version: 2, SSRC: f.ssrc, PayloadType: f.pt, SequenceNumber: f.seq, Timestamp: f.ts}, Payload: payload}
	f.seq++
	return p
}

// frame sends a frame of n VP8 packets and lets a thirtieth of a second pass.
func (f *feed) frame(key bool, n int) {
	f.r.t.Helper()
	for i := range n {
		f.send(f.next(key, i))
	}
	f.tick()
}

func (f *feed) next(key bool, i int) rtp.Packet {
	switch {
	case i > 0:
		return f.packet(0x00, 0xaa)
	case key:
		return f.packet(0x10, 0x00)
	}
	return f.packet(0x10, 0x01)
}

func (f *feed) tick() {
	time.Sleep(time.Second / 30)
	synctest.Wait()
	f.ts += 3000
}

func (f *feed) end() {
	close(f.pipe.packets)
	synctest.Wait()
}

func (r *rig) feedback() []rtcp.Packet {
	r.mu.Lock()
	defer r.mu.Unlock()
	got := r.rtcp
	r.rtcp = nil
	return got
}

// of returns the packets of one kind.
func of[P rtcp.Packet](pkts []rtcp.Packet) (got []P) {
	for _, p := range pkts {
		if p, ok := p.(P); ok {
			got = append(got, p)
		}
	}
	return got
}

// nacked lists the sequence numbers asked for.
func (r *rig) nacked() (seqs []uint16) {
	for _, n := range of[*rtcp.TransportLayerNack](r.feedback()) {
		for _, pair := range n.Nacks {
			seqs = append(seqs, pair.PacketList()...)
		}
	}
	return seqs
}
