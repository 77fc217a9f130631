package downtrack

import (
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pion/rtp"

	"github.com/rollcall-rtc/rollcall/internal/sfu/codec"
	"github.com/rollcall-rtc/rollcall/internal/sfu/layer"
	"github.com/rollcall-rtc/rollcall/internal/sfu/seqmap"
	"github.com/rollcall-rtc/rollcall/internal/sfu/uptrack"
)

// Writer sends one RTP packet: with the batch, or at once if that is nil. It
// must be safe for concurrent use and must not keep the header or the payload.
type Writer interface {
	WriteRTP(h *rtp.Header, payload []byte, batch uptrack.Batch) (int, error)
}

// Ext maps a header extension id of the publisher to one of the subscriber.
type Ext struct{ From, To uint8 }

// Binding is what was negotiated with the subscriber for the track.
type Binding struct {
	SSRC        uint32
	PayloadType uint8
	// PrimaryPayloadType is that of what is inside redundant audio (RFC 2198), 0
	// if none is sent. With Unwrap, PayloadType is not used, and packets go
	// out without their redundancy, which makes up for lost ones.
	PrimaryPayloadType uint8
	Unwrap             bool
	// Wrap has Opus that comes without redundancy go out as redundant audio, where the
	// source makes it; other packets go out bare.
	Wrap bool
	// RTXSSRC and RTXPayloadType select RFC 4588 retransmission; if one is 0
	// packets are repeated as they were.
	RTXSSRC        uint32
	RTXPayloadType uint8
	Writer         Writer
	RTX            Writer // nil means Writer
	// Extensions are forwarded; all others are stripped.
	Extensions []Ext
	// SequenceExt is the id of the transport-wide sequence number, 0 if none.
	// Packets go to the Writer with two bytes there, for it to fill in.
	SequenceExt uint8
	// PlayoutExt is the id of the playout delay, 0 if none. PlayoutDelay goes out
	// with all packets until a report says that one has come.
	PlayoutExt   uint8
	PlayoutDelay [3]byte
}

// Source is the up-track as a DownTrack sees it; *uptrack.UpTrack is one.
type Source interface {
	Codec() uptrack.Codec
	Attach(uptrack.Sink)
	Detach(uptrack.Sink)
	Muted() bool
	InTurn(f func()) bool
	Live() uint8
	RequestKeyframe(layer int)
	Beginning(p *uptrack.Packet) (seq uint64, ok bool)
	Retrieve(layer int, seq uint64, buf []byte, p *uptrack.Packet) bool
	FrameRates(layer int, now time.Time) [layer.AllTemporal + 1]float64
	RTPTime(layer int, ssrc uint32, at time.Time) (timestamp uint32, ok bool)
}

// Options configure a DownTrack. Only Source is required.
type Options struct {
	Source Source
	// OnLayer is called when forwarding starts, and when it moves to another
	// layer. It runs on the packet path and must not block.
	OnLayer func(layer int)
	// OnFlow is called with the first packet, and with the first one after
	// each pause. It runs on the packet path and must not block.
	OnFlow func()
	// NeverAsks says that the subscriber does not ask for key frames. The first may have
	// overtaken the answer that announces it: once the subscriber first reports on the
	// stream, the source is asked for another.
	NeverAsks bool
	// Now is the clock; nil means time.Now.
	Now func() time.Time
}

