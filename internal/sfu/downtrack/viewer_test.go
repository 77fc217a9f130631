package downtrack

import (
	"bytes"
	"encoding/binary"
	"sync"
	"time"

	"github.com/pion/rtcp"
	"github.com/pion/rtp"

	"github.com/rollcall-rtc/rollcall/internal/sfu/uptrack"

	"github.com/rollcall-rtc/rollcall/internal/sfu/codec"
	"github.com/rollcall-rtc/rollcall/internal/sfu/rtpstats"
	"github.com/rollcall-rtc/rollcall/internal/sfu/seqmap"
)

func ntp(t time.Time) uint64 { return rtpstats.NTP(t) }

// viewer is the Writer of a world and the browser behind it: it puts packets
// in order, asks for lost ones, and decodes. It fails the test if it is sent
// anything that a decoder would choke on.
type viewer struct {
	w    *world
	mute sync.Mutex // writes come from several goroutines

	// sloppy allows holes that were given up: the networks lose for good.
	sloppy bool

	seqs    seqmap.Extender
	packets map[uint64]arrived
	next    uint64 // to be decoded
	first   time.Time
	begun   bool // next is settled
	missed  map[uint64]time.Time
	asked   map[uint64]time.Time
	needKey bool
	blanks  int // frames that show nothing
	pliSent time.Time

	building []arrived // packets of one frame
	skipped  bool      // over a hole, to a key frame
	last     frame     // decoded
	frames   int
	keys     int
	givenUp  int
	resent   int
	padding  int
	layers   []int // as they changed
}

type arrived struct {
	seq       uint64
	timestamp uint32
	marker    bool
	payload   []byte
}

// frame is what a decoder remembers.
type frame struct {
	ok        bool
	ssrc      uint32
	number    uint32
	layer     int
	timestamp uint32
	pictureID uint16
	tl0       uint8
	captured  time.Duration
	at        time.Time
}

func newViewer(w *world) *viewer {
	return &viewer{w: w, packets: make(map[uint64]arrived), missed: make(map[uint64]time.Time), asked: make(map[uint64]time.Time)}
}

// WriteRTP implements Writer.
func (v *viewer) WriteRTP(h *rtp.Header, payload []byte, _ uptrack.Batch) (int, error) {
	raw, err := (&rtp.Packet{Header: *h, Payload: payload}).Marshal()
	if err != nil {
		return 0, err
	}
	v.mute.Lock()
	defer v.mute.Unlock()
	v.w.carry(&v.w.dnlink, func() { v.receive(raw) })
	return len(raw), nil
}

func (v *viewer) receive(raw []byte) {
	t := v.w.t
	var p rtp.Packet
	if err := p.Unmarshal(raw); err != nil {
		t.Fatalf("sent garbage: %v", err)
	}
	seq := p.SequenceNumber
	switch {
	case p.SSRC == v.w.bind.SSRC && p.PayloadType == v.w.bind.PayloadType:
	case p.SSRC == v.w.bind.RTXSSRC && p.PayloadType == v.w.bind.RTXPayloadType:
		if len(p.Payload) == 0 {
			v.padding++
			return
		}
		v.resent++
		seq = binary.BigEndian.Uint16(p.Payload)
		p.Payload = p.Payload[2:]
	default:
		t.Fatalf("SSRC %d with payload type %d", p.SSRC, p.PayloadType)
	}
	first := !v.seqs.Started()
	highest := v.seqs.Highest()
	ext := v.seqs.Extend(seq)
	if first {
		v.next, v.needKey, v.first = ext, true, time.Now()
	} else if ext > highest+500 || ext+2000 < highest {
		t.Fatalf("sequence jumps from %d to %d", highest, ext)
	}
	for m := highest + 1; !first && m < ext; m++ {
		v.missed[m] = time.Now()
	}
	delete(v.missed, ext)
	delete(v.asked, ext)
	if ext < v.next {
		if v.begun || ext+20 < v.next {
			return
		}
		for m := ext + 1; m < v.next; m++ { // the first packet was not the first sent
			v.missed[m] = time.Now()
		}
		v.next = ext
	}
	v.packets[ext] = arrived{ext, p.Timestamp, p.Marker, p.Payload}
	v.decode()
}

