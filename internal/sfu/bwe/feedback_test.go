package bwe

import (
	"encoding/binary"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/pion/interceptor/pkg/twcc"
	"github.com/pion/rtcp"
)

// The messages are of another implementation.
func TestFeedbackIsReadAsItWasWritten(t *testing.T) {
	for seed := range uint64(20) {
		rng := rand.New(rand.NewPCG(seed, 1))
		recorder := twcc.NewRecorder(7)
		sent := map[uint16]int64{}
		at, seq := int64(1_000_000), uint16(65000)
		for range 300 {
			at += rng.Int64N(90_000)
			seq++
			if rng.IntN(3) > 0 {
				sent[seq] = at
				recorder.Record(5, seq, at)
			}
		}
		got := map[uint16]int64{}
		for _, pkt := range recorder.BuildFeedbackPacket() {
			raw, err := pkt.Marshal()
			if err != nil {
				t.Fatal(err)
			}
			list, err := ParseFeedback(raw, nil)
			if err != nil {
				t.Fatal(err)
			}
			for _, a := range list {
				if a.Received {
					got[a.Seq] = a.At.Microseconds()
				} else if _, was := sent[a.Seq]; was {
					t.Errorf("seed %d: %d is missing", seed, a.Seq)
				}
			}
		}
		if len(got) != len(sent) {
			t.Fatalf("seed %d: %d of %d packets", seed, len(got), len(sent))
		}
		for seq, at := range sent {
			if d := got[seq] - at; d < -250 || d > 250 {
				t.Errorf("seed %d: %d arrived %d µs off", seed, seq, d)
			}
		}
	}
}

// By hand, after draft-holmer §3.1: two received in a vector of two bits, with
// a small and a large (negative) delta, and a run of three missing.
var spelledOut = []byte{
	0x8f, 205, 0, 6,
	0, 0, 0, 1, 0, 0, 0, 2,
	0xff, 0xfe, 0, 10, // from 65534, ten packets
	0xff, 0xff, 0xff, 9, // 64 ms before the zero
	0b11_01_10_00, 0b00_00_00_00, // small, large, 5 missing
	0b000_00000, 3, // run of 3 missing
	8, 0xff, 0xfc, 0, // +2 ms, -1 ms, padding
}

func TestFeedbackSpelledOut(t *testing.T) {
	list, err := ParseFeedback(spelledOut, nil)
	if err != nil {
		t.Fatal(err)
	}
	want := make([]Arrival, 10)
	for i := range want {
		want[i].Seq = uint16(65534 + i)
	}
	want[0].Received, want[0].At = true, -62*time.Millisecond
	want[1].Received, want[1].At = true, -63*time.Millisecond
	if diff := cmp.Diff(want, list); diff != "" {
		t.Fatalf("(-want +got)\n%s", diff)
	}
}

func TestFeedbackCutShortIsRefused(t *testing.T) {
	for n := range spelledOut {
		if list, err := ParseFeedback(spelledOut[:n], nil); err == nil || len(list) != 0 {
			t.Errorf("%d bytes give %d packets, %v", n, len(list), err)
		}
	}
	short := append([]byte(nil), spelledOut...)
	binary.BigEndian.PutUint16(short[2:], 5) // the header says it ends before the deltas
	if _, err := ParseFeedback(short, nil); err == nil {
		t.Error("deltas beyond the end are read")
	}
	many := append([]byte(nil), spelledOut...)
	binary.BigEndian.PutUint16(many[14:], maxStatuses+1)
	if _, err := ParseFeedback(many, nil); err == nil {
		t.Error("a message about everything is taken")
	}
}

func TestParsingAllocatesNothing(t *testing.T) {
	list := make([]Arrival, 0, 64)
	if n := testing.AllocsPerRun(100, func() { list, _ = ParseFeedback(spelledOut, list[:0]) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func FuzzFeedback(f *testing.F) {
	f.Add(spelledOut)
	f.Fuzz(func(t *testing.T, b []byte) {
		list, err := ParseFeedback(b, nil)
		if len(list) > maxStatuses || err != nil && len(list) > 0 {
			t.Fatalf("%d packets, %v", len(list), err)
		}
		h := NewHistory(start)
		for range 100 {
			h.Sent(1000, 0)
		}
		e := New(h, start)
		_ = e.Feedback(b, start.Add(time.Second))
		_ = e.Feedback(b, start.Add(2*time.Second))
		// What we read is what another implementation reads.
		var other rtcp.TransportLayerCC
		if err == nil && other.Unmarshal(b) == nil && len(list) > 0 && list[0].Seq != other.BaseSequenceNumber {
			t.Fatalf("begins at %d, not %d", list[0].Seq, other.BaseSequenceNumber)
		}
	})
}
