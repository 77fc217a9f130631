package uptrack

import (
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pion/rtcp"

	"github.com/rollcall-rtc/rollcall/internal/sfu/codec"
	"github.com/rollcall-rtc/rollcall/internal/sfu/layer"
	"github.com/rollcall-rtc/rollcall/internal/sfu/nack"
	"github.com/rollcall-rtc/rollcall/internal/sfu/packetcache"
	"github.com/rollcall-rtc/rollcall/internal/sfu/rtpstats"
)

// MaxLayers is how many simulcast layers one track may have.
const MaxLayers = layer.Max

// AllTemporal stands for all temporal layers of a layer.
const AllTemporal = layer.AllTemporal

// StreamInfo describes one SSRC of a track.
type StreamInfo struct {
	// RID is the simulcast rid, empty without simulcast. The rids q, h and f
	// are the layers 0, 1 and 2; any other takes the lowest free layer.
	RID string
	// SSRC is the publisher's media SSRC as negotiated or first seen.
	SSRC uint32
	// PayloadType is the media payload type. Packets with another one are
	// dropped and counted; 0 accepts any.
	PayloadType uint8
}

// Codec is what the track is encoded with.
type Codec struct {
	MimeType  string // "video/VP8", "audio/opus"
	ClockRate uint32
	Channels  uint16
	Fmtp      string // of redundant audio: of what is inside it
}

// Options configure an UpTrack. Only Codec is required.
type Options struct {
	Codec Codec

	// AudioLevelExt is the negotiated id of ssrc-audio-level (RFC 6464), 0 if none.
	AudioLevelExt uint8
	// DependencyDescriptorExt is the negotiated id of the AV1 dependency
	// descriptor, 0 if none.
	DependencyDescriptorExt uint8
	// PrimaryPayloadType is that of packets of redundant audio (RFC 2198) that
	// come without redundancy, as what is inside; 0 if there are none.
	PrimaryPayloadType uint8
	// NACK says that the publisher retransmits what we ask for.
	NACK bool
	// SenderSSRC is the SSRC our RTCP comes from; 0 means 1.
	SenderSSRC uint32
	// Clock is shared by the tracks of one publisher so that their sender
	// reports are mapped alike; nil makes one for this track.
	Clock *Clock
	// RTT returns the round trip time to the publisher as its connection measures it, 0
	// while it is unknown; nil: it does not. It is called with locks held.
	RTT func() time.Duration
	// PlayoutDelay is how long receivers of video should wait, at least and at most,
	// before they show it, where the room does not say; zeros: as they like.
	PlayoutDelay [2]time.Duration

	// WriteRTCP sends feedback to the publisher. It is called without locks
	// held, by Input.Receive, timers and callers of RequestKeyframe.
	WriteRTCP func([]rtcp.Packet) error
	// OnFirstPacket is called once, on the packet path, when the first
	// valid packet has arrived; a publisher that starts muted may send no
	// more than padding.
	OnFirstPacket func()
	// OnAudioLevel is called for every packet that carries RFC 6464 level
	// (0 loudest to 127 silence, in -dBov). It runs on the packet path.
	OnAudioLevel func(level uint8, voice bool)

	// Now is the clock; nil means time.Now.
	Now func() time.Time
}

// Sink takes the packets of an UpTrack. It must be comparable, as a pointer
// is. Packets come one at a time, whichever layer they are of: a sink needs no
// lock. Write must not block and must not keep the packet or anything it
// points to. It may change the bytes of Payload and extensions
// while it runs if it puts them back.
type Sink interface {
	Write(p *Packet)
	// Prepare is called in turn with Write, when a packet comes to the sink that is
	// so many places before it in the list, 2 and then 1: time to ask for memory.
	Prepare(ahead int)
	// Blank is called in turn with Write, a few times from the moment on in which
	// the track is muted: what was shown and played last must not stay.
	Blank(now time.Time)
}

// Batch is where the transport gathers the packets that follow from those it
// has received at one time. Tracks hand it on.
type Batch interface {
	// Flush sends what is in it.
	Flush()
}

