package peer

import (
	"encoding/binary"
	"time"

	"github.com/rollcall-rtc/rollcall/internal/sfu/layer"
	"github.com/rollcall-rtc/rollcall/internal/sfu/srtp"
	"github.com/rollcall-rtc/rollcall/internal/sfu/uptrack"
)

// maxStreams bounds the SSRCs of a client that we remember.
const maxStreams = 256

// mediaSection is a media section in which the client sends, as far as packets
// need it. It is immutable.
type mediaSection struct {
	mid     string
	up      *uptrack.UpTrack
	pt      uint8             // what the track is encoded with
	primary uint8             // what else it may be: that without its redundancy, 0 if nothing
	media   [128]bool         // payload types that were agreed
	rtx     [128]uint8        // payload type by that of its retransmissions, plus 1; 0 if none
	sound   bool              // what is sent is heard, not seen
	rids    bool              // simulcast: nothing but a rid tells the layer
	names   map[string]string // rids of the track by those of the client, where they differ
	ssrcs   []uint32          // announced
	repairs map[uint32]uint32 // announced: SSRC of media by that of its retransmissions

	changed func(pt uint8) // called when the client sends in another codec
}

// layerOf is the name by which the track knows a layer.
func (s *mediaSection) layerOf(rid string) string {
	if name, ok := s.names[rid]; ok {
		return name
	}
	return rid
}

// layerNames are the rids of layers, lowest first.
var layerNames = [...]string{"q", "h", "f"}

// namesOf says which layer each rid of a section is, if it does not say so itself.
func namesOf(rids []string) map[string]string {
	var names map[string]string
	for i, n := range layer.Assign(rids) {
		if n < len(layerNames) && rids[i] != layerNames[n] {
			if names == nil {
				names = make(map[string]string)
			}
			names[rids[i]] = layerNames[n]
		}
	}
	return names
}

// exts are the ids of the header extensions that say what a packet is.
type exts struct {
	mid, rid, repairedRID, transportCC uint8
}

// demux finds the track of a packet (RFC 8843 §9.2). packets.mu guards it.
type demux struct {
	exts     exts
	sections map[string]*mediaSection // by mid
	streams  map[uint32]*stream       // by SSRC
	clock    uint64
}

// stream is one SSRC of a client. What it belongs to is remembered when it has
// been told: clients stop telling.
type stream struct {
	ssrc    uint32
	mid     string
	rid     string
	repairs bool           // retransmissions
	media   uint32         // what it repairs, 0 = as mid and rid say
	section *mediaSection  // nil while there is none
	input   *uptrack.Input // nil if nothing takes its packets
	told    time.Time      // when changed was last called
	used    uint64
}

// replace brings the streams in line with what is negotiated.
func (d *demux) replace(sections []*mediaSection, e exts) {
	d.exts = e
	d.sections = make(map[string]*mediaSection, len(sections))
	for _, s := range sections {
		d.sections[s.mid] = s
	}
	for _, st := range d.streams {
		now := d.sections[st.mid]
		if st.section != nil && st.input != nil && (now == nil || now.up != st.section.up || now.pt != st.section.pt) {
			st.input.End()
			st.input = nil
		}
		st.section = now
	}
}

func (d *demux) close() { d.replace(nil, d.exts) }

// trackOf returns the track that an SSRC belongs to, nil if none does.
func (d *demux) trackOf(ssrc uint32) *uptrack.UpTrack {
	if st := d.streams[ssrc]; st != nil && st.section != nil {
		return st.section.up
	}
	return nil
}