// DownTrack is one track as one subscriber receives it.
//
// The packet path is in forward.go. It takes no lock: the source has it write
// one packet at a time, and others tell it what to do by atomics.
type DownTrack struct {
	src     Source
	onLayer func(int)        // immutable
	onFlow  func()           // immutable
	now     func() time.Time // immutable
	gate    bool             // immutable: starts at key frames
	red     bool             // immutable: redundant audio
	runOn   bool             // immutable: picture ids have no gaps
	rate    uint32           // immutable: clock rate
	epoch   time.Time        // immutable: zero of millisecond counts
	// neverAsks is Options.NeverAsks; immutable.
	neverAsks bool

	binding  atomic.Pointer[Binding] // nil while unbound
	stopped  atomic.Uint32           // mask of stop reasons; 0 = it flows
	maxLayer atomic.Int32            // the subscriber's wish
	allotted atomic.Int32            // what its connection carries
	// allottedTemporal is the same of temporal layers.
	allottedTemporal atomic.Int32
	maxFPS           atomic.Uint32 // the subscriber's wish, 0 = all there are
	// restarts counts the breaks that the subscriber's side makes: bound
	// anew, resumed. The path begins anew when it sees another count.
	restarts atomic.Uint32
	current  atomic.Int32  // layer being sent, -1 = waiting. Written in turn
	seen     atomic.Uint32 // the restarts that were obeyed. Written in turn
	// spatial is the highest layer being sent of those inside the stream, -1 if there
	// are none. Written in turn.
	spatial atomic.Int32

	// Written in turn, read by the RTCP side.
	dropped  atomic.Uint32 // pictures left out before the newest packet
	lastSent atomic.Uint64 // timestamp:32 | milliseconds:32, 0 = nothing
	counters counters
	playout  playout

	f forwarder // in turn only: by Write, and within Source.InTurn

	// Written in turn, read by the RTCP side.
	history  atomic.Pointer[seqmap.History]
	mappings [mappings]atomic.Pointer[mapping]
	mapping  atomic.Pointer[mapping] // the latest
	reports  reports
	unheard  atomic.Bool // it never asks, and nothing was reported of what is bound

	rtxMu sync.Mutex // guards rtx
	rtx   retransmitter

	bindMu sync.Mutex // guards closed, and orders Attach and Detach
	closed bool
}

// New returns an unbound DownTrack.
func New(opts Options) *DownTrack {
	if opts.Now == nil {
		opts.Now = time.Now
	}
	c := opts.Source.Codec()
	d := &DownTrack{
		src:     opts.Source,
		onLayer: opts.OnLayer,
		onFlow:  opts.OnFlow,
		now:     opts.Now,
		gate:    codec.KindOf(c.MimeType).HasKeyframes(),
		red:     codec.IsRED(c.MimeType),
		runOn:   codec.KindOf(c.MimeType) == codec.VP8,
		rate:    c.ClockRate,
		epoch:   opts.Now(),

		neverAsks: opts.NeverAsks,
	}
	d.maxLayer.Store(uptrack.MaxLayers - 1)
	d.allotted.Store(uptrack.MaxLayers - 1)
	d.allottedTemporal.Store(layer.AllTemporal)
	d.current.Store(-1)
	d.spatial.Store(-1)
	d.f.init()
	d.rtx.seq = uint16(rand.Uint32N(1 << 15))
	return d
}

// Bind starts sending with b and attaches to the source. Binding again
// replaces the binding; if the SSRC is another one, video resumes at a key
// frame. While the source is muted one padding packet goes out, so that
// receivers that wait for a first packet see the track.
func (d *DownTrack) Bind(b Binding) {
	b.Extensions = slices.Clone(b.Extensions)
	if b.RTX == nil {
		b.RTX = b.Writer
	}
	d.bindMu.Lock()
	if d.closed {
		d.bindMu.Unlock()
		return
	}
	old := d.binding.Load()
	anew := old == nil || old.SSRC != b.SSRC
	if anew {
		d.restarts.Add(1)
		d.playout.reset()
		d.unheard.Store(d.neverAsks)
	}
	d.binding.Store(&b)
	if old == nil {
		d.src.Attach(d)
	}
	d.bindMu.Unlock()
	// If the path is busy, packets flow and none is needed.
	if anew && d.src.Muted() {
		d.src.InTurn(func() { d.f.pad(d, &b, d.now()) })
	}
}

// Unbind stops sending and detaches from the source. One packet may still be
// on its way to the Writer when it returns.
func (d *DownTrack) Unbind() {
	d.bindMu.Lock()
	defer d.bindMu.Unlock()
	if d.binding.Swap(nil) != nil {
		d.src.Detach(d)
	}
}

// Close unbinds for good.
func (d *DownTrack) Close() {
	d.bindMu.Lock()
	d.closed = true
	d.bindMu.Unlock()
	d.Unbind()
}
