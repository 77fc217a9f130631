package frames

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/bluenviron/mediacommon/v2/pkg/codecs/av1"
	"github.com/bluenviron/mediacommon/v2/pkg/codecs/h264"
	"github.com/bluenviron/mediacommon/v2/pkg/codecs/h265"
	"github.com/bluenviron/mediacommon/v2/pkg/codecs/vp8"
	"github.com/bluenviron/mediacommon/v2/pkg/codecs/vp9"
	"github.com/pion/rtp"
	"github.com/pion/rtp/codecs"

	"github.com/rollcall-rtc/rollcall/internal/egress/container"
	"github.com/rollcall-rtc/rollcall/internal/egress/picture"
)

// assembler makes frames of the packets of a track.
type assembler struct {
	codec   container.Codec
	rate    int64 // of the clock, hertz
	packets order

	depacketizer rtp.Depacketizer
	data         []byte // of the frame that is being put together
	handed       []byte // of the one before it, which is used again after the next
	starts       []int  // where in data other frames of the same picture begin, of VP9
	size         int    // of the packets of that frame, in bytes
	open         bool   // there is one
	damaged      bool   // a packet of it is missing, or there are too many

	vp9       picture.VP9
	begun     bool
	timestamp uint32 // of the last packet
	elapsed   int64  // its time since the beginning, in ticks
	clock     clock

	broken  bool  // pictures are missing; the next key frame mends it
	since   int64 // from when on
	missing time.Duration
}

// maxFrame bounds what is put together of one frame, in bytes: a key frame of 4K at the
// highest quality is a fourth of it. What never ends would take all memory else.
const maxFrame = 8 << 20

var errClockRate = errors.New("track without a clock rate")

func newAssembler(codec container.Codec, rate uint32) (*assembler, error) {
	if rate == 0 {
		return nil, errClockRate
	}
	a := &assembler{codec: codec, rate: int64(rate)}
	a.clock.of = &publisher{clocks: make(map[*clock]struct{})}
	if a.depacketizer = newDepacketizer(codec); a.depacketizer == nil {
		return nil, fmt.Errorf("%w: %s", container.ErrCodec, codec)
	}
	return a, nil
}

func newDepacketizer(codec container.Codec) rtp.Depacketizer {
	switch codec {
	case container.Opus:
		return new(codecs.OpusPacket)
	case container.VP8:
		return new(codecs.VP8Packet)
	case container.VP9:
		return new(codecs.VP9Packet)
	case container.AV1:
		return new(codecs.AV1Depacketizer)
	case container.H264:
		return new(units)
	case container.H265:
		return new(codecs.H265Depacketizer)
	}
	return nil
}

// push takes a packet that arrived at that time, and keeps a copy. Padding counts: it
// has a place in the order.
func (a *assembler) push(p *rtp.Packet, at time.Time) { a.packets.add(p, at) }

// next returns the next frame that can be decoded; ok is false if there is none
// yet. lost says that pictures are missing: please a key frame. At the end nothing
// is waited for.
func (a *assembler) next(now time.Time, end bool) (f Frame, lost, ok bool) {
	for {
		p, gap, some := a.packets.take(now, end)
		if gap {
			a.damaged = true
			a.depacketizer = newDepacketizer(a.codec) // it may be within something
			a.breaks()
		}
		switch {
		case !some:
			if end && a.pictured() {
				f, ok = a.finish()
			}
			return f, lost || a.broken, ok
		case len(p.payload) == 0:
			a.packets.done(p.payload)
			continue
		case !a.begun:
			a.begun, a.timestamp = true, p.timestamp
			a.clock.begin(p.at)
			if r := a.clock.early; r != nil {
				a.clock.report(r.at, a.time(int64(int32(r.timestamp-a.timestamp))))
			}
		}
		// A frame without a marker ends with the next one.
		if p.timestamp != a.timestamp && a.pictured() {
			f, ok = a.finish()
		}
		a.elapsed += int64(int32(p.timestamp - a.timestamp))
		a.timestamp = p.timestamp
		a.clock.arrive(p.at, a.time(a.elapsed))
		a.take(p.payload)
		if a.codec != container.H265 { // whose depacketizer keeps pieces until the last comes
			a.packets.done(p.payload)
		}
		if !ok && (p.marker || !a.codec.Video()) && a.pictured() {
			f, ok = a.finish()
		}
		if ok {
			return f, lost || a.broken, true
		}
	}
}

