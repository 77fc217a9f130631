package downtrack

import (
	"math/bits"
	"time"

	"github.com/rollcall-rtc/rollcall/internal/sfu/layer"
	"github.com/rollcall-rtc/rollcall/internal/sfu/uptrack"
)

// thinner leaves out frames of temporal layers above the target. The frames
// that stay are numbered without holes, as receivers wait for those in between.
type thinner struct {
	frames  layer.Temporal
	parts   layer.Spatial
	dropped uint16 // picture ids left out so far, over all mappings
	rate    frameRate
	n       int // frames that ring has had
	changes int // of the layers that are sent, that levels has had
	ring    [thinned]leftOut
	levels  [levels]level
	targets targets // of streams whose descriptors tell of layers inside them
}

// thinned is how many frames that were left out are remembered for packets that
// come late: a second or two of them.
const thinned = 32

// levels is how many changes of the layers that are sent are remembered for packets
// that come late.
const levels = 8

// level is which layers were sent from a packet on: the highest.
type level struct {
	seq               uint64
	timestamp         uint32
	temporal, spatial int
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

// temporal is the highest temporal layer to send, of the layer that p is of or, if
// they are inside the stream, of the highest that the subscriber gets.
func (th *thinner) temporal(d *DownTrack, p *uptrack.Packet) int {
	limit, fps, r := int(d.allottedTemporal.Load()), d.maxFPS.Load(), &th.rate
	if fps == 0 {
		r.fps = 0
		return limit
	}
	l := p.Layer
	if p.Descriptor.HasSpatial {
		l = d.limit()
	}
	if fps != r.fps || l != r.layer || p.Arrival.Sub(r.judged) >= rejudge {
		*r = frameRate{fps, l, d.temporalFor(fps, l, p.Arrival), p.Arrival}
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
	if len(p.Payload) == 0 {
		return sendIt
	}
	if p.Structure != nil {
		return th.judgeFrame(d, p, late)
	}
	if th.targets.structure != nil && p.Untold {
		return th.fate(d, p, th.targets.unknown(p, late), false, late)
	}
	if !p.Descriptor.HasSpatial {
		d.sends(-1)
	}
	if !p.Descriptor.HasTemporal && !p.Descriptor.HasSpatial {
		return sendIt
	}
	f := sendIt
	if p.Descriptor.HasTemporal {
		f = th.judgeTemporal(d, p, late)
	}
	if p.Descriptor.HasSpatial && f == sendIt {
		f = th.judgeSpatial(d, p, late)
	}
	if !late {
		th.remember(p)
	}
	return f
}

// remember notes which layers are sent, if they are others now.
func (th *thinner) remember(p *uptrack.Packet) {
	now := level{p.Seq, p.Timestamp, th.frames.Current(), th.parts.Current()}
	if th.changes > 0 {
		if last := &th.levels[(th.changes-1)%levels]; last.temporal == now.temporal && last.spatial == now.spatial {
			return
		}
	}
	th.levels[th.changes%levels] = now
	th.changes++
}

// judgeFrame leaves out the frames that are not part of the decode target.
func (th *thinner) judgeFrame(d *DownTrack, p *uptrack.Packet, late bool) fate {
	temporal := th.temporal(d, p)
	if temporal == layer.AllTemporal {
		temporal = all
	}
	keep, ask := th.targets.keep(p, th.targets.want(p, d.limit(), temporal), late)
	if !late {
		d.sends(p.Structure.SpatialOf(th.targets.current))
	}
	return th.fate(d, p, keep, ask, late)
}

// all is above every layer.
const all = 1 << 8

// judgeTemporal leaves out the frames of temporal layers above the target.
func (th *thinner) judgeTemporal(d *DownTrack, p *uptrack.Packet, late bool) fate {
	if late {
		keep := int(p.Descriptor.Temporal) <= th.levelAt(p).temporal && !th.wasLeftOut(p.Timestamp)
		return th.fate(d, p, keep, false, late)
	}
	f := layer.Frame{
		Timestamp: p.Timestamp, Temporal: int(p.Descriptor.Temporal), Sync: p.Descriptor.Sync,
		Switch: p.Descriptor.Switch, Key: p.Keyframe,
	}
	keep, ask := th.frames.Keep(f, th.temporal(d, p))
	if !keep && !th.wasLeftOut(p.Timestamp) {
		th.ring[th.n%thinned] = leftOut{p.Timestamp, p.Seq, th.dropped}
		th.n++
		// Receivers of VP8 wait for ids that are missing; those of VP9 learn from ids
		// what a frame refers to.
		if d.runOn {
			th.dropped++
		}
	}
	return th.fate(d, p, keep, ask, late)
}

// judgeSpatial leaves out parts of pictures. Their ids stay as they are, because a
// part of each picture is sent.
func (th *thinner) judgeSpatial(d *DownTrack, p *uptrack.Packet, late bool) fate {
	part := layer.Part{
		Timestamp: p.Timestamp, Spatial: int(p.Descriptor.Spatial), Key: p.Keyframe,
		Alone: p.Descriptor.Alone && p.Inside != 0,
	}
	if late {
		return th.fate(d, p, th.parts.Sends(part, th.levelAt(p).spatial), false, late)
	}
	target := d.limit()
	if p.Inside != 0 {
		target = layer.Target(p.Inside, target, -1)
	}
	keep, ask := th.parts.Keep(part, target)
	d.sends(min(th.parts.Current(), bits.Len8(p.Inside)-1))
	return th.fate(d, p, keep, ask, late)
}

// sends notes the highest layer that is sent of those inside the stream.
func (d *DownTrack) sends(spatial int) {
	if s := int32(spatial); d.spatial.Load() != s {
		d.spatial.Store(s)
	}
}

func (th *thinner) fate(d *DownTrack, p *uptrack.Packet, keep, ask, late bool) fate {
	if ask {
		d.src.RequestKeyframe(p.Layer)
	}
	switch {
	case keep:
		return sendIt
	case late:
		return blankIt
	}
	return dropIt
}

// endsPicture reports whether p is the last packet that is sent of a picture,
// though the publisher sent more of it.
func (th *thinner) endsPicture(p *uptrack.Packet, late bool) bool {
	current := th.parts.Current()
	if late {
		current = th.levelAt(p).spatial
	}
	return p.Descriptor.LayerEnds && int(p.Descriptor.Spatial) == current
}

// levelAt is which layers were sent when a late packet should have come: what is
// newer may refer to what was not sent, and a frame of which a part was sent needs
// the rest.
func (th *thinner) levelAt(p *uptrack.Packet) (l level) {
	least := layer.AllTemporal
	for i := th.changes - 1; i >= max(0, th.changes-levels); i-- {
		if l = th.levels[i%levels]; p.Seq >= l.seq || p.Timestamp == l.timestamp {
			return l
		}
		least = min(least, l.temporal)
	}
	l.temporal = least
	return l
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
	th.frames, th.parts, th.targets, th.n = layer.Temporal{}, layer.Spatial{}, targets{}, 0
	th.changes = 0
}