// receive takes a decrypted packet. It returns errStray for one that is of no stream or
// payload type that was negotiated, or too long, and ErrGarbage for one that cannot be
// read.
func (d *demux) receive(p *packets, b []byte, batch uptrack.Batch) error {
	header := srtp.HeaderLen(b)
	ssrc, pt := binary.BigEndian.Uint32(b[8:]), b[1]&0x7f
	st, now := d.streams[ssrc], time.Now()
	if p.intake != nil && !p.intake.admits(len(b), st != nil && st.section != nil && st.section.sound, now) {
		if st == nil {
			return errStray // what belongs to nothing is counted as that, however much there is
		}
		return nil
	}
	if id := d.exts.transportCC; id != 0 {
		if ext := headerExtension(b, id); len(ext) >= 2 {
			p.arrivals.arrived(ssrc, binary.BigEndian.Uint16(ext), now)
		}
	}
	if len(b) > uptrack.MaxPacket {
		return errStray
	}
	d.clock++
	if st == nil {
		if st = d.identify(b, ssrc, pt); st == nil {
			return errStray
		}
		d.remember(st)
	}
	st.used = d.clock
	s := st.section
	if s == nil {
		return nil // its track is over, and its client may not know yet
	}
	if apt := s.rtx[pt]; apt != 0 {
		b, st = d.restore(st, b, header, apt-1)
		if st == nil {
			return nil
		}
		pt = apt - 1
	}
	if pt != s.pt && (s.primary == 0 || pt != s.primary) {
		if !s.media[pt] {
			return errStray
		}
		if now.Sub(st.told) >= minCodecLife {
			st.told = now
			s.changed(pt)
		}
		return nil
	}
	if st.input == nil {
		st.input = s.up.AddStream(uptrack.StreamInfo{RID: s.layerOf(st.rid), SSRC: st.ssrc, PayloadType: s.pt})
		if st.input == nil {
			return nil
		}
	}
	if !st.input.Receive(b, batch) {
		return ErrGarbage
	}
	return nil
}

// identify finds out what a new SSRC is. It is nil if that is not known yet.
func (d *demux) identify(b []byte, ssrc uint32, pt uint8) *stream {
	for _, s := range d.sections {
		if media, ok := s.repairs[ssrc]; ok {
			return &stream{ssrc: ssrc, mid: s.mid, repairs: true, media: media, section: s}
		}
		for _, announced := range s.ssrcs {
			if announced == ssrc && !s.rids {
				return &stream{ssrc: ssrc, mid: s.mid, section: s}
			}
		}
	}
	s := d.sectionOf(b, pt)
	if s == nil {
		return nil
	}
	st := &stream{ssrc: ssrc, mid: s.mid, section: s, repairs: s.rtx[pt] != 0}
	if !s.rids {
		return st
	}
	id := d.exts.rid
	if st.repairs {
		id = d.exts.repairedRID
	}
	if id != 0 {
		st.rid = string(headerExtension(b, id))
	}
	if st.rid == "" {
		return nil
	}
	return st
}

// sectionOf finds the section by mid, or by a payload type that only one has.
func (d *demux) sectionOf(b []byte, pt uint8) *mediaSection {
	if id := d.exts.mid; id != 0 {
		if mid := headerExtension(b, id); mid != nil {
			return d.sections[string(mid)]
		}
	}
	var only *mediaSection
	for _, s := range d.sections {
		if s.media[pt] || s.rtx[pt] != 0 {
			if only != nil {
				return nil
			}
			only = s
		}
	}
	return only
}

func (d *demux) remember(st *stream) {
	if d.streams == nil {
		d.streams = map[uint32]*stream{}
	}
	if len(d.streams) >= maxStreams {
		var oldest *stream
		for _, other := range d.streams {
			if oldest == nil || other.used < oldest.used {
				oldest = other
			}
		}
		if oldest.input != nil {
			oldest.input.End()
		}
		delete(d.streams, oldest.ssrc)
	}
	d.streams[st.ssrc] = st
}

// restore makes the packet that a retransmission repeats, in place (RFC 4588
// §4), and finds its stream. That is nil for what repeats nothing: probes of
// the bandwidth, and packets of a stream that was never seen.
func (d *demux) restore(st *stream, b []byte, header int, pt uint8) ([]byte, *stream) {
	padding := 0
	if b[0]&0x20 != 0 {
		padding = int(b[len(b)-1])
	}
	if len(b)-padding < header+2 {
		return nil, nil
	}
	var media *stream
	if st.media != 0 {
		media = d.streams[st.media]
	} else {
		for _, other := range d.streams {
			if other.mid == st.mid && other.rid == st.rid && !other.repairs && (media == nil || other.used > media.used) {
				media = other
			}
		}
	}
	if media == nil || media.section == nil {
		return nil, nil
	}
	seq := binary.BigEndian.Uint16(b[header:])
	copy(b[2:], b[:header])
	b = b[2:]
	b[1] = b[1]&0x80 | pt
	binary.BigEndian.PutUint16(b[2:], seq)
	binary.BigEndian.PutUint32(b[8:], media.ssrc)
	return b, media
}
