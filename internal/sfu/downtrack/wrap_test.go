package downtrack

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/pion/rtp"

	"github.com/rollcall-rtc/rollcall/internal/sfu/codec"
	"github.com/rollcall-rtc/rollcall/internal/sfu/uptrack"
)

// knowing is a subscriber that takes redundant audio of a publisher that sends none.
func (r *rig) knowing() {
	r.up.SetRedundancy(true)
	r.down.Bind(Binding{SSRC: 1000, PayloadType: 63, PrimaryPayloadType: 109, Wrap: true, Writer: r.out})
}

// speak sends packet n, 20 ms after the one before.
func (r *rig) speak(n byte) {
	r.t.Helper()
	r.seq, r.ts = 65530+uint16(n), 960*uint32(n)
	r.send([]byte{n})
}

// blocks is what a packet carries, "2<3" if 3 with 2 in front, 20 ms before.
func blocks(t testing.TB, p rtp.Packet) string {
	t.Helper()
	if p.PayloadType == 109 {
		return fmt.Sprint(p.Payload[0])
	}
	var r codec.RED
	if p.PayloadType != 63 || !r.Parse(p.Payload) || len(r.Redundant()) != 1 || p.Payload[0] != 0x80|109 || p.Payload[4] != 109 {
		t.Fatalf("sent %v", &p)
	}
	if before := r.Redundant()[0].Before; before != 960 {
		return fmt.Sprintf("%d<(%d)%d", r.Redundant()[0].Payload[0], before, r.Primary[0])
	}
	return fmt.Sprintf("%d<%d", r.Redundant()[0].Payload[0], r.Primary[0])
}

// carried checks what was written since, and that its numbers are those of the
// publisher's packets from first on.
func (r *rig) carried(first *rtp.Packet, want ...string) {
	r.t.Helper()
	var got []string
	for _, p := range r.out.take() {
		got = append(got, blocks(r.t, p))
		primary := p.Payload[len(p.Payload)-1]
		if first.SSRC == 0 {
			*first = p
		}
		if n := uint16(primary - first.Payload[len(first.Payload)-1]); p.SequenceNumber != first.SequenceNumber+n || p.Timestamp != first.Timestamp+960*uint32(n) {
			r.t.Errorf("%d is %d at %d; the first was %d at %d", primary, p.SequenceNumber, p.Timestamp, first.SequenceNumber, first.Timestamp)
		}
	}
	if !slices.Equal(got, want) {
		r.t.Fatalf("sent %q, want %q", got, want)
	}
}

func TestOpusGoesWithThePacketBefore(t *testing.T) {
	withRig(t, opus, func(t *testing.T, r *rig) {
		r.knowing()
		var first rtp.Packet
		r.speak(1)
		r.carried(&first, "1")
		for n := byte(2); n < 9; n++ { // across the rollover
			r.speak(n)
		}
		r.carried(&first, "1<2", "2<3", "3<4", "4<5", "5<6", "6<7", "7<8")
		r.speak(10) // 9 is lost on its way to us
		r.speak(11)
		r.carried(&first, "10", "10<11")
		r.speak(9) // or late: others have gone ahead
		r.speak(12)
		r.carried(&first, "9", "11<12")
	})
}

func TestOnlyThePacketRightBeforeIsRedundant(t *testing.T) {
	nothing := func(*rig) {}
	for _, tt := range []struct {
		name  string
		mime  string
		sizes [2]int       // of the second packet, and the third
		do    func(r *rig) // between the two
		want  string
	}{
		{"as it comes", "audio/opus", [2]int{1, 1}, nothing, "2<3"},
		{"120 ms", "audio/opus", [2]int{1, 1}, func(r *rig) { r.ts += 5760 - 960 }, "2<(5760)3"},
		{"after silence", "audio/opus", [2]int{1, 1}, func(r *rig) { r.ts += 5761 - 960 }, "3"},
		{"time stands", "audio/opus", [2]int{1, 1}, func(r *rig) { r.ts -= 960 }, "3"},
		{"time goes back", "audio/opus", [2]int{1, 1}, func(r *rig) { r.ts -= 2 * 960 }, "3"},
		{"after a mute", "audio/opus", [2]int{1, 1}, func(r *rig) { r.up.SetMuted(true); r.up.SetMuted(false) }, "3"},
		{"after a pause", "audio/opus", [2]int{1, 1}, func(r *rig) { r.down.SetPaused(true); r.down.SetPaused(false) }, "3"},
		{"after padding", "audio/opus", [2]int{1, 1}, func(r *rig) { r.send(nil) }, "3"},
		{"after a loss", "audio/opus", [2]int{1, 1}, func(r *rig) { r.seq++ }, "3"},
		{"encrypted end to end", "audio/opus", [2]int{1, 1}, func(r *rig) { r.up.SetOpaque(true) }, "3"},
		{"none is wanted", "audio/opus", [2]int{1, 1}, func(r *rig) { r.up.SetRedundancy(false) }, "3"},
		{"as much as fits", "audio/opus", [2]int{1000, 1140 - 1000 - 5}, nothing, "2<3"},
		{"too much for a packet", "audio/opus", [2]int{1000, 1140 - 1000 - 5 + 1}, nothing, "3"},
		{"the longest block", "audio/opus", [2]int{1023, 1}, nothing, "2<3"},
		{"too long a block", "audio/opus", [2]int{1024, 1}, nothing, "3"},
		{"no Opus", "audio/PCMU", [2]int{1, 1}, nothing, "3"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			opts := opus
			opts.Codec.MimeType = tt.mime
			withRig(t, opts, func(t *testing.T, r *rig) {
				r.knowing()
				r.seq, r.ts = 100, 960
				r.send([]byte{1})
				r.ts += 960
				r.send(bytes.Repeat([]byte{2}, tt.sizes[0]))
				tt.do(r)
				r.out.take()
				r.ts += 960
				r.send(bytes.Repeat([]byte{3}, tt.sizes[1]))
				if p := r.one("third packet"); blocks(t, p) != tt.want {
					t.Errorf("sent %v, want %s", &p, tt.want)
				}
			})
		})
	}
}

