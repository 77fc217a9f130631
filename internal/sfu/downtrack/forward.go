package downtrack

import (
	"math/rand/v2"
	"time"
	"unsafe"

	"github.com/pion/rtp"

	"github.com/rollcall-rtc/rollcall/internal/sfu/codec"
	"github.com/rollcall-rtc/rollcall/internal/sfu/layer"
	"github.com/rollcall-rtc/rollcall/internal/sfu/prefetch"
	"github.com/rollcall-rtc/rollcall/internal/sfu/rtpstats"
	"github.com/rollcall-rtc/rollcall/internal/sfu/seqmap"
	"github.com/rollcall-rtc/rollcall/internal/sfu/uptrack"
)

// forwarder is the state of the packet path. What each packet needs is at the
// beginning, close together: a packet for many subscribers finds the state of none
// of them in the processor's cache, and waits for each line of it.
type forwarder struct {
	m       *mapping       // in force, nil before the first packet
	history seqmap.History // the one of the track, with the numbers it shares

	// The newest of what was sent.
	seq       uint64
	arrival   time.Time
	timestamp uint32

	started     bool // something was sent
	flowing     bool // onFlow was called
	tl0         uint8
	keyIdx      uint8
	pictureID   uint16
	frameNumber uint16
	flowed      uint32 // the restarts at the time of onFlow
	epoch       uint32
	ssrc        uint32
	layer       int
	shape       codec.Descriptor // which counters there are

	seqs   seqmap.Map
	thin   thinner
	unwrap unwrapper

	ideal   uint32     // what would be added to timestamps if they need not rise
	header  rtp.Header // of a packet of our own
	stamp   [2]byte    // the transport-wide sequence number of header
	scratch []byte     // a payload of our own
}

// historyVideo and historyAudio are how many sent packets a NACK can name:
// about the cache's second of a fast stream.
const (
	historyVideo = 1024
	historyAudio = 128
)

func (f *forwarder) init() {
	f.seq = 1<<16 | uint64(rand.Uint32N(1<<15)) // far from the rollover, RFC 3711 §3.3.1
	f.timestamp = rand.Uint32()
	f.layer = -1
}

// Write implements uptrack.Sink.
func (d *DownTrack) Write(p *uptrack.Packet) {
	b := d.binding.Load()
	if b == nil || d.stopped.Load() != 0 {
		return
	}
	if d.seen.Load() != d.restarts.Load() {
		d.seen.Store(d.restarts.Load())
		d.current.Store(-1)
	}
	if p.Layer != int(d.current.Load()) && !d.admits(p) {
		d.f.catchUp(d, b, p)
		return
	}
	d.f.forward(d, b, p)
}

// Prepare implements uptrack.Sink. The track itself is asked for first, and then
// what it points to.
func (d *DownTrack) Prepare(ahead int) {
	if ahead > 1 {
		prefetch.Block(unsafe.Pointer(d))
		return
	}
	f := &d.f
	prefetch.Line(unsafe.Pointer(d.binding.Load()))
	prefetch.Line(unsafe.Pointer(f.m))
	prefetch.Line(f.history.Next(uint16(f.seq + 1)))
}

// admits decides on a packet of a layer that is not being sent: whether it
// begins the layer that should be. While nothing is sent a lower layer's key
// frame will do.
func (d *DownTrack) admits(p *uptrack.Packet) bool {
	current := int(d.current.Load())
	target := layer.Target(p.Live, d.limit(), current)
	if p.Layer != target && (current >= 0 || p.Layer > target) {
		return false
	}
	if len(p.Payload) == 0 {
		return false
	}
	if d.gate && !p.Keyframe {
		if p.Layer == target {
			d.src.RequestKeyframe(p.Layer)
		}
		return false
	}
	return true
}

// forward sends p if it continues what is sent or may begin it.
func (f *forwarder) forward(d *DownTrack, b *Binding, p *uptrack.Packet) {
	current := int(d.current.Load())
	if current == p.Layer && p.Epoch != f.epoch {
		current = -1 // the publisher's side broke off
		d.current.Store(-1)
	}
	if current != p.Layer {
		// Again, if the publisher's side broke off.
		if !d.admits(p) {
			return
		}
		f.begin(d, p)
		f.send(d, b, p)
		f.replay(d, b, p)
		return
	}
	f.send(d, b, p)
}

// maxCatchUp is how many packets a subscriber is sent at once when it begins
// with a key frame of the past: half a second of ordinary video.
const maxCatchUp = 64

