package eventlog

import (
	"encoding/binary"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-rtc/rollcall/event"
)

// storedRecords are records that differ in what they hold.
func storedRecords() []event.Record {
	return []event.Record{
		{Seq: 1, ID: "018bcfe5-6800-7000-8000-000000000001", Time: time.UnixMicro(0).UTC()},
		{
			Seq: 1<<63 + 5, RoomSeq: 300, ID: "018bcfe5-6800-7abc-bfff-ffffffffffff", Name: event.TrackPublished,
			Room: "a room\x00 \u00e4", RoomSID: "RM_1", ParticipantSID: "PA_1", Identity: "anna", TrackSID: "TR_1",
			Actor: event.ActorAPI, Reason: "room_deleted", Tags: map[string]string{"tenant": "acme", "": "x", "floor": ""},
			Time: time.UnixMicro(1_700_000_000_123_456).UTC(), Committed: time.UnixMicro(1_700_000_000_123_999).UTC(), Synthesized: true,
			Body:     []byte(`{"event":"track_published","id":"018bcfe5-6800-7abc-bfff-ffffffffffff"}`),
			FullBody: []byte(`{"event":"track_published","room":{"sid":"RM_1"}}`),
		},
		{Seq: 2, ID: "018bcfe5-6800-7000-8000-000000000002", Time: time.UnixMicro(-1).UTC(), Body: make([]byte, 100_000)},
	}
}

func encode(t testing.TB, r *event.Record) []byte {
	t.Helper()
	b, err := AppendRecord(nil, r)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestRecordRoundTrip(t *testing.T) {
	for _, want := range storedRecords() {
		b := encode(t, &want)
		got, err := DecodeRecord(b, want.Seq)
		if err != nil {
			t.Fatal(err)
		}
		clear(b) // the record keeps nothing of its stored form
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("record %d (-want +got):\n%s", want.Seq, d)
		}
	}
}

func TestRecordWithAnIDThatIsNoUUIDIsRefused(t *testing.T) {
	if _, err := AppendRecord(nil, &event.Record{Seq: 1, ID: "EV_123"}); err == nil {
		t.Fatal("encoded")
	}
}

func wantCorrupt(t *testing.T, b []byte, seq uint64, what string) {
	t.Helper()
	_, err := DecodeRecord(b, seq)
	corrupt, ok := errors.AsType[*CorruptError](err)
	if !ok || corrupt.Seq != seq || !errors.Is(err, ErrCorrupt) {
		t.Fatalf("%s: %v, want a CorruptError of %d", what, err, seq)
	}
}

func TestDamagedRecordIsACorruptError(t *testing.T) {
	r := storedRecords()[1]
	b := encode(t, &r)
	for n := range b {
		wantCorrupt(t, b[:n], r.Seq, "truncated")
	}
	for i := range b {
		for bit := range 8 {
			b[i] ^= 1 << bit
			wantCorrupt(t, b, r.Seq, "bit flipped")
			b[i] ^= 1 << bit
		}
	}
	wantCorrupt(t, append(b, 0), r.Seq, "extended")
	wantCorrupt(t, b, r.Seq+1, "at another's place")
}

func FuzzDecodeRecord(f *testing.F) {
	for _, r := range storedRecords() {
		b := encode(f, &r)
		f.Add(b[2:min(len(b)-checksumSize, 200)])
	}
	f.Fuzz(func(t *testing.T, fields []byte) {
		// A good checksum brings the fuzzer to the fields behind it.
		b := append([]byte{recordV1, 0}, fields...)
		b = appendChecksum(b, 0)
		seq, _ := binary.Uvarint(fields)
		r, err := decodeRecord(b, seq)
		if err != nil {
			return
		}
		again, err := DecodeRecord(encode(t, &r), r.Seq)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(r, again); d != "" {
			t.Fatalf("(-decoded +again):\n%s", d)
		}
	})
}
