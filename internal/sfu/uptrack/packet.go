package uptrack

import (
	"encoding/binary"
	"time"

	"github.com/pion/rtp"

	"github.com/rollcall-rtc/rollcall/internal/sfu/codec"
)

// Packet is a parsed RTP packet on its way to the sinks. It is valid during
// Sink.Write only.
type Packet struct {
	Layer int
	// Epoch changes whenever a layer's packets stop being a continuation of
	// the ones before: another SSRC, a sequence jump, the end of a mute.
	Epoch uint32
	// Live has bit n set while layer n is live.
	Live uint8

	SSRC        uint32
	Seq         uint64 // extended, unique within the layer for the track's life
	Newest      uint64 // highest Seq of the layer so far, this packet included
	Timestamp   uint32
	Marker      bool
	PayloadType uint8
	Payload     []byte // without padding; empty in a padding-only packet
	// Plain is set on a packet of redundant audio that came without redundancy, as
	// what is inside.
	Plain bool
	// Redundant is the payload with the one of the packet before in front, as redundant
	// audio; nil if there is none. The payload types in it are for each sink to fill in,
	// by codec.SetPrimary.
	Redundant []byte

	// Keyframe is set on the packet at which forwarding of video can begin. If
	// it is late, its successors up to Newest, at most MaxReplay, have to be
	// retrieved. It is never set for codecs whose key frames we cannot tell,
	// audio among them.
	Keyframe bool
	// Descriptor locates the codec's counters in Payload.
	Descriptor codec.Descriptor
	// DependencyDescriptor is that header extension, if it is there and at
	// least its mandatory part is.
	DependencyDescriptor []byte
	// FrameNumber is the dependency descriptor's.
	FrameNumber uint16
	// Structure is the one in force of the descriptors of a stream with spatial layers
	// inside it, and Frame what the packet's tells under it; nil if there are none.
	Structure *codec.Structure
	Frame     codec.Frame
	// Untold is set if the descriptor says nothing under the structure in force, as it
	// does when a key frame with another one is missing.
	Untold bool
	// Active is the mask of the decode targets that are made at present, and Inside
	// that of the spatial layers that come; 0 if that is not known.
	Active uint32
	Inside uint8

	Arrival time.Time
	// Batch is where the packets that follow from this one go, nil if they are
	// sent at once.
	Batch Batch

	// Out is where a sink makes the header of what it sends: the next sink finds it
	// in the processor's cache.
	Out Out

	seq16 uint16
	nexts int
	exts  [maxExtensions]extension
}

// Out is a header in the making. It keeps the room of its extensions.
type Out struct {
	Header     rtp.Header
	Stamp      [2]byte             // the transport-wide sequence number of Header
	Descriptor [maxDescriptor]byte // room for a dependency descriptor
}

// maxDescriptor is a byte more than a header extension can have.
const maxDescriptor = 256

// maxExtensions is how many header extensions of a packet are looked at.
// Browsers negotiate fewer than this.
const maxExtensions = 12

type extension struct {
	id   uint8
	data []byte
}

// Extension returns the data of a header extension, nil if it is absent.
func (p *Packet) Extension(id uint8) []byte {
	for i := range p.nexts {
		if p.exts[i].id == id {
			return p.exts[i].data
		}
	}
	return nil
}

// MaxPacket is how long a packet may be that is taken, in bytes: longer than any
// that a network of today carries whole.
const MaxPacket = 2048

const headerSize = 12

// parseHeader reads the RTP header (RFC 3550 §5.1) and its extensions
// (RFC 8285) without copying. Malformed extensions end their list; anything
// else that is malformed fails.
func (p *Packet) parseHeader(b []byte) bool {
	if len(b) < headerSize || b[0]>>6 != 2 {
		return false
	}
	p.Marker = b[1]&0x80 != 0
	p.PayloadType = b[1] & 0x7f
	p.seq16 = binary.BigEndian.Uint16(b[2:])
	p.Timestamp = binary.BigEndian.Uint32(b[4:])
	p.SSRC = binary.BigEndian.Uint32(b[8:])
	p.nexts = 0

	n := headerSize + 4*int(b[0]&0x0f) // contributing sources
	if b[0]&0x10 != 0 {
		if len(b) < n+4 {
			return false
		}
		profile := binary.BigEndian.Uint16(b[n:])
		size := 4 * int(binary.BigEndian.Uint16(b[n+2:]))
		n += 4
		if len(b) < n+size {
			return false
		}
		p.parseExtensions(profile, b[n:n+size])
		n += size
	}
	if len(b) < n {
		return false
	}
	p.Payload = b[n:]
	if b[0]&0x20 != 0 {
		if len(p.Payload) == 0 {
			return false
		}
		padding := int(p.Payload[len(p.Payload)-1])
		if padding == 0 || padding > len(p.Payload) {
			return false
		}
		p.Payload = p.Payload[:len(p.Payload)-padding]
	}
	return true
}

