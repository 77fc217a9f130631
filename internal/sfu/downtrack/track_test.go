package downtrack

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/pion/rtcp"
	"github.com/pion/rtp"

	"github.com/rollcall-rtc/rollcall/internal/sfu/uptrack"
)

// rig sends hand-made packets through an up-track to one down-track.
type rig struct {
	t    *testing.T
	up   *uptrack.UpTrack
	down *DownTrack
	out  *tape
	plis atomic.Int64

	packets chan []byte
	seq     uint16
	ts      uint32
}

// tape is a Writer that keeps what is written.
type tape struct {
	mu   sync.Mutex
	got  []rtp.Packet
	fail error
}

func (w *tape) WriteRTP(h *rtp.Header, payload []byte, _ uptrack.Batch) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.fail != nil {
		return 0, w.fail
	}
	p := rtp.Packet{Header: h.Clone(), Payload: bytes.Clone(payload)}
	p.Header.PaddingSize = h.PaddingSize // which Clone forgets
	w.got = append(w.got, p)
	return len(payload), nil
}

func (w *tape) take() []rtp.Packet {
	w.mu.Lock()
	defer w.mu.Unlock()
	got := w.got
	w.got = nil
	return got
}

func (w *tape) setFail(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.fail = err
}

func (r *rig) Read(b []byte) (int, error) {
	raw, ok := <-r.packets
	if !ok {
		return 0, io.EOF
	}
	return copy(b, raw), nil
}

func withRig(t *testing.T, opts uptrack.Options, script func(t *testing.T, r *rig)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		r := &rig{t: t, out: new(tape), packets: make(chan []byte), seq: 65534, ts: 1<<32 - 5000}
		opts.WriteRTCP = func(pkts []rtcp.Packet) error {
			for _, p := range pkts {
				if _, ok := p.(*rtcp.PictureLossIndication); ok {
					r.plis.Add(1)
				}
			}
			return nil
		}
		r.up = uptrack.New(opts)
		play(r.up, uptrack.StreamInfo{SSRC: 5}, r)
		r.down = New(Options{Source: r.up})
		defer func() {
			close(r.packets)
			synctest.Wait()
			r.down.Close()
			end(r.up)
		}()
		script(t, r)
	})
}

// send sends the next packet with an extension or none.
func (r *rig) send(payload []byte, exts ...any) {
	r.t.Helper()
	r.sendAs(r.seq, payload, exts...)
	r.seq++
}

func (r *rig) sendAs(seq uint16, payload []byte, exts ...any) {
	r.t.Helper()
	r.sendMarked(seq, false, payload, exts...)
}

func (r *rig) sendMarked(seq uint16, marker bool, payload []byte, exts ...any) {
	r.t.Helper()
	p := rtp.Packet{Header: rtp.Header{Version: 2, SSRC: 5, SequenceNumber: seq, Timestamp: r.ts, Marker: marker}, Payload: payload}
	for i := 0; i < len(exts); i += 2 {
		data := exts[i+1].([]byte)
		if len(data) > 16 {
			p.Extension, p.ExtensionProfile = true, rtp.ExtensionProfileTwoByte
		}
		if err := p.SetExtension(uint8(exts[i].(int)), data); err != nil {
			r.t.Fatal(err)
		}
	}
	if payload == nil {
		p.Padding, p.PaddingSize = true, 20
	}
	raw, err := p.Marshal()
	if err != nil {
		r.t.Fatal(err)
	}
	r.packets <- raw
	synctest.Wait()
}

func (r *rig) pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// one returns the only packet written since.
func (r *rig) one(why string) rtp.Packet {
	r.t.Helper()
	got := r.out.take()
	if len(got) != 1 {
		r.t.Fatalf("%d packets written, want one: %s", len(got), why)
	}
	return got[0]
}

func (r *rig) none(why string) {
	r.t.Helper()
	if got := r.out.take(); len(got) != 0 {
		r.t.Fatalf("%d packets written: %s", len(got), why)
	}
}

