package downtrack

import (
	"time"

	"github.com/rollcall-rtc/rollcall/internal/sfu/layer"
	"github.com/rollcall-rtc/rollcall/internal/sfu/uptrack"
)

// thinner leaves out frames of temporal layers above the target. The frames
// that stay are numbered without holes, as receivers wait for those in between.
type thinner struct {
	frames  layer.Temporal
	current int // the highest temporal layer that is sent, -1: no frame has told yet
	parts   layer.Spatial
	dropped uint16 // picture ids left out so far, over all mappings
	rate    frameRate
	n       int // frames that ring has had
	changes int // of the temporal layers that are sent, that levels has had
	ring    [thinned]leftOut
	levels  [levels]level
}

// thinned is how many frames that were left out are remembered for packets that
// come late: a second or two of them.
const thinned = 32

// levels is how many changes of the temporal layers that are sent are remembered
// for packets that come late.
const levels = 8

// level is which temporal layers were sent from a packet on.
type level struct {
	seq       uint64
	timestamp uint32
	temporal  int // the highest
}

// frameRate is the cap that a wish for fewer frames makes.
type frameRate struct {
	fps      uint32 // the wish
	layer    int
	temporal int
	judged   time.Time
}

// rejudge is how often it is seen which temporal layers make the wished rate.
const rejudge = time.Second

// temporal is the highest temporal layer to send.
func (th *thinner) temporal(d *DownTrack, p *uptrack.Packet) int {
	limit, fps, r := int(d.allottedTemporal.Load()), d.maxFPS.Load(), &th.rate
	if fps == 0 {
		r.fps = 0
		return limit
	}
	if fps != r.fps || p.Layer != r.layer || p.Arrival.Sub(r.judged) >= rejudge {
		*r = frameRate{fps, p.Layer, d.temporalFor(fps, p.Layer, p.Arrival), p.Arrival}
	}
	return min(limit, r.temporal)
}

// leftOut is a frame that was not sent.
type leftOut struct {
	timestamp uint32
	seq       uint64 // of the first packet of it that came
	before    uint16 // pictures left out before it
}

// What becomes of a packet.
type fate uint8

const (
	sendIt  fate = iota
	dropIt       // its number is given to the next packet
	blankIt      // its number is taken: it is sent without content
)

// judge decides on a packet. late says that a later one was handled before.
func (th *thinner) judge(d *DownTrack, p *uptrack.Packet, late bool) fate {
	switch {
	case len(p.Payload) == 0:
		return sendIt
	case p.Descriptor.HasSpatial:
		return th.judgeSpatial(d, p, late)
	case !p.Descriptor.HasTemporal:
		return sendIt
	}
	if late {
		if int(p.Descriptor.Temporal) > th.temporalAt(p) || th.wasLeftOut(p.Timestamp) {
			return blankIt
		}
		return sendIt
	}
	f := layer.Frame{
		Timestamp: p.Timestamp, Temporal: int(p.Descriptor.Temporal), Sync: p.Descriptor.Sync,
		Switch: p.Descriptor.Switch, Key: p.Keyframe,
	}
	keep, ask := th.frames.Keep(f, th.temporal(d, p))
	if current := th.frames.Current(); current != th.current {
		th.current = current
		th.levels[th.changes%levels] = level{p.Seq, p.Timestamp, current}
		th.changes++
	}
	if ask {
		d.src.RequestKeyframe(p.Layer)
	}
	if keep {
		return sendIt
	}
	if !th.wasLeftOut(p.Timestamp) {
		th.ring[th.n%thinned] = leftOut{p.Timestamp, p.Seq, th.dropped}
		th.n++
		// Receivers of VP8 wait for ids that are missing; those of VP9 learn from ids
		// what a frame refers to.
		if d.runOn {
			th.dropped++
		}
	}
	return dropIt
}

// judgeSpatial leaves out the upper parts of pictures. Their ids stay as they
// are, because a part of each picture is sent.
func (th *thinner) judgeSpatial(d *DownTrack, p *uptrack.Packet, late bool) fate {
	spatial := int(p.Descriptor.Spatial)
	if late {
		if spatial > th.parts.Current() {
			return blankIt
		}
		return sendIt
	}
	keep, ask := th.parts.Keep(p.Timestamp, spatial, p.Keyframe, d.limit())
	if ask {
		d.src.RequestKeyframe(p.Layer)
	}
	if !keep {
		return dropIt
	}
	return sendIt
}

// endsPicture reports whether p is the last packet that is sent of a picture,
// though the publisher sent more of it.
func (th *thinner) endsPicture(p *uptrack.Packet) bool {
	return p.Descriptor.LayerEnds && int(p.Descriptor.Spatial) == th.parts.Current()
}

// temporalAt is the highest temporal layer that was sent when a late packet should
// have come: what is newer may refer to what was not sent, and a frame of which a
// part was sent needs the rest.
func (th *thinner) temporalAt(p *uptrack.Packet) int {
	least := layer.AllTemporal
	for i := th.changes - 1; i >= max(0, th.changes-levels); i-- {
		l := &th.levels[i%levels]
		least = min(least, l.temporal)
		if p.Seq >= l.seq || p.Timestamp == l.timestamp {
			return l.temporal
		}
	}
	return least
}

func (th *thinner) wasLeftOut(timestamp uint32) bool {
	for i := max(0, th.n-thinned); i < th.n; i++ {
		if th.ring[i%thinned].timestamp == timestamp {
			return true
		}
	}
	return false
}

// droppedBefore is how many pictures were left out before a packet.
func (th *thinner) droppedBefore(seq uint64) uint16 {
	dropped := th.dropped
	for i := th.n - 1; i >= max(0, th.n-thinned); i-- {
		out := &th.ring[i%thinned]
		if seq >= out.seq {
			break
		}
		dropped = out.before
	}
	return dropped
}

// forget makes late packets of another layer or epoch match nothing.
func (th *thinner) forget() {
	th.frames, th.parts, th.n = layer.Temporal{}, layer.Spatial{}, 0
	th.current, th.changes = -1, 0
}