func (p *Packet) parseExtensions(profile uint16, b []byte) {
	oneByte := profile == 0xbede
	if !oneByte && profile&0xfff0 != 0x1000 {
		return
	}
	for len(b) > 0 && p.nexts < maxExtensions {
		if b[0] == 0 { // padding
			b = b[1:]
			continue
		}
		var id uint8
		var size int
		if oneByte {
			id, size = b[0]>>4, int(b[0]&0x0f)+1
			if id == 0 || id == 15 { // RFC 8285 §4.2: stop
				return
			}
			b = b[1:]
		} else {
			if len(b) < 2 {
				return
			}
			id, size = b[0], int(b[1])
			b = b[2:]
		}
		if size > len(b) {
			return
		}
		p.exts[p.nexts] = extension{id, b[:size]}
		p.nexts++
		b = b[size:]
	}
}

// parseCodec fills what the codec and the dependency descriptor tell. Structures
// come with key frames and hold until the next; a new one is returned.
func (p *Packet) parseCodec(kind codec.Kind, ddExt uint8, s *codec.Structure) *codec.Structure {
	p.Descriptor = codec.Descriptor{}
	if len(p.Payload) > 0 {
		p.Descriptor = codec.Parse(kind, p.Payload)
	}
	p.Keyframe = p.Descriptor.Keyframe
	p.DependencyDescriptor, p.FrameNumber, p.Structure, p.Untold = nil, 0, nil, false
	if ddExt == 0 {
		return s
	}
	raw := p.Extension(ddExt)
	dd, ok := codec.ParseDependencyDescriptor(raw)
	if !ok {
		return s
	}
	p.DependencyDescriptor, p.FrameNumber = raw, dd.FrameNumber
	p.Keyframe = p.Keyframe || dd.Keyframe() && kind.HasKeyframes()
	if dd.Structure {
		newer, ok := codec.ParseStructure(raw)
		if !ok {
			return s
		}
		if s == nil || newer != *s {
			s = &newer
		}
	}
	if s == nil || len(p.Payload) == 0 {
		return s
	}
	p.parseLayers(kind, s, dd)
	return s
}

// parseLayers fills what the dependency descriptor tells of layers. What it tells
// goes before what VP9 tells itself, which has no more.
func (p *Packet) parseLayers(kind codec.Kind, s *codec.Structure, dd codec.DependencyDescriptor) {
	d, raw := &p.Descriptor, p.DependencyDescriptor
	_, _, known := s.Layer(dd.Template)
	p.Untold = !known
	switch {
	case s.MaxSpatial > 0 && s.Frame(dd, raw, &p.Frame):
		f := &p.Frame
		p.Structure = s
		d.HasSpatial, d.Spatial, d.LayerEnds, d.Alone = true, f.Spatial, f.Ends, false
		d.HasTemporal, d.Temporal, d.Sync, d.Switch = true, f.Temporal, false, 0
	case s.MaxSpatial > 0:
		if spatial, _, ok := s.Layer(dd.Template); ok && !d.HasSpatial {
			d.HasSpatial, d.Spatial, d.LayerEnds = true, spatial, dd.EndOfFrame
		}
	case s.MaxTemporal > 0 && (!d.HasTemporal || kind == codec.VP9):
		if temporal, switches, ok := s.TemporalOf(dd, raw); ok {
			d.HasTemporal, d.Temporal, d.Switch = true, temporal, switches
			d.HasSpatial, d.Spatial, d.LayerEnds = false, 0, false // VP9 tells of its only one, too
		}
	}
}
