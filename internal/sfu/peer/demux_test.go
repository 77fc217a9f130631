package peer

import (
	"slices"
	"testing"
	"time"

	"github.com/pion/rtp"

	"github.com/rollcall-rtc/rollcall/internal/sfu/srtp"
	"github.com/rollcall-rtc/rollcall/internal/sfu/uptrack"
)

// sorted is a demux with what its tracks have got: "RID:sequence number".
type sorted struct {
	*packets
	t        testing.TB
	got      map[string][]uint64 // by mid
	sections map[string]*mediaSection
	changed  []uint8
}

// took is a Sink that notes what a section has got.
type took struct {
	s   *sorted
	mid string
}

// Blank implements uptrack.Sink.
func (k *took) Prepare(int) {}

func (k *took) Blank(time.Time) {}

func (k *took) Write(p *uptrack.Packet) {
	k.s.got[k.mid] = append(k.s.got[k.mid], uint64(p.Layer)<<16|p.Seq&0xffff)
}

const (
	idMID = 1 + iota
	idRID
	idRepairedRID
	ptMedia = 96
	ptRTX   = 97
	ptOther = 98 // another codec
)

func newSorted(t testing.TB, sections ...*mediaSection) *sorted {
	s := &sorted{packets: new(packets), t: t, got: map[string][]uint64{}, sections: map[string]*mediaSection{}}
	s.packets.init(nil, nil)
	for _, m := range sections {
		m.up = uptrack.New(uptrack.Options{Codec: uptrack.Codec{MimeType: "video/VP8", ClockRate: 90000}})
		t.Cleanup(m.up.Close)
		m.up.Attach(&took{s, m.mid})
		if m.pt == 0 {
			m.pt = ptMedia
		}
		m.media[m.pt] = true
		if m.pt == ptMedia {
			m.media[ptOther] = true
			m.rtx[ptRTX] = ptMedia + 1
		}
		m.changed = func(pt uint8) { s.changed = append(s.changed, pt) }
		s.sections[m.mid] = m
	}
	s.route(slices.Clone(sections), exts{mid: idMID, rid: idRID, repairedRID: idRepairedRID})
	return s
}

// packet is what a client sends; texts are extensions, by id.
func (s *sorted) packet(ssrc uint32, pt uint8, seq uint16, payload string, texts map[uint8]string) {
	s.t.Helper()
	p := rtp.Packet{Header: rtp.Header{Version: 2, PayloadType: pt, SSRC: ssrc, SequenceNumber: seq}, Payload: []byte(payload)}
	for id, text := range texts {
		if err := p.SetExtension(id, []byte(text)); err != nil {
			s.t.Fatal(err)
		}
	}
	b, err := p.Marshal()
	if err != nil {
		s.t.Fatal(err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.demux.receive(s.packets, b, nil)
}

func (s *sorted) want(mid string, seqs ...uint64) {
	s.t.Helper()
	if !slices.Equal(s.got[mid], seqs) {
		s.t.Errorf("section %q has got %v, want %v", mid, s.got[mid], seqs)
	}
}

const vp8Payload = "\x10\x01data"

func TestPacketsFindTheirTrackByWhatTheClientTells(t *testing.T) {
	s := newSorted(t,
		&mediaSection{mid: "mic", pt: 111},
		&mediaSection{mid: "cam", ssrcs: []uint32{10}, repairs: map[uint32]uint32{11: 10}},
		&mediaSection{mid: "screen", rids: true},
	)
	s.packet(1, 111, 100, "opus", nil) // by its payload type, which only one has
	s.want("mic", 100)
	s.packet(10, ptMedia, 200, vp8Payload, nil) // announced
	s.packet(11, ptRTX, 7, "\x00\xc7"+vp8Payload, nil)
	s.want("cam", 200, 199)

	s.packet(20, ptMedia, 300, vp8Payload, nil) // of one of two sections: lost
	s.packet(20, ptMedia, 301, vp8Payload, map[uint8]string{idMID: "screen", idRID: "q"})
	s.packet(20, ptMedia, 302, vp8Payload, nil) // clients stop telling
	s.packet(30, ptMedia, 400, vp8Payload, map[uint8]string{idMID: "screen", idRID: "f"})
	s.packet(31, ptRTX, 9, "\x01\x8f"+vp8Payload, map[uint8]string{idMID: "screen", idRepairedRID: "f"})
	s.want("screen", 301, 302, 2<<16|400, 2<<16|399)

	s.packet(31, ptRTX, 10, "", map[uint8]string{}) // a probe
	s.packet(50, ptMedia, 1, vp8Payload, map[uint8]string{idMID: "nobody"})
	s.packet(51, ptMedia, 1, vp8Payload, map[uint8]string{idMID: "screen"}) // which layer?
	s.want("screen", 301, 302, 2<<16|400, 2<<16|399)
	if up := s.demux.trackOf(31); up != s.sections["screen"].up {
		t.Error("reports about retransmissions go elsewhere")
	}
}

func TestStreamsFollowTheirSection(t *testing.T) {
	s := newSorted(t, &mediaSection{mid: "cam"}, &mediaSection{mid: "screen"})
	s.packet(1, ptMedia, 1, vp8Payload, map[uint8]string{idMID: "cam"})
	s.packet(1, ptOther, 2, "h264", nil)
	s.packet(1, ptOther, 3, "h264", nil)
	if !slices.Equal(s.changed, []uint8{ptOther}) {
		t.Errorf("told of %v, want one change", s.changed)
	}
	s.want("cam", 1)

	// The section carries another track, in the other codec.
	next := newSorted(t, &mediaSection{mid: "cam", pt: ptOther})
	s.route([]*mediaSection{next.sections["cam"]}, s.demux.exts)
	s.packet(1, ptMedia, 4, vp8Payload, nil)
	s.packet(1, ptOther, 5, vp8Payload, nil)
	s.want("cam", 1)
	next.want("cam", 5)

	s.route(nil, s.demux.exts) // and nothing
	s.packet(1, ptOther, 6, vp8Payload, nil)
	next.want("cam", 5)
	s.route([]*mediaSection{next.sections["cam"]}, s.demux.exts)
	s.packet(1, ptOther, 7, vp8Payload, nil)
	next.want("cam", 5, 7)
}

func TestAClientCannotFillTheMemoryWithStreams(t *testing.T) {
	s := newSorted(t, &mediaSection{mid: "cam"})
	for ssrc := range uint32(3 * maxStreams) {
		s.packet(ssrc, ptMedia, 1, vp8Payload, map[uint8]string{idMID: "cam"})
	}
	if n := len(s.demux.streams); n > maxStreams {
		t.Errorf("%d streams are remembered", n)
	}
}

func FuzzDemux(f *testing.F) {
	f.Add([]byte{0xb0, 97, 0, 1, 0, 0, 0, 0, 0, 0, 0, 9, 0xbe, 0xde, 0, 1, 0x11, 'c', 'a', 0, 5})
	f.Add([]byte{0x80, 96, 0, 1, 0, 0, 0, 0, 0, 0, 0, 9, 0x10})
	f.Fuzz(func(t *testing.T, b []byte) {
		if srtp.HeaderLen(b) == 0 {
			return // would not have been opened
		}
		s := newSorted(t, &mediaSection{mid: "ca", ssrcs: []uint32{9}}, &mediaSection{mid: "s", rids: true, repairs: map[uint32]uint32{8: 9}})
		s.packet(9, ptMedia, 5, vp8Payload, nil)
		s.mu.Lock()
		defer s.mu.Unlock()
		s.demux.receive(s.packets, b, nil)
	})
}
