package downtrack

import (
	"encoding/binary"
	"testing"
	"time"

	"github.com/pion/rtp"

	"github.com/rollcall-rtc/rollcall/internal/sfu/uptrack"
)

var redundant = uptrack.Options{
	Codec: uptrack.Codec{MimeType: "audio/red", ClockRate: 48000, Channels: 2}, PrimaryPayloadType: 111,
}

// red is a payload with the blocks before it as redundancy, the last 20 ms
// before, and so on.
func red(primary byte, before ...byte) []byte {
	var b []byte
	for i := range before {
		ticks := uint32(len(before)-i) * 960
		b = binary.BigEndian.AppendUint32(b, 1<<31|111<<24|ticks<<10|1)
	}
	return append(append(append(b, 111), before...), primary)
}

// listener is a subscriber that does not know redundant audio.
func (r *rig) listener() {
	r.down.Bind(Binding{SSRC: 1000, PrimaryPayloadType: 109, Unwrap: true, Writer: r.out})
}

// talk sends packet n of a publisher that repeats the two before it.
func (r *rig) talk(n byte) {
	r.t.Helper()
	r.seq, r.ts = 65530+uint16(n), 960*uint32(n)
	r.send(red(n, n-2, n-1))
}

// heard checks that what was written plays these, each 20 ms after the other,
// numbered without holes from the packet before them.
func (r *rig) heard(last *rtp.Packet, want ...byte) {
	r.t.Helper()
	got := r.out.take()
	if len(got) != len(want) {
		r.t.Fatalf("%d packets written, want %v", len(got), want)
	}
	for i, p := range got {
		if p.PayloadType != 109 || len(p.Payload) != 1 || p.Payload[0] != want[i] {
			r.t.Fatalf("sent %v, want the bare %d", &p, want[i])
		}
		if before := last; before.SSRC != 0 {
			n := uint16(p.Payload[0] - before.Payload[0])
			if p.SequenceNumber != before.SequenceNumber+n || p.Timestamp != before.Timestamp+960*uint32(n) {
				r.t.Fatalf("%d is %d at %d after %d at %d", p.Payload[0], p.SequenceNumber, p.Timestamp, before.SequenceNumber, before.Timestamp)
			}
		}
		*last = p
	}
}

func TestRedundancyIsForwardedToThoseWhoKnowIt(t *testing.T) {
	withRig(t, redundant, func(t *testing.T, r *rig) {
		r.down.Bind(Binding{SSRC: 1000, PayloadType: 63, PrimaryPayloadType: 109, Writer: r.out})
		r.talk(3)
		if p := r.one("redundant packet"); p.PayloadType != 63 || string(p.Payload) != string(red(3, 1, 2)) {
			t.Errorf("sent %v", &p)
		}
		plain := rtp.Packet{Header: rtp.Header{Version: 2, SSRC: 5, PayloadType: 111, SequenceNumber: 65534, Timestamp: 960 * 4}, Payload: []byte{4}}
		raw, err := plain.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		r.packets <- raw
		r.pass(0)
		if p := r.one("plain packet"); p.PayloadType != 109 || string(p.Payload) != "\x04" {
			t.Errorf("what came without redundancy was sent as %v", &p)
		}
	})
}

func TestRedundancyMakesUpForLostPackets(t *testing.T) {
	withRig(t, redundant, func(t *testing.T, r *rig) {
		r.listener()
		var last rtp.Packet
		r.talk(3)
		r.heard(&last, 3)
		r.talk(4)
		r.heard(&last, 4)
		r.talk(6) // 5 is lost, across the rollover
		r.heard(&last, 5, 6)
		r.talk(5) // and was only late
		r.heard(&last)
		r.talk(9)
		r.heard(&last, 7, 8, 9)
		r.talk(14) // more than what is repeated
		r.heard(&last, 12, 13, 14)
		r.talk(11) // late, and not made up for
		got := r.out.take()
		if len(got) != 1 || got[0].SequenceNumber != last.SequenceNumber-3 || got[0].Payload[0] != 11 {
			t.Errorf("late packet sent as %v", got)
		}
		if s := r.down.Stats(); s.Recovered != 5 {
			t.Errorf("%d packets recovered", s.Recovered)
		}
		r.nack(1000, got[0].SequenceNumber)
		if p := r.one("asked for again"); p.PayloadType != 109 || len(p.Payload) != 1 || p.Payload[0] != 11 {
			t.Errorf("repeated %v", &p)
		}
	})
}

func TestRedundancyFromBeforeAPauseIsNotPlayedTwice(t *testing.T) {
	withRig(t, redundant, func(t *testing.T, r *rig) {
		r.listener()
		r.talk(3)
		r.one("first")
		// A packet is lost after silence; its successor repeats none but itself
		// and one that was sent before the silence.
		r.seq, r.ts = 65530+5, 960*4
		r.send(red(9, 2, 3)) // 3 again, for the number of 4
		if p := r.one("only what is new"); p.Payload[0] != 9 {
			t.Errorf("sent %v", &p)
		}
		// Malformed redundancy takes no number.
		last := r.down.Stats().Packets
		r.seq, r.ts = 0, 960*5
		r.send([]byte{0xff})
		r.none("malformed")
		r.send(red(10))
		if p := r.one("next"); p.SequenceNumber == 0 || r.down.Stats().Packets != last+1 || r.down.Stats().Malformed != 1 {
			t.Errorf("sent %v, %+v", &p, r.down.Stats())
		}
	})
}

func TestRedundancyIsPausedAndMutedAsAudioIs(t *testing.T) {
	withRig(t, redundant, func(t *testing.T, r *rig) {
		r.listener()
		var last rtp.Packet
		r.talk(3)
		r.heard(&last, 3)
		r.down.SetPaused(true)
		r.talk(4)
		r.talk(5)
		r.none("paused")
		r.down.SetPaused(false)
		r.pass(60 * time.Millisecond)
		r.talk(6) // begins anew: what was paused is not made up for
		if p := r.one("resumed"); p.SequenceNumber != last.SequenceNumber+1 || p.Payload[0] != 6 {
			t.Errorf("sent %v after %v", &p, &last)
		}
	})
}