func (r *rig) nack(ssrc uint32, seqs ...uint16) {
	r.down.HandleRTCP([]rtcp.Packet{&rtcp.TransportLayerNack{MediaSSRC: ssrc, Nacks: rtcp.NackPairsFromSequenceNumbers(seqs)}})
}

var (
	opus    = uptrack.Options{Codec: uptrack.Codec{MimeType: "audio/opus", ClockRate: 48000, Channels: 2}}
	vp8     = uptrack.Options{Codec: uptrack.Codec{MimeType: "video/VP8", ClockRate: 90000}}
	vp8Key  = []byte{0x90, 0xf0, 0x81, 0x00, 0x10, 0x05, 0x00, 0xee}
	vp8Next = []byte{0x90, 0xf0, 0x81, 0x01, 0x11, 0x05, 0x01, 0xee}
)

func TestAudioBeginsAtOnceAndRunsOnAcrossPauses(t *testing.T) {
	withRig(t, opus, func(t *testing.T, r *rig) {
		r.down.Bind(Binding{SSRC: 1000, PayloadType: 111, Writer: r.out})
		r.send([]byte{1})
		p := r.one("first packet")
		if p.SSRC != 1000 || p.PayloadType != 111 || !bytes.Equal(p.Payload, []byte{1}) {
			t.Fatalf("sent %+v", p)
		}
		for i := range 50 {
			last := p
			switch i % 4 {
			case 1:
				r.down.SetPaused(true)
				r.send([]byte{0})
				r.none("paused")
				r.down.SetPaused(false)
			case 2:
				r.up.SetMuted(true)
				r.send([]byte{0})
				r.none("muted")
				r.up.SetMuted(false)
			case 3:
				r.send(nil) // padding
				r.none("padding alone")
			}
			r.pass(20 * time.Millisecond)
			r.ts += 960
			r.send([]byte{byte(i)})
			p = r.one("each packet")
			if p.SequenceNumber != last.SequenceNumber+1 || p.Timestamp != last.Timestamp+960 {
				t.Fatalf("%d at %d follows %d at %d", p.SequenceNumber, p.Timestamp, last.SequenceNumber, last.Timestamp)
			}
		}
		// The publisher's timestamps stand still for an hour; ours do not.
		beforeMute := p.Timestamp
		r.up.SetMuted(true)
		r.pass(time.Hour)
		quiet := r.out.take()
		if len(quiet) != 5 {
			t.Fatalf("%d packets of silence", len(quiet))
		}
		for _, s := range quiet {
			if s.SequenceNumber != p.SequenceNumber+1 || int32(s.Timestamp-p.Timestamp) <= 0 || s.PayloadType != 111 || s.Marker || len(s.Payload) == 0 {
				t.Fatalf("silence is %v after %v", &s, &p)
			}
			p.SequenceNumber, p.Timestamp = s.SequenceNumber, s.Timestamp
		}
		last := p
		r.up.SetMuted(false)
		r.ts += 960
		r.send([]byte{1})
		p = r.one("after an hour")
		if p.SequenceNumber != last.SequenceNumber+1 {
			t.Fatalf("%d follows %d", p.SequenceNumber, last.SequenceNumber)
		}
		if d := p.Timestamp - beforeMute; d != 3600*48000 {
			t.Fatalf("an hour is %d ticks", d)
		}
		// And they jump ahead while no time passes.
		r.up.SetMuted(true)
		r.up.SetMuted(false)
		r.pass(20 * time.Millisecond)
		r.ts += 3600 * 48000
		r.send([]byte{1})
		if d := r.one("after a jump").Timestamp - p.Timestamp; d != 960 {
			t.Fatalf("20 ms are %d ticks", d)
		}
		if s := r.down.Stats(); s.Packets != 53+5 || s.Octets != 53+5*3 || r.plis.Load() != 0 {
			t.Fatalf("stats %+v, %d key frame requests", s, r.plis.Load())
		}
	})
}