// catchUp begins a track that was never sent with the last key frame, if that
// is recent, instead of waiting for the next one.
func (f *forwarder) catchUp(d *DownTrack, b *Binding, p *uptrack.Packet) {
	if f.started || !d.gate || len(p.Payload) == 0 || p.Layer != layer.Target(p.Live, d.limit(), -1) {
		return
	}
	seq, ok := d.src.Beginning(p)
	if !ok || p.Newest-seq > maxCatchUp {
		return
	}
	first := new(uptrack.Packet)
	if !d.src.Retrieve(p.Layer, seq, make([]byte, uptrack.MaxPacket), first) {
		return
	}
	first.Newest, first.Epoch, first.Live = p.Newest, p.Epoch, p.Live
	first.Arrival, first.Batch = p.Arrival, p.Batch
	f.begin(d, first)
	f.send(d, b, first)
	f.replay(d, b, first)
}

// replay sends what came before p though it belongs behind it.
func (f *forwarder) replay(d *DownTrack, b *Binding, p *uptrack.Packet) {
	if !d.gate || p.Newest <= p.Seq {
		return
	}
	buf := make([]byte, uptrack.MaxPacket)
	q := new(uptrack.Packet)
	for seq := p.Seq + 1; seq <= p.Newest && seq <= p.Seq+uptrack.MaxReplay; seq++ {
		if d.src.Retrieve(p.Layer, seq, buf, q) {
			q.Arrival, q.Batch = p.Arrival, p.Batch
			f.send(d, b, q)
		}
	}
}

// send sends p under the mapping in force, unless p has no place in it.
func (f *forwarder) send(d *DownTrack, b *Binding, p *uptrack.Packet) {
	if d.red && b.Unwrap && !p.Plain {
		f.sendUnwrapped(d, b, p)
		return
	}
	if b.Wrap {
		f.sendWrapped(d, b, p)
		return
	}
	f.sendAsIs(d, b, p)
}

func (f *forwarder) sendAsIs(d *DownTrack, b *Binding, p *uptrack.Packet) {
	late := p.Seq <= f.seqs.Highest()
	fate := f.thin.judge(d, p, late)
	if (fate == dropIt || len(p.Payload) == 0) && f.seqs.Drop(p.Seq) {
		return
	}
	seq, ok := f.seqs.Forward(p.Seq)
	if !ok {
		return
	}
	if fate != sendIt {
		f.skip(d, b, p, seq)
		return
	}
	m := f.m
	dropped := f.thin.dropped
	if late {
		dropped = f.thin.droppedBefore(p.Seq)
	}
	if d.history.Load() == nil {
		h := seqmap.NewHistory(d.historySize())
		f.history = *h
		d.history.Store(h)
	}
	marker, note, active := p.Marker, uint8(dropped&seqmap.NoteMask), uint32(0)
	switch {
	case p.Structure != nil:
		marker, active, note = f.thin.targets.finish(p, late)
	case p.Descriptor.HasSpatial:
		if note = 0; f.thin.endsPicture(p, late) {
			marker, note = true, noteEnds
		}
	case b.Wrap && !p.Plain:
		note = noteWrapped
	}
	f.history.Put(uint16(seq), uint32(p.Seq), m.tag, note)
	timestamp := p.Timestamp + m.timestamp
	if seq > f.seq {
		f.seq = seq
		if int32(timestamp-f.timestamp) > 0 {
			f.timestamp = timestamp
		}
		f.arrival = p.Arrival
		f.note(p, m, dropped)
		d.dropped.Store(uint32(dropped))
		d.lastSent.Store(uint64(timestamp)<<32 | uint64(d.millis(p.Arrival)))
	}
	h := &p.Out.Header
	*h = rtp.Header{
		Version: 2, Marker: marker, PayloadType: b.payloadType(p.Plain), SSRC: b.SSRC,
		SequenceNumber: uint16(seq), Timestamp: timestamp,
		Extensions: h.Extensions[:0],
	}
	m.rewrite(p, dropped)
	setExtensions(h, b, p, tell(p, active, &p.Out), &p.Out.Stamp)
	if b.PlayoutExt != 0 && d.playout.carry(h.SequenceNumber, p.Arrival) {
		_ = h.SetExtension(b.PlayoutExt, b.PlayoutDelay[:])
	}
	_, err := b.Writer.WriteRTP(h, p.Payload, p.Batch)
	m.restore(p, dropped)
	if err != nil {
		d.counters.writeErrors.Add(1)
		return
	}
	d.counters.packets.Add(1)
	d.counters.octets.Add(uint64(len(p.Payload)))
}