// take adds the payload of a packet to the frame of its time.
func (a *assembler) take(payload []byte) {
	if !a.open {
		if a.damaged && a.codec.Video() && !a.depacketizer.IsPartitionHead(payload) {
			return // its beginning is missing
		}
		a.open, a.damaged, a.size, a.data, a.starts = true, false, 0, a.data[:0], a.starts[:0]
	}
	if a.size > maxFrame {
		return
	}
	if a.size += len(payload); a.size > maxFrame {
		a.depacketizer, a.data, a.damaged = newDepacketizer(a.codec), nil, true // it may keep some, too
		return
	}
	data, err := a.depacketizer.Unmarshal(payload)
	if err != nil {
		a.damaged = true
		return
	}
	if p, ok := a.depacketizer.(*codecs.VP9Packet); ok && p.B && len(a.data) > 0 {
		a.starts = append(a.starts, len(a.data))
	}
	a.data = append(a.data, data...)
}

// pictured says whether there is a picture, or sound, in what is being put
// together. Some clients send parameter sets by themselves, marked as if they
// were: they belong to the picture that follows.
func (a *assembler) pictured() bool {
	if !a.open || a.size > maxFrame || a.codec != container.H264 && a.codec != container.H265 {
		return a.open
	}
	if a.codec == container.H264 {
		picture, _ := unitKinds(a.data)
		return picture
	}
	var units h264.AnnexB
	if units.Unmarshal(a.data) != nil {
		return len(a.data) > 0 // damaged, and left out
	}
	return slices.ContainsFunc(units, func(u []byte) bool { return len(u) > 0 && u[0]>>1&63 < 32 })
}

// breaks notes that pictures are missing from here on.
func (a *assembler) breaks() {
	if a.codec.Video() && !a.broken {
		a.broken, a.since = true, a.elapsed
	}
}

// finish ends the frame that is being put together; ok is false if it cannot be
// decoded.
func (a *assembler) finish() (f Frame, ok bool) {
	a.open = false
	if a.damaged {
		a.breaks()
		return f, false
	}
	data, key := a.frame(a.data)
	// Of the next frame something may be put together before this one is returned.
	a.data, a.handed = a.handed, a.data
	if a.broken && key {
		a.broken = false
		a.missing += a.time(a.elapsed - a.since)
	}
	if data == nil || a.broken {
		return f, false
	}
	return Frame{At: a.clock.at(a.time(a.elapsed)), Came: a.clock.arrived, Key: key, Data: data}, true
}

func (a *assembler) time(ticks int64) time.Duration {
	return time.Duration(ticks/a.rate)*time.Second + time.Duration(ticks%a.rate)*time.Second/time.Duration(a.rate)
}

// frame returns the data as containers keep it, and whether decoding can begin
// there; nil if it is none.
func (a *assembler) frame(data []byte) (kept []byte, key bool) {
	if len(data) == 0 {
		return nil, false
	}
	switch a.codec {
	case container.VP8:
		return data, vp8.IsRandomAccess(data)
	case container.VP9:
		return a.vp9.Join(data, a.starts), vp9.IsRandomAccess(data)
	case container.AV1:
		units, err := picture.OBUs(data)
		if err != nil {
			return nil, false
		}
		kept := data[:0]
		for _, u := range units {
			if u.Type != av1.OBUTypeTemporalDelimiter {
				kept = append(kept, u.Raw...)
			}
			key = key || u.Type == av1.OBUTypeSequenceHeader
		}
		if len(kept) == 0 {
			return nil, false
		}
		return kept, key
	case container.H264:
		_, key = unitKinds(data)
		return data, key
	case container.H265:
		var units h264.AnnexB
		if units.Unmarshal(data) != nil || len(units) == 0 {
			return nil, false
		}
		data, err := h264.AVCC(units).Marshal()
		if err != nil {
			return nil, false
		}
		return data, h265.IsRandomAccess(units)
	}
	return data, true
}