func TestOtherSinksSeeThePublishersBytes(t *testing.T) {
	withRig(t, vp8, func(t *testing.T, r *rig) {
		r.down.Bind(Binding{SSRC: 1000, PayloadType: 120, Writer: r.out})
		after := new(taker)
		r.up.Attach(after)
		for range 3 {
			r.send(vp8Key)
			r.ts += 3000
			r.up.SetMuted(true)
			r.up.SetMuted(false)
		}
		for i, p := range r.out.take() {
			if bytes.Equal(p.Payload, vp8Key) != (i == 0) {
				t.Fatalf("packet %d sent as %x", i, p.Payload)
			}
		}
		for _, got := range after.payloads {
			if !bytes.Equal(got, vp8Key) {
				t.Fatalf("the next sink saw %x", got)
			}
		}
	})
}

type taker struct{ payloads [][]byte }

// Blank implements uptrack.Sink.
func (s *taker) Prepare(int) {}

func (s *taker) Blank(time.Time) {}

func (s *taker) Write(p *uptrack.Packet) { s.payloads = append(s.payloads, bytes.Clone(p.Payload)) }

func TestOnlyMappedExtensionsAreSent(t *testing.T) {
	withRig(t, opus, func(t *testing.T, r *rig) {
		r.down.Bind(Binding{SSRC: 1, PayloadType: 111, Writer: r.out, Extensions: []Ext{{From: 3, To: 7}, {From: 9, To: 2}}})
		r.send([]byte{1}, 1, []byte{0xaa}, 3, []byte{0xbb, 0xcc})
		p := r.one("one mapped")
		if ids := p.GetExtensionIDs(); !cmp.Equal(ids, []uint8{7}) || !bytes.Equal(p.GetExtension(7), []byte{0xbb, 0xcc}) {
			t.Fatalf("extensions %v", ids)
		}
		r.send([]byte{1}, 1, []byte{0xaa})
		if p := r.one("none mapped"); p.Extension || len(p.GetExtensionIDs()) != 0 {
			t.Fatalf("sent %+v", p.Header)
		}
		long := bytes.Repeat([]byte{5}, 40)
		r.send([]byte{1}, 3, []byte{0xbb}, 9, long)
		p = r.one("long one")
		if !bytes.Equal(p.GetExtension(2), long) || !bytes.Equal(p.GetExtension(7), []byte{0xbb}) {
			t.Fatalf("extensions %v", p.GetExtensionIDs())
		}
		raw, err := p.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		var q rtp.Packet
		if err := q.Unmarshal(raw); err != nil || !bytes.Equal(q.GetExtension(2), long) {
			t.Fatalf("on the wire: %v, %v", q.GetExtensionIDs(), err)
		}
		r.nack(1, p.SequenceNumber)
		if again := r.one("repeat"); !bytes.Equal(again.GetExtension(2), long) {
			t.Fatal("the repeat lost its extension")
		}
	})
}

func TestFrameNumbersOfTheDependencyDescriptorRunOn(t *testing.T) {
	withRig(t, uptrack.Options{Codec: uptrack.Codec{MimeType: "video/AV1", ClockRate: 90000}, DependencyDescriptorExt: 4}, func(t *testing.T, r *rig) {
		r.down.Bind(Binding{SSRC: 1, PayloadType: 35, Writer: r.out, Extensions: []Ext{{From: 4, To: 4}}})
		for _, number := range []uint16{65535, 0, 1000, 1001, 7} {
			dd := []byte{0xc0, byte(number >> 8), byte(number), 0x80}
			switch number {
			case 0, 1001:
				dd = dd[:3]
			default:
				r.up.SetMuted(true)
				r.up.SetMuted(false)
			}
			r.send([]byte{0x10, 0x32}, 4, dd)
			r.ts += 3000
		}
		var numbers []uint16
		for _, p := range r.out.take() {
			numbers = append(numbers, binary.BigEndian.Uint16(p.GetExtension(4)[1:]))
		}
		if diff := cmp.Diff([]uint16{65535, 0, 1, 2, 3}, numbers); diff != "" {
			t.Fatalf("(-want +got)\n%s", diff)
		}
	})
}