// UpTrack is one published track. Its methods may be called from anywhere,
// except that Close must not be called from a callback or a sink.
type UpTrack struct {
	opts  Options    // immutable
	kind  codec.Kind // immutable
	video bool       // immutable
	clock *Clock     // immutable

	layers  [MaxLayers]atomic.Pointer[upLayer] // set once each, under mu
	sinks   atomic.Pointer[[]Sink]             // the list is immutable; replaced under mu
	muted   atomic.Bool
	unmutes atomic.Uint32 // part of Packet.Epoch
	begun   atomic.Bool   // the first packet has come
	live    atomic.Uint32 // mask of live layers
	armed   atomic.Int64  // when the timer fires, Unix nanoseconds; 0 = stopped. Set under mu

	blanks  atomic.Int32              // how many times Blank is still to be called
	blankAt atomic.Pointer[time.Time] // when it was called last; nil: never
	opaque  atomic.Bool               // what is not the publisher's own cannot be read

	redundant atomic.Bool // see SetRedundancy

	turn       sync.Mutex // held while the sinks run; once per packet
	redundancy redundancy // turn guards

	liveMu   sync.Mutex // guards liveness; once per frame
	liveness layer.Liveness

	tickMu   sync.Mutex // guards reported
	reported time.Time

	mu     sync.Mutex // guards the rest; not on the packet path
	timer  *time.Timer
	closed bool
	wg     sync.WaitGroup
}

// New returns an UpTrack without streams.
func New(opts Options) *UpTrack {
	if opts.SenderSSRC == 0 {
		opts.SenderSSRC = 1
	}
	if opts.Now == nil {
		opts.Now = time.Now
	}
	if opts.Clock == nil {
		opts.Clock = new(Clock)
	}
	if opts.RTT == nil {
		opts.RTT = func() time.Duration { return 0 }
	}
	u := &UpTrack{
		opts:  opts,
		kind:  codec.KindOf(opts.Codec.MimeType),
		video: strings.HasPrefix(strings.ToLower(opts.Codec.MimeType), "video/"),
		clock: opts.Clock,
	}
	u.sinks.Store(new([]Sink))
	return u
}

// Codec returns what the track is encoded with.
func (u *UpTrack) Codec() Codec { return u.opts.Codec }

// PlayoutDelay returns how long receivers should wait; zeros: as they like.
func (u *UpTrack) PlayoutDelay() [2]time.Duration { return u.opts.PlayoutDelay }

// AddStream returns where to put the packets of one SSRC. A second stream for
// the same rid takes that layer over. It is nil if the track is closed or has
// no free layer.
func (u *UpTrack) AddStream(info StreamInfo) *Input {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.closed {
		return nil
	}
	l := u.layerFor(info)
	if l == nil {
		return nil
	}
	l.mu.Lock()
	l.info = info
	l.stream++
	l.ended = false
	if !l.seqs.Started() {
		l.ssrc = info.SSRC
	}
	number := l.stream
	l.mu.Unlock()
	return &Input{track: u, layer: l, number: number}
}

// layerFor finds or makes the layer of a stream. mu is held.
func (u *UpTrack) layerFor(info StreamInfo) *upLayer {
	index, known := layer.OfRID(info.RID)
	if !known {
		index = -1
		for i := MaxLayers - 1; i >= 0; i-- {
			l := u.layers[i].Load()
			if l == nil {
				index = i
				continue
			}
			l.mu.Lock()
			same := l.info.RID == info.RID
			l.mu.Unlock()
			if same {
				return l
			}
		}
		if index < 0 {
			return nil
		}
	}
	if l := u.layers[index].Load(); l != nil {
		return l
	}
	l := &upLayer{
		index:   index,
		suspect: -1,
		recv:    rtpstats.NewReceiver(u.opts.Codec.ClockRate),
	}
	switch {
	case u.video:
		l.cache = packetcache.New(packetcache.Options{})
	case codec.IsRED(u.opts.Codec.MimeType):
		l.cache = packetcache.New(packetcache.Options{PacketSize: 512, Max: 128})
	default:
		l.cache = packetcache.New(packetcache.Options{PacketSize: 192, Max: 128})
	}
	if u.opts.NACK {
		l.nacks = nack.New(nack.Options{})
	}
	u.layers[index].Store(l)
	return l
}

// layer returns a layer that had a stream, nil if there is none.
func (u *UpTrack) layer(i int) *upLayer {
	if i < 0 || i >= MaxLayers {
		return nil
	}
	return u.layers[i].Load()
}

// Attach adds a sink and, of a video track, requests a key frame of the
// highest live layer. Attaching twice is harmless. A DownTrack attaches
// itself when it is bound.
func (u *UpTrack) Attach(s Sink) {
	u.mu.Lock()
	old := *u.sinks.Load()
	if u.closed || slices.Contains(old, s) {
		u.mu.Unlock()
		return
	}
	// A clone of exactly that length: the readers' list stays as it is.
	list := append(slices.Clip(slices.Clone(old)), s)
	u.sinks.Store(&list)
	u.mu.Unlock()
	u.RequestKeyframe(MaxLayers - 1)
}

// Detach removes a sink. A Write that is under way may still finish after it.
func (u *UpTrack) Detach(s Sink) {
	u.mu.Lock()
	defer u.mu.Unlock()
	old := *u.sinks.Load()
	i := slices.Index(old, s)
	if i < 0 {
		return
	}
	list := slices.Delete(slices.Clone(old), i, i+1)
	u.sinks.Store(&list)
}

