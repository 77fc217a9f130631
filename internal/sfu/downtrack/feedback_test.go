package downtrack

import (
	"bytes"
	"encoding/binary"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/pion/rtcp"
	"github.com/pion/rtp"

	"github.com/rollcall-rtc/rollcall/internal/sfu/seqmap"
	"github.com/rollcall-rtc/rollcall/internal/sfu/uptrack"
)

func TestNACKIsAnsweredAsNegotiated(t *testing.T) {
	withRig(t, vp8, func(t *testing.T, r *rig) {
		r.down.Bind(Binding{SSRC: 1000, PayloadType: 120, Writer: r.out})
		r.send(vp8Key)
		r.send(nil)
		r.ts += 3000
		r.send(vp8Next)
		sent := r.out.take()
		if len(sent) != 2 || sent[1].SequenceNumber != sent[0].SequenceNumber+1 {
			t.Fatalf("sent %+v", sent)
		}
		r.nack(1000, sent[1].SequenceNumber)
		if diff := cmp.Diff(sent[1].Payload, r.one("plain repeat").Payload); diff != "" {
			t.Fatalf("(-want +got)\n%s", diff)
		}
		r.nack(1000, sent[1].SequenceNumber)
		r.none("too soon for another")
		r.pass(50 * time.Millisecond)
		r.nack(1000, sent[1].SequenceNumber+1, sent[0].SequenceNumber-1)
		r.none("never sent")
		r.nack(77, sent[1].SequenceNumber)
		r.none("not about us")

		rtx := new(tape)
		r.down.Bind(Binding{SSRC: 1000, PayloadType: 120, RTXSSRC: 1001, RTXPayloadType: 121, Writer: r.out, RTX: rtx})
		r.nack(1000, sent[0].SequenceNumber, sent[1].SequenceNumber)
		r.none("on the RTX writer only")
		got := rtx.take()
		if len(got) != 2 || got[1].SequenceNumber != got[0].SequenceNumber+1 {
			t.Fatalf("repeated %+v", got)
		}
		for i, p := range got {
			if p.SSRC != 1001 || p.PayloadType != 121 || p.Timestamp != sent[i].Timestamp || p.Marker != sent[i].Marker {
				t.Fatalf("repeated %+v of %+v", p, sent[i])
			}
			want := append(binary.BigEndian.AppendUint16(nil, sent[i].SequenceNumber), sent[i].Payload...)
			if !bytes.Equal(p.Payload, want) {
				t.Fatalf("payload %x, want %x", p.Payload, want)
			}
		}
		if s := r.down.Stats(); s.NACKs != 6 || s.NACKMisses != 2 || s.Retransmitted != 3 {
			t.Fatalf("stats %+v", s)
		}
	})
}

func TestWhoAsksForEverIsAnsweredAFewTimes(t *testing.T) {
	withRig(t, vp8, func(t *testing.T, r *rig) {
		r.down.Bind(Binding{SSRC: 1000, PayloadType: 120, Writer: r.out})
		r.send(vp8Key)
		sent := r.one("sent")
		for range 50 {
			r.pass(unknownRTT)
			r.nack(1000, sent.SequenceNumber)
		}
		if n := len(r.out.take()); n != seqmap.MaxResends {
			t.Errorf("answered %d times, want %d", n, seqmap.MaxResends)
		}
	})
}

// A repeat must look like the original also if the counters were rewritten
// and the track has moved on since.
func TestRepeatsAreRewrittenAsTheOriginals(t *testing.T) {
	withRig(t, vp8, func(t *testing.T, r *rig) {
		r.down.Bind(Binding{SSRC: 1000, PayloadType: 120, Writer: r.out})
		var sent []rtp.Packet
		for i := range 5 {
			b := bytes.Clone(vp8Key)
			b[3], b[4], b[5] = byte(40*i), byte(200*i), byte(7*i)
			r.send(b)
			r.ts += 3000
			r.pass(33 * time.Millisecond)
			r.up.SetMuted(true)
			r.up.SetMuted(false)
		}
		sent = r.out.take()
		for i := 1; i < len(sent); i++ {
			a, b := sent[i-1].Payload, sent[i].Payload
			if b[3] != a[3]+1 || b[4] != a[4]+1 || b[5]&0x1f != (a[5]+1)&0x1f {
				t.Fatalf("counters %x after %x", b[:6], a[:6])
			}
		}
		for _, want := range sent {
			r.nack(1000, want.SequenceNumber)
			got := r.one("repeat")
			if diff := cmp.Diff(want.Payload, got.Payload); diff != "" || got.Timestamp != want.Timestamp {
				t.Fatalf("(-want +got)\n%s", diff)
			}
		}
	})
}