func TestVideoWaitsForAKeyframeAndAsksForIt(t *testing.T) {
	withRig(t, vp8, func(t *testing.T, r *rig) {
		r.send(vp8Key)
		for range maxCatchUp { // too long ago to begin there
			r.ts += 3000
			r.send(vp8Next)
		}
		r.down.Bind(Binding{SSRC: 1000, PayloadType: 120, Writer: r.out})
		if r.plis.Load() != 1 {
			t.Fatalf("%d requests when bound", r.plis.Load())
		}
		for range 30 {
			r.send(vp8Next)
			r.ts += 3000
			r.pass(33 * time.Millisecond)
		}
		r.none("no key frame yet")
		if r.plis.Load() != 2 {
			t.Fatalf("%d requests in a second", r.plis.Load())
		}
		if r.down.SenderReport(time.Now()) != nil || r.down.Stats().Layer != -1 {
			t.Fatal("reports before the first packet")
		}
		r.send(vp8Key)
		r.one("the key frame")
		r.pass(time.Second)
		n := r.plis.Load()
		r.down.HandleRTCP([]rtcp.Packet{&rtcp.PictureLossIndication{MediaSSRC: 99}, &rtcp.FullIntraRequest{FIR: []rtcp.FIREntry{{SSRC: 99}}}})
		if r.plis.Load() != n {
			t.Fatal("passed on a request about another track")
		}
		r.down.HandleRTCP([]rtcp.Packet{&rtcp.PictureLossIndication{MediaSSRC: 1000}})
		r.down.HandleRTCP([]rtcp.Packet{&rtcp.FullIntraRequest{FIR: []rtcp.FIREntry{{SSRC: 1000}}}})
		if r.plis.Load() != n+1 || r.down.Stats().PLIs != 2 {
			t.Fatalf("%d requests passed on, %d counted", r.plis.Load()-n, r.down.Stats().PLIs)
		}
	})
}

func TestWhoNeverAsksGetsAKeyframeWithItsFirstReport(t *testing.T) {
	for _, deaf := range []bool{true, false} {
		withRig(t, vp8, func(t *testing.T, r *rig) {
			r.down.Close()
			r.down = New(Options{Source: r.up, NeverAsks: deaf})
			r.down.Bind(Binding{SSRC: 1000, PayloadType: 96, Writer: r.out})
			r.send(vp8Key)
			r.one("the key frame")
			report := func(ssrc uint32) {
				r.pass(time.Second)
				r.down.HandleRTCP([]rtcp.Packet{&rtcp.ReceiverReport{Reports: []rtcp.ReceptionReport{{SSRC: ssrc}}}})
			}
			before := r.plis.Load()
			report(99)
			if r.plis.Load() != before {
				t.Error("a report about another track leads to a request")
			}
			want := before
			if deaf {
				want++
			}
			for range 3 {
				report(1000)
				r.ts += 3000
				r.send(vp8Key)
			}
			if got := r.plis.Load(); got != want || r.down.Stats().PLIs != 0 {
				t.Errorf("never asks %v: %d requests, want %d; %d counted", deaf, got, want, r.down.Stats().PLIs)
			}
		})
	}
}

func TestVideoBeginsWithAKeyframeOfAMomentAgo(t *testing.T) {
	withRig(t, vp8, func(t *testing.T, r *rig) {
		r.send(vp8Key)
		for range 10 {
			r.ts += 3000
			r.send(vp8Next)
		}
		r.down.Bind(Binding{SSRC: 1000, PayloadType: 120, Writer: r.out})
		r.ts += 3000
		r.send(vp8Next)
		got := r.out.take()
		if len(got) != 12 || got[0].Payload[0] != vp8Key[0] || got[0].Payload[1] != vp8Key[1] {
			t.Fatalf("%d packets, first %+v", len(got), got[0])
		}
		for i, p := range got[1:] {
			if p.SequenceNumber != got[i].SequenceNumber+1 || p.Timestamp != got[i].Timestamp+3000 {
				t.Errorf("after %d at %d comes %d at %d", got[i].SequenceNumber, got[i].Timestamp, p.SequenceNumber, p.Timestamp)
			}
		}
		r.ts += 3000
		r.send(vp8Next)
		r.one("it goes on")
		// Once it was sent, the subscriber's link decides when video fits.
		r.down.SetPaused(true)
		r.send(vp8Next)
		r.down.SetPaused(false)
		r.send(vp8Next)
		r.none("resumed at a key frame to come")
	})
}