// begin maps p to the place right after what was sent.
func (f *forwarder) begin(d *DownTrack, p *uptrack.Packet) {
	m := &mapping{
		layer:     p.Layer,
		ssrc:      p.SSRC,
		base:      p.Seq,
		timestamp: f.timestampFor(d, p) - p.Timestamp,
	}
	if f.m != nil {
		m.tag = f.m.tag + 1
		m.dd = f.frameNumber + 1 - p.FrameNumber
		m.pictureID = f.pictureID + 1 - p.Descriptor.PictureID + f.thin.dropped
		m.tl0 = f.tl0 + 1 - p.Descriptor.TL0
		m.keyIdx = f.keyIdx + 1 - p.Descriptor.KeyIdx
	}
	f.thin.forget()
	f.seqs.Start(p.Seq, f.seq+1)
	moved := f.layer != p.Layer
	f.m, f.layer, f.epoch, f.ssrc, f.started = m, p.Layer, p.Epoch, p.SSRC, true
	f.timestamp = p.Timestamp + m.timestamp
	d.mappings[int(m.tag)%mappings].Store(m)
	d.mapping.Store(m)
	d.current.Store(int32(p.Layer))
	d.counters.switches.Add(1)
	if moved && d.onLayer != nil {
		d.onLayer(p.Layer)
	}
	if restarts := d.seen.Load(); d.onFlow != nil && (!f.flowing || f.flowed != restarts) {
		f.flowing, f.flowed = true, restarts
		d.onFlow()
	}
}

// timestampFor returns the timestamp that p gets as the first of a mapping.
// Time goes on as it did for the publisher where that is known: within one
// SSRC by its own timestamps, between two by the sender reports of both. If
// that disagrees with the time that passed here, the latter counts.
//
// A layer that comes later than the one before it begins with a frame captured
// before the last one sent, yet timestamps must rise. That shift is in the
// mapping, so sender reports make up for it, and not in ideal, so that it does
// not add up over many switches.
func (f *forwarder) timestampFor(d *DownTrack, p *uptrack.Packet) uint32 {
	if !f.started {
		f.ideal = 0
		return p.Timestamp
	}
	passed := rtpstats.Ticks(max(p.Arrival.Sub(f.arrival), 0), d.rate)
	wall := f.timestamp + uint32(max(passed, 1))
	ts := wall
	if f.m != nil {
		offset, ok := f.ideal, true
		if f.ssrc != p.SSRC || f.layer != p.Layer {
			var from, to uint32
			from, ok = d.src.RTPTime(f.layer, f.ssrc, p.Arrival)
			if ok {
				to, ok = d.src.RTPTime(p.Layer, p.SSRC, p.Arrival)
			}
			offset += from - to
		}
		if ok {
			ts = p.Timestamp + offset
		}
	}
	if off := int64(int32(ts - wall)); off > int64(d.rate) || off < -int64(d.rate) {
		ts = wall
	}
	f.ideal = ts - p.Timestamp
	// After hours the difference wraps, and means nothing.
	if passed < 1<<30 && int32(ts-f.timestamp) <= 0 {
		ts = f.timestamp + 1
	}
	return ts
}

// note keeps the counters of the newest packet, as they are sent.
func (f *forwarder) note(p *uptrack.Packet, m *mapping, dropped uint16) {
	if d := &p.Descriptor; d.PictureIDOffset|d.TL0Offset|d.KeyIdxOffset != 0 {
		f.pictureID = p.Descriptor.PictureID + m.pictureID - dropped
		f.tl0 = p.Descriptor.TL0 + m.tl0
		f.keyIdx = p.Descriptor.KeyIdx + m.keyIdx
		f.shape = *d
	}
	if p.DependencyDescriptor != nil {
		f.frameNumber = p.FrameNumber + m.dd
	}
}

// skip sends a packet's number without its content: the frame it belongs to
// is left out, and those after it have their numbers already.
func (f *forwarder) skip(d *DownTrack, b *Binding, p *uptrack.Packet, seq uint64) {
	h := &p.Out.Header
	*h = rtp.Header{
		Version: 2, Padding: true, PaddingSize: 1, PayloadType: b.payloadType(false), SSRC: b.SSRC,
		SequenceNumber: uint16(seq), Timestamp: p.Timestamp + f.m.timestamp,
		Extensions: h.Extensions[:0],
	}
	f.seq = max(f.seq, seq) // those after it may all have been left out
	if b.SequenceExt != 0 {
		_ = h.SetExtension(b.SequenceExt, p.Out.Stamp[:])
	}
	if _, err := b.Writer.WriteRTP(h, nil, p.Batch); err != nil {
		d.counters.writeErrors.Add(1)
		return
	}
	d.counters.packets.Add(1)
}

func (d *DownTrack) historySize() int {
	if d.gate {
		return historyVideo
	}
	return historyAudio
}

// millis counts from the making of the track, and is never 0 so that it can
// tell that there was something.
func (d *DownTrack) millis(at time.Time) uint32 {
	return uint32(max(at.Sub(d.epoch).Milliseconds(), 0) + 1)
}
