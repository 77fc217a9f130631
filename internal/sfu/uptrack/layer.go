package uptrack

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/rollcall-rtc/rollcall/internal/sfu/audiolevel"
	"github.com/rollcall-rtc/rollcall/internal/sfu/codec"
	"github.com/rollcall-rtc/rollcall/internal/sfu/keyframe"
	"github.com/rollcall-rtc/rollcall/internal/sfu/nack"
	"github.com/rollcall-rtc/rollcall/internal/sfu/packetcache"
	"github.com/rollcall-rtc/rollcall/internal/sfu/rtpstats"
	"github.com/rollcall-rtc/rollcall/internal/sfu/seqmap"
)

// maxDropout is how far a sequence number may jump before it takes a second
// packet in a row to believe it (RFC 3550 A.1).
const maxDropout = 3000

// upLayer is one layer of a track. It outlives the streams that feed it.
type upLayer struct {
	index int                // immutable
	cache *packetcache.Cache // written under mu, read without

	sr             atomic.Pointer[senderReport]    // nil before the first of this SSRC
	structure      atomic.Pointer[codec.Structure] // of the dependency descriptor, nil before the first
	layers         atomic.Uint64                   // Packet.Active:32 | Packet.Inside:8 of the newest packet
	keyframeWanted atomic.Bool                     // mirrors keyframes.Wanted()

	mu        sync.Mutex // guards the rest; taken once per packet, never while sinks run
	info      StreamInfo
	stream    int // counts streams; only the latest one's packets are taken
	ended     bool
	ssrc      uint32
	epoch     uint32
	seqs      seqmap.Extender
	suspect   int // the number that would confirm a jump, -1 if none
	timestamp uint32
	// floor is the highest number received when the newest frame began:
	// nothing below it belongs to that frame.
	floor       uint64
	keyframeTS  uint32
	keyframeSeq uint64
	// keyframeEpoch is the Packet.Epoch of the last key frame, and keyframeOpen
	// says that it was forwarded.
	keyframeEpoch uint32
	keyframeOpen  bool
	recv          rtpstats.Receiver
	rate          rtpstats.Rate
	inside        inside
	nacks         *nack.Generator // nil if the publisher does not retransmit
	keyframes     keyframe.Requester
	audio         audiolevel.Detector
	reportedAll   uint64 // packets at the last receiver report
	lastPacket    time.Time
	stats         LayerStats // the counters
}

// MaxReplay is how far back in the cache forwarding may begin: the start of a
// key frame that was overtaken, or lost and sent again.
const MaxReplay = 128

type senderReport struct {
	ssrc   uint32
	theirs time.Time
	rtp    uint32
}

// verdict is what becomes of a packet.
type verdict struct {
	forward    bool
	frame      bool // begins a frame
	asks       bool // a gap opened
	level      uint8
	voice      bool
	levelKnown bool
}

// accept counts and keeps a packet whose header is parsed, and fills in the
// rest of p. mu is held.
func (l *upLayer) accept(u *UpTrack, p *Packet, raw []byte, now time.Time) (v verdict) {
	p.Plain = u.plain(p.PayloadType)
	if l.info.PayloadType != 0 && p.PayloadType != l.info.PayloadType && !p.Plain {
		l.stats.Malformed++
		return v
	}
	before := l.seqs.Highest() // 0 if p is the first of its numbering
	seq := l.seqs.Peek(p.seq16)
	switch jump := int64(seq - before); {
	case before == 0:
	case p.SSRC != l.ssrc:
		seq, before = l.restart(u, p), 0
	case jump > maxDropout || jump < -maxDropout:
		if l.suspect != int(p.seq16) {
			l.suspect = int(p.seq16 + 1)
			l.stats.Malformed++
			return v
		}
		seq, before = l.restart(u, p), 0
	}
	l.ssrc = p.SSRC
	l.suspect = -1
	if !l.cache.Put(seq, raw, now) {
		l.stats.Duplicates++
		l.stats.Packets++
		return v
	}
	l.seqs.Extend(p.seq16)

	p.Layer, p.Epoch, p.Seq, p.Arrival = l.index, l.epoch, seq, now
	structure := l.structure.Load()
	if newer := p.parseCodec(u.kind, u.opts.DependencyDescriptorExt, structure); newer != structure {
		l.structure.Store(newer)
		l.inside.restructure(newer, now)
	}
	v.forward = true
	l.lastPacket = now
	l.stats.Packets++
	l.stats.Octets += uint64(len(p.Payload))
	l.rate.Add(len(raw), now)
	l.recv.Packet(seq, p.Timestamp, now)

	newest := seq > before
	l.inside.packet(p, len(raw), newest, now)
	l.layers.Store(uint64(p.Active)<<8 | uint64(p.Inside))
	elapsed := p.Timestamp - l.timestamp
	if newest && (before == 0 || elapsed != 0) {
		v.frame = true
		l.stats.Frames++
		if d := &p.Descriptor; d.HasTemporal && !d.HasSpatial {
			l.inside.parts[0][d.Temporal].frames.Add(1, now)
		}
		l.timestamp, l.floor = p.Timestamp, before
	}
	if l.nacks != nil {
		if !newest {
			if l.nacks.Arrived(seq, now) {
				l.stats.Recovered++
			}
		} else if before != 0 && seq > before+1 {
			l.nacks.SetRTT(u.opts.RTT())
			l.nacks.Missing(before+1, seq, now)
			v.asks = true
		}
	}
	p.Newest = max(before, seq)
	// A frame has one beginning; that of a late one still counts, as sinks can
	// retrieve what came before it.
	same := l.stats.Keyframes > 0 && p.Timestamp == l.keyframeTS
	p.Keyframe = p.Keyframe && p.Newest-seq <= MaxReplay && (!same || seq < l.keyframeSeq)
	if p.Keyframe {
		l.keyframes.Arrived()
		l.keyframeWanted.Store(false)
		if !same {
			l.stats.Keyframes++
		}
		l.keyframeTS, l.keyframeSeq = p.Timestamp, seq
		l.keyframeOpen = !u.muted.Load()
		l.keyframeEpoch = l.epoch + u.unmutes.Load()
		if newest && l.nacks != nil {
			l.nacks.Abandon(l.floor)
		}
	}
	if ext := u.opts.AudioLevelExt; ext != 0 {
		if b := p.Extension(ext); len(b) > 0 {
			v.level, v.voice, v.levelKnown = b[0]&0x7f, b[0]&0x80 != 0, true
			l.audio.Observe(v.level, frameDuration(elapsed, u.opts.Codec.ClockRate), now)
		}
	}
	return v
}

// restart begins a new epoch at p, whose number it returns: what came before
// is not continued.
func (l *upLayer) restart(u *UpTrack, p *Packet) (seq uint64) {
	l.epoch++
	seq = l.seqs.Restart(p.seq16)
	l.recv = rtpstats.NewReceiver(u.opts.Codec.ClockRate)
	l.reportedAll = 0
	l.sr.Store(nil)
	if l.nacks != nil {
		l.nacks.Reset()
	}
	return seq
}

// frameDuration is how long an audio packet plays, from the distance to the
// one before; across a pause of discontinuous transmission it is one frame.
func frameDuration(ticks, rate uint32) time.Duration {
	const usual, longest = 20 * time.Millisecond, 120 * time.Millisecond
	if rate == 0 || ticks == 0 || ticks > rate {
		return usual
	}
	if d := time.Duration(ticks) * time.Second / time.Duration(rate); d <= longest {
		return d
	}
	return usual
}