// decode consumes packets as far as they are in order.
func (v *viewer) decode() {
	for {
		p, ok := v.packets[v.next]
		if !ok {
			if key, ok := v.laterKeyframe(); ok {
				v.building, v.skipped = nil, true
				v.next = key
				continue
			}
			if len(v.packets) == 0 || time.Since(v.missed[v.next]) < time.Second || v.missed[v.next].IsZero() {
				return
			}
			if !v.sloppy {
				v.w.t.Fatalf("packet %d never came", v.next)
			}
			v.givenUp++
			delete(v.missed, v.next)
			v.building, v.needKey = nil, true
			v.next++
			continue
		}
		if !v.begun && time.Since(v.first) < 20*time.Millisecond {
			return
		}
		v.begun = true
		delete(v.packets, v.next)
		v.next++
		v.packet(p)
	}
}

// laterKeyframe finds a complete key frame behind a hole. Decoders go on from
// there, as publishers no longer send what is older.
func (v *viewer) laterKeyframe() (uint64, bool) {
	for seq := v.next + 1; seq <= v.seqs.Highest(); seq++ {
		p, ok := v.packets[seq]
		if !ok || len(p.payload) == 0 || !codec.Parse(codec.VP8, p.payload).Keyframe {
			continue
		}
		for n, i := uint64(p.payload[7+9]), uint64(1); ; i++ {
			if i == n {
				return seq, true
			}
			if _, ok := v.packets[seq+i]; !ok {
				break
			}
		}
	}
	return 0, false
}

func (v *viewer) packet(p arrived) {
	t := v.w.t
	if len(p.payload) == 0 {
		return
	}
	d := codec.Parse(codec.VP8, p.payload)
	if blank, _ := codec.AppendBlank(nil, "video/VP8", &d); bytes.Equal(blank, p.payload) {
		v.blank(p, d)
		return
	}
	starts := p.payload[0]&0x10 != 0
	if starts {
		if len(v.building) > 0 && !d.Keyframe && !v.sloppy {
			t.Fatalf("delta frame at %d follows an unfinished frame", p.seq)
		}
		v.building = v.building[:0]
	} else if len(v.building) == 0 {
		if !v.needKey {
			t.Fatalf("packet %d is of a frame whose start was not sent", p.seq)
		}
		return
	} else if prev := v.building[len(v.building)-1]; prev.timestamp != p.timestamp {
		t.Fatalf("timestamp changes within a frame at %d", p.seq)
	}
	v.building = append(v.building, p)
	body := p.payload[7:]
	if n := len(v.building); int(body[8]) != n-1 {
		t.Fatalf("packet %d is number %d of its frame, want %d", p.seq, body[8], n-1)
	}
	if int(body[9]) != len(v.building) {
		return
	}
	if !p.marker {
		t.Fatalf("frame ends at %d without marker", p.seq)
	}
	v.frame(frame{ok: true, ssrc: binary.BigEndian.Uint32(body), number: binary.BigEndian.Uint32(body[4:]),
		layer: int(body[10]), captured: time.Duration(binary.BigEndian.Uint32(body[11:])) * time.Microsecond, timestamp: p.timestamp, pictureID: d.PictureID, tl0: d.TL0, at: time.Now()},
		codec.Parse(codec.VP8, v.building[0].payload).Keyframe)
	v.building = v.building[:0]
}

// blank is a frame that shows nothing: it goes on as others do, and nothing but a
// key frame can follow it.
func (v *viewer) blank(p arrived, d codec.Descriptor) {
	t, last := v.w.t, v.last
	if !p.marker || !d.Keyframe {
		t.Fatalf("blank frame at %d is no whole key frame", p.seq)
	}
	if !last.ok {
		return // all before it was lost
	}
	if int32(p.timestamp-last.timestamp) <= 0 {
		t.Fatalf("blank frame of %d after %d", p.timestamp, last.timestamp)
	}
	if n := (d.PictureID - last.pictureID) & 0x7fff; (n == 0 || n > 2) && !v.sloppy && !v.skipped {
		t.Fatalf("blank frame has picture id %d after %d", d.PictureID, last.pictureID)
	}
	v.blanks++
	v.building, v.needKey, v.skipped = v.building[:0], true, false
	v.last.timestamp, v.last.pictureID, v.last.tl0, v.last.at = p.timestamp, d.PictureID, d.TL0, time.Now()
}