// What was muted is not in what comes after, also if packets came meanwhile.
func TestWhatWasMutedIsNotRepeated(t *testing.T) {
	withRig(t, opus, func(t *testing.T, r *rig) {
		r.knowing()
		r.speak(1)
		r.up.SetMuted(true)
		r.speak(2)
		r.out.take()
		r.up.SetMuted(false)
		r.speak(3)
		r.speak(4)
		if got := r.out.take(); len(got) != 2 || blocks(t, got[0]) != "3" || blocks(t, got[1]) != "3<4" {
			t.Errorf("sent %v", got)
		}
	})
}

func TestRepetitionIsWhatWasSent(t *testing.T) {
	withRig(t, opus, func(t *testing.T, r *rig) {
		r.knowing()
		for n := byte(1); n < 6; n++ {
			r.speak(n)
		}
		r.speak(7)
		r.speak(6) // late, so that it went bare, though there is one before it
		r.speak(8)
		sent := r.out.take()
		if len(sent) != 8 {
			t.Fatalf("%d sent", len(sent))
		}
		for _, p := range sent {
			r.nack(1000, p.SequenceNumber)
			if again := r.one("asked for again"); again.PayloadType != p.PayloadType || again.Timestamp != p.Timestamp ||
				again.SequenceNumber != p.SequenceNumber || !bytes.Equal(again.Payload, p.Payload) {
				t.Errorf("sent %v, and again as %v", &p, &again)
			}
		}
		// One is asked for when that before it is held no more.
		misses := r.down.Stats().NACKMisses
		for range 2000 {
			r.ts += 960
			r.send([]byte{9})
		}
		r.out.take()
		r.nack(1000, sent[3].SequenceNumber)
		r.none("gone")
		if got := r.down.Stats().NACKMisses - misses; got != 1 {
			t.Errorf("%d misses", got)
		}
	})
}

func TestSilenceOfAMuteGoesBare(t *testing.T) {
	withRig(t, opus, func(t *testing.T, r *rig) {
		r.knowing()
		r.speak(1)
		r.speak(2)
		r.out.take()
		r.up.SetMuted(true)
		r.pass(time.Second)
		got := r.out.take()
		if len(got) == 0 {
			t.Fatal("no silence")
		}
		for _, p := range got {
			if p.PayloadType != 109 {
				t.Errorf("sent %v", &p)
			}
		}
	})
}

// All takers share what is made, each with numbers of its own for what is in it.
func TestEachSubscriberHasItsOwnPayloadTypes(t *testing.T) {
	up := uptrack.New(opus)
	defer end(up)
	up.SetRedundancy(true)
	in := up.AddStream(uptrack.StreamInfo{SSRC: 5})
	var outs []*tape
	for i := range uint8(3) {
		out, d := new(tape), New(Options{Source: up})
		outs = append(outs, out)
		d.Bind(Binding{SSRC: uint32(i), PayloadType: 60 + i, PrimaryPayloadType: 100 + i, Wrap: i != 1, Writer: out})
	}
	for n := range byte(3) {
		raw, err := (&rtp.Packet{Header: rtp.Header{Version: 2, SSRC: 5, SequenceNumber: uint16(n), Timestamp: 960 * uint32(n)}, Payload: []byte{n}}).Marshal()
		if err != nil {
			t.Fatal(err)
		}
		in.Receive(raw, nil)
	}
	for i, out := range outs {
		got := out.take()
		want := []byte{0x80 | 100 + byte(i), 960 >> 6, 960 << 2 & 0xff, 1, 100 + byte(i), 1, 2}
		if i == 1 {
			want = []byte{2}
		}
		if p := got[len(got)-1]; p.PayloadType != 60+uint8(i) || !bytes.Equal(p.Payload, want) {
			t.Errorf("subscriber %d got %v", i, &p)
		}
	}
}

// A subscriber to whom packets are lost hears all of them, but for two in a row.
func TestRedundancyOfOursMakesUpForLoss(t *testing.T) {
	withRig(t, opus, func(t *testing.T, r *rig) {
		r.knowing()
		rng := rand.New(rand.NewPCG(1, 2))
		const sent = 2000
		heard, arrived, missing := make([]bool, sent), make([]bool, sent), 0
		for n := range sent {
			r.seq, r.ts = uint16(n), 960*uint32(n)
			r.send([]byte{byte(n >> 8), byte(n)})
			p := r.one("packet")
			if arrived[n] = rng.Float64() >= 0.1; !arrived[n] {
				continue
			}
			parts := [][]byte{p.Payload}
			if p.PayloadType == 63 {
				var red codec.RED
				if !red.Parse(p.Payload) {
					t.Fatalf("sent %v", &p)
				}
				parts = [][]byte{red.Primary, red.Redundant()[0].Payload}
			}
			for i, part := range parts {
				number := int(part[0])<<8 | int(part[1])
				if number != n-i {
					t.Fatalf("packet %d carries %d", n, number)
				}
				heard[number] = true
			}
		}
		lost := 0
		for n := range sent - 1 {
			if !arrived[n] {
				lost++
			}
			if !heard[n] {
				missing++
				if arrived[n] || arrived[n+1] {
					t.Errorf("%d is missing", n)
				}
			}
		}
		if lost < sent/20 || missing == 0 || missing > lost/5 {
			t.Errorf("%d lost, %d missing", lost, missing)
		}
	})
}