func TestWhatWasMutedIsNotShownLater(t *testing.T) {
	withRig(t, vp8, func(t *testing.T, r *rig) {
		r.up.SetMuted(true)
		r.send(vp8Key)
		r.ts += 3000
		r.up.SetMuted(false)
		r.down.Bind(Binding{SSRC: 1000, PayloadType: 120, Writer: r.out})
		r.send(vp8Next)
		r.none("the key frame was muted")
		r.send(vp8Key)
		r.one("the next key frame")
		r.down.Unbind()

		r.up.SetMuted(true)
		r.up.SetMuted(false)
		late := New(Options{Source: r.up})
		late.Bind(Binding{SSRC: 1001, PayloadType: 120, Writer: r.out})
		r.send(vp8Next)
		r.none("the key frame was before the mute")
		late.Close()
	})
}

// The first packet of a key frame was lost and comes again behind its
// successors: the viewer gets all of them, in order, and nothing is asked for.
func TestLateStartOfAKeyframeOpensTheGate(t *testing.T) {
	withRig(t, vp8, func(t *testing.T, r *rig) {
		r.down.Bind(Binding{SSRC: 1000, PayloadType: 120, Writer: r.out})
		late := r.seq
		r.seq++
		r.send([]byte{0x80, 0xf0, 0x81, 0x00, 0x10, 0x05, 0x33})
		r.send(nil)
		r.ts += 3000
		r.send(vp8Next)
		r.none("the start is missing")
		r.ts -= 3000
		r.sendAs(late, vp8Key)
		got := r.out.take()
		if len(got) != 3 || !bytes.Equal(got[0].Payload, vp8Key) || !bytes.Equal(got[2].Payload, vp8Next) {
			t.Fatalf("sent %+v", got)
		}
		for i, p := range got {
			if p.SequenceNumber != got[0].SequenceNumber+uint16(i) {
				t.Fatalf("packet %d has number %d", i, p.SequenceNumber)
			}
		}
		r.ts += 6000
		r.send(vp8Next)
		if p := r.one("and on"); p.SequenceNumber != got[2].SequenceNumber+1 {
			t.Fatalf("number %d follows %d", p.SequenceNumber, got[2].SequenceNumber)
		}
	})
}

func TestMutedTrackShowsItselfWithOnePaddingPacket(t *testing.T) {
	withRig(t, opus, func(t *testing.T, r *rig) {
		r.up.SetMuted(true)
		b := Binding{SSRC: 1000, PayloadType: 111, Writer: r.out}
		r.down.Bind(b)
		pad := r.one("muted")
		if !pad.Padding || pad.Header.PaddingSize == 0 || len(pad.Payload) != 0 || pad.SSRC != 1000 {
			t.Fatalf("sent %+v", pad)
		}
		if _, err := pad.Marshal(); err != nil {
			t.Fatal(err)
		}
		r.down.Bind(b)
		r.none("nothing new was bound")
		if r.down.SenderReport(time.Now()) == nil {
			t.Fatal("no report after a packet")
		}
		r.pass(time.Second)
		r.up.SetMuted(false)
		r.send([]byte{1})
		if p := r.one("unmuted"); p.SequenceNumber != pad.SequenceNumber+1 || p.Timestamp != pad.Timestamp+48000 {
			t.Fatalf("%d at %d follows %d at %d", p.SequenceNumber, p.Timestamp, pad.SequenceNumber, pad.Timestamp)
		}
	})
}

func TestFailingWriterIsCountedAndNothingElse(t *testing.T) {
	withRig(t, opus, func(t *testing.T, r *rig) {
		r.down.Bind(Binding{SSRC: 1000, PayloadType: 111, Writer: r.out})
		r.out.setFail(errors.New("closed"))
		for range 10 {
			r.send([]byte{1})
		}
		if s := r.down.Stats(); s.WriteErrors != 10 || s.Packets != 0 {
			t.Fatalf("stats %+v", s)
		}
		r.out.setFail(nil)
		r.send([]byte{1})
		r.one("it works again")
	})
}