func (v *viewer) frame(f frame, key bool) {
	t := v.w.t
	last := v.last
	if last.ok && int32(f.timestamp-last.timestamp) <= 0 {
		t.Fatalf("timestamp %d after %d", f.timestamp, last.timestamp)
	}
	if !key && (v.needKey || f.ssrc != last.ssrc || f.number != last.number+1) {
		if !v.sloppy && v.frames > 0 { // the very first key frame may be lost unseen
			t.Fatalf("frame %d of SSRC %d cannot be decoded after %d of %d", f.number, f.ssrc, last.number, last.ssrc)
		}
		v.needKey = true
		return
	}
	if last.ok && !v.sloppy && !v.skipped {
		if d := (f.pictureID - last.pictureID) & 0x7fff; d == 0 || d > 2 { // 2: one was cut off by a switch
			t.Fatalf("picture id %d after %d", f.pictureID, last.pictureID)
		}
		if d := f.tl0 - last.tl0; d == 0 || d > 2 {
			t.Fatalf("TL0PICIDX %d after %d", f.tl0, last.tl0)
		}
		// Timestamps go as time does, give or take the networks' jitter.
		passed := f.at.Sub(last.at)
		told := time.Duration(f.timestamp-last.timestamp) * time.Second / 90000
		if (passed - told).Abs() > time.Second {
			t.Fatalf("timestamps advance %v in %v", told, passed)
		}
	}
	if len(v.layers) == 0 || v.layers[len(v.layers)-1] != f.layer {
		v.layers = append(v.layers, f.layer)
	}
	if key {
		v.needKey, v.skipped = false, false
		v.keys++
	}
	v.frames++
	v.last = f
}

// feedback asks for what is missing, and for a key frame if stuck.
func (v *viewer) feedback(now time.Time) {
	v.decode()
	var seqs []uint16
	for m, since := range v.missed {
		if now.Sub(since) > time.Second+100*time.Millisecond {
			delete(v.missed, m)
			continue
		}
		if at, ok := v.asked[m]; !ok || now.Sub(at) >= 50*time.Millisecond {
			v.asked[m] = now
			seqs = append(seqs, uint16(m))
		}
	}
	var pkts []rtcp.Packet
	if len(seqs) > 0 {
		pkts = append(pkts, &rtcp.TransportLayerNack{MediaSSRC: v.w.bind.SSRC, Nacks: rtcp.NackPairsFromSequenceNumbers(seqs)})
	}
	if v.needKey && v.begun && now.Sub(v.first) > 300*time.Millisecond && now.Sub(v.pliSent) > 300*time.Millisecond {
		v.pliSent = now
		pkts = append(pkts, &rtcp.PictureLossIndication{MediaSSRC: v.w.bind.SSRC})
	}
	if len(pkts) > 0 {
		v.w.carry(&v.w.toDown, func() { v.w.down.HandleRTCP(pkts) })
	}
}

// wantPlaying fails unless frames of the layer came just now.
func (v *viewer) wantPlaying(layer int, why string) {
	v.w.t.Helper()
	if age := time.Since(v.last.at); !v.last.ok || age > 250*time.Millisecond || v.last.layer != layer {
		v.w.t.Fatalf("%s: last frame %v ago on layer %d, want layer %d (layers %v, track %+v)",
			why, age, v.last.layer, layer, v.layers, v.w.down.Stats())
	}
}

func (v *viewer) wantStill(since int, why string) {
	v.w.t.Helper()
	if v.frames > since+1 {
		v.w.t.Fatalf("%s: %d frames came", why, v.frames-since)
	}
}