// RequestKeyframe asks the publisher for a key frame of a layer, at most every
// half second, and repeats a few times until one arrives. For a layer that is
// not live it asks the one that would be sent in its place. It is cheap while
// a request is out.
func (u *UpTrack) RequestKeyframe(i int) {
	if !u.video {
		return
	}
	live := uint8(u.live.Load())
	if i < 0 || i >= MaxLayers || live&(1<<i) == 0 {
		i = layer.Target(live, i, -1)
	}
	l := u.layer(i)
	if l == nil || l.keyframeWanted.Load() {
		return
	}
	l.mu.Lock()
	if l.ssrc == 0 || l.ended {
		l.mu.Unlock()
		return
	}
	send := l.keyframes.Want(u.now())
	l.keyframeWanted.Store(true)
	if send {
		l.stats.PLIs++
	}
	ssrc, next := l.ssrc, l.keyframes.Next()
	l.mu.Unlock()
	if send {
		u.sendPLI(ssrc)
	}
	u.wake(next)
}

// Beginning returns the first packet of a layer's last key frame, if p follows
// it without a break. What came while the track was muted does not count.
func (u *UpTrack) Beginning(p *Packet) (seq uint64, ok bool) {
	l := u.layer(p.Layer)
	if l == nil {
		return 0, false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.keyframeSeq == 0 || !l.keyframeOpen || l.keyframeEpoch != p.Epoch || l.keyframeSeq > p.Seq {
		return 0, false
	}
	return l.keyframeSeq, true
}

// Retrieve parses a packet from the cache into p. What p points to is in buf.
// Layer, Seq and what the packet itself says are set.
func (u *UpTrack) Retrieve(layer int, seq uint64, buf []byte, p *Packet) bool {
	l := u.layer(layer)
	if l == nil {
		return false
	}
	n, ok := l.cache.Read(seq, buf)
	if !ok || !p.parseHeader(buf[:n]) {
		return false
	}
	p.Layer, p.Seq, p.Plain = layer, seq, u.plain(p.PayloadType)
	p.parseCodec(u.kind, u.opts.DependencyDescriptorExt, l.structure.Load())
	layers := l.layers.Load()
	p.Active, p.Inside = uint32(layers>>8), uint8(layers)
	return true
}

// plain reports whether a packet of redundant audio is without redundancy.
func (u *UpTrack) plain(payloadType uint8) bool {
	return u.opts.PrimaryPayloadType != 0 && payloadType == u.opts.PrimaryPayloadType
}

// InTurn runs f while no sink takes a packet. It reports false, and does not
// run f, if one does.
func (u *UpTrack) InTurn(f func()) bool {
	if !u.turn.TryLock() {
		return false
	}
	defer u.turn.Unlock()
	f()
	return true
}

// SetMuted stops and resumes forwarding. Packets that arrive while muted are
// counted and not forwarded; video resumes with a key frame.
func (u *UpTrack) SetMuted(muted bool) {
	if u.muted.Load() == muted {
		return
	}
	if !muted {
		u.unmutes.Add(1)
	}
	u.muted.Store(muted)
	if !muted {
		u.blanks.Store(0)
		u.RequestKeyframe(MaxLayers - 1)
		return
	}
	if u.begun.Load() && !u.opaque.Load() {
		u.blanks.Store(blanks)
		u.wake(u.now())
	}
}

// SetOpaque says that publishers and subscribers encrypt among themselves, so
// that nothing can be sent in the track's place.
func (u *UpTrack) SetOpaque(opaque bool) { u.opaque.Store(opaque) }

// Muted reports whether forwarding is stopped by SetMuted.
func (u *UpTrack) Muted() bool { return u.muted.Load() }

// AudioLevel returns the track's loudness over the last windows, from 0
// (silence) to 1, and whether that counts as speaking. It falls to silence
// when packets stop, and is silence while muted.
func (u *UpTrack) AudioLevel(now time.Time) (level float64, speaking bool) {
	l := u.layers[0].Load()
	if l == nil || u.muted.Load() {
		return 0, false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.audio.Level(now)
}

// Close stops the track's timer and feedback, detaches the sinks and waits
// for a timer that runs. Packets are not forwarded any more.
func (u *UpTrack) Close() {
	u.mu.Lock()
	u.closed = true
	if u.timer != nil {
		u.timer.Stop()
	}
	u.sinks.Store(new([]Sink))
	u.mu.Unlock()
	u.wg.Wait()
}

func (u *UpTrack) now() time.Time { return u.opts.Now() }