func TestReceptionReportsTellTheRoundTrip(t *testing.T) {
	withRig(t, opus, func(t *testing.T, r *rig) {
		r.down.Bind(Binding{SSRC: 1000, PayloadType: 111, Writer: r.out})
		r.send([]byte{1})
		sr := r.down.SenderReport(time.Now())
		if sr == nil || sr.SSRC != 1000 || sr.PacketCount != 1 || sr.OctetCount != 1 {
			t.Fatalf("report %+v", sr)
		}
		r.pass(1080 * time.Millisecond)
		block := rtcp.ReceptionReport{SSRC: 1000, FractionLost: 64, TotalLost: 0xfffffe, Jitter: 480,
			LastSenderReport: uint32(sr.NTPTime >> 16), Delay: 65536}
		other := block
		other.SSRC, other.FractionLost = 1, 255
		r.down.HandleRTCP([]rtcp.Packet{&rtcp.ReceiverReport{Reports: []rtcp.ReceptionReport{block, other}}})
		s := r.down.Stats()
		if (s.RTT-80*time.Millisecond).Abs() > time.Millisecond || s.FractionLost != 0.25 || s.Lost != -2 || s.Jitter != 10*time.Millisecond {
			t.Fatalf("stats %+v", s)
		}
	})
}

// Audio and video of one publisher are captured by one clock; after both have
// been rewritten their sender reports still agree on what is simultaneous.
func TestSenderReportsKeepTracksOfOnePublisherInStep(t *testing.T) {
	clock := new(uptrack.Clock)
	// age tells how old the newest packet is at the time of the report, as a
	// receiver works it out, if it took delay from its capture to here.
	age := func(opts uptrack.Options, delay time.Duration, mute bool) (age time.Duration) {
		opts.Clock = clock
		rate := time.Duration(opts.Codec.ClockRate)
		withRig(t, opts, func(t *testing.T, r *rig) {
			r.down.Bind(Binding{SSRC: 1, PayloadType: 120, Writer: r.out})
			r.send(vp8Key)
			theirs := time.Now().Add(-42 * time.Minute)
			base := r.ts
			r.pass(delay)
			r.up.HandleRTCP(5, []rtcp.Packet{&rtcp.SenderReport{SSRC: 5, NTPTime: ntp(theirs), RTPTime: base}})
			if mute { // the mapping changes
				r.up.SetMuted(true)
				r.up.SetMuted(false)
			}
			r.pass(time.Second - delay)
			r.ts = base + uint32((time.Second-delay)*rate/time.Second)
			r.send(vp8Key)
			got := r.out.take()
			r.pass(300 * time.Millisecond)
			sr := r.down.SenderReport(time.Now())
			age = time.Duration(int32(sr.RTPTime-got[len(got)-1].Timestamp)) * time.Second / rate
		})
		return age
	}
	audio := age(opus, 20*time.Millisecond, false)
	video := age(vp8, 90*time.Millisecond, true)
	if (video - audio - 70*time.Millisecond).Abs() > time.Millisecond {
		t.Fatalf("audio is %v old, video %v", audio, video)
	}
}

func TestHostileRTCPIsHarmless(t *testing.T) {
	withRig(t, vp8, func(t *testing.T, r *rig) {
		pkts := []rtcp.Packet{
			&rtcp.TransportLayerNack{MediaSSRC: 1000, Nacks: []rtcp.NackPair{{PacketID: 65535, LostPackets: 0xffff}, {PacketID: 0, LostPackets: 0xffff}}},
			&rtcp.FullIntraRequest{}, &rtcp.ReceiverReport{Reports: []rtcp.ReceptionReport{{SSRC: 1000, LastSenderReport: 1, Delay: 0xffffffff, TotalLost: 0xffffffff}}},
			&rtcp.Goodbye{}, &rtcp.RawPacket{}, nil,
		}
		r.down.HandleRTCP(pkts) // unbound
		r.down.Bind(Binding{SSRC: 1000, PayloadType: 120, Writer: r.out})
		r.down.HandleRTCP(pkts)
		r.send(vp8Key)
		r.down.HandleRTCP(pkts)
		r.up.HandleRTCP(5, append(pkts, &rtcp.SenderReport{}, &rtcp.SenderReport{SSRC: 5, NTPTime: 1}))
		r.send(vp8Next)
		if s := r.down.SenderReport(time.Now()); s == nil {
			t.Fatal("no report")
		}
	})
}
