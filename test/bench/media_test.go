package main

import (
	"math/rand/v2"
	"testing"

	"github.com/pion/rtp/codecs"
)

func TestStreamCountsLossReorderingAndDuplicates(t *testing.T) {
	for _, tc := range []struct {
		name               string
		seqs               []uint16
		received, expected uint64
	}{
		{"nothing", nil, 0, 0},
		{"in order", []uint16{7, 8, 9}, 3, 3},
		{"across the end of the numbers", []uint16{65534, 65535, 0, 1}, 4, 4},
		{"a gap", []uint16{10, 12}, 2, 3},
		{"late", []uint16{10, 12, 11}, 3, 3},
		{"twice", []uint16{10, 11, 11, 10}, 2, 2},
		{"before the first", []uint16{10, 9, 11}, 2, 2},
		{"a gap across the end, filled late", []uint16{65534, 1, 65535, 0}, 4, 4},
		{"far too late", []uint16{10, 5000, 11}, 2, 4991},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var s stream
			for _, seq := range tc.seqs {
				s.add(seq)
			}
			if s.received != tc.received || s.expected() != tc.expected {
				t.Errorf("received %d of %d, want %d of %d", s.received, s.expected(), tc.received, tc.expected)
			}
		})
	}
}

func TestStreamCountsEveryLossOverManyCycles(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	var s stream
	const n = 300_000
	lost := uint64(0)
	for i := range n {
		if i > 0 && i < n-1 && rng.IntN(100) == 0 {
			lost++
			continue
		}
		s.add(uint16(i))
	}
	got := tally{s.received, s.expected()}
	if got.lost() != lost || got.expected != n {
		t.Errorf("lost %d of %d, want %d of %d", got.lost(), got.expected, lost, n)
	}
}

func TestOnlyRTPIsTakenAway(t *testing.T) {
	packet := func(first, second byte, n int) []byte {
		b := make([]byte, n)
		b[0], b[1] = first, second
		return b
	}
	for _, tc := range []struct {
		name string
		b    []byte
		rtp  bool
	}{
		{"RTP", packet(0x80, 96, 40), true},
		{"RTP with the marker", packet(0x90, 0x80|96, 40), true},
		{"RTCP sender report", packet(0x80, 200, 28), false},
		{"RTCP feedback", packet(0x81, 206, 12), false},
		{"STUN", packet(0x00, 0x01, 20), false},
		{"DTLS", packet(22, 254, 60), false},
		{"too short", packet(0x80, 96, 11), false},
		{"empty", nil, false},
	} {
		if got := isRTP(tc.b); got != tc.rtp {
			t.Errorf("%s: %v", tc.name, got)
		}
	}
}

func TestVideoIsWhatAVP8DepacketizerExpects(t *testing.T) {
	t.Run("even", func(t *testing.T) { testVideo(t, newVideo(false)) })
	t.Run("uneven", func(t *testing.T) { testVideo(t, newVideo(true)) })
}

func testVideo(t *testing.T, v *video) {
	sizes := make(map[int]bool) // of pictures
	var last codecs.VP8Packet
	lastSeq := v.seq - 1
	lastTS := v.ts - videoClock/30
	for frame := range 40 {
		key := frame%20 == 0
		packets := v.burst(key)
		size := 0
		for _, p := range packets {
			size += len(p.Payload)
			if most := len(packets[0].Payload); len(p.Payload) > most || len(p.Payload) < most-1 || most > videoPayload {
				t.Errorf("frame %d: a packet of %d bytes after one of %d", frame, len(p.Payload), most)
			}
		}
		sizes[size] = true
		for i, p := range packets {
			var d codecs.VP8Packet
			payload, err := d.Unmarshal(p.Payload)
			if err != nil {
				t.Fatal(err)
			}
			if p.SequenceNumber != lastSeq+1 || p.Timestamp != lastTS+videoClock/30 {
				t.Fatalf("frame %d packet %d: number %d after %d", frame, i, p.SequenceNumber, lastSeq)
			}
			lastSeq++
			if begins := d.S == 1 && d.PID == 0; begins != (i == 0) || p.Marker != (i == len(packets)-1) {
				t.Errorf("frame %d packet %d: begins %v, marker %v", frame, i, begins, p.Marker)
			}
			if d.I != 1 || d.L != 1 || d.T != 1 || d.K != 1 {
				t.Fatalf("descriptor: %+v", d)
			}
			if i == 0 && (payload[0]&1 == 0) != key {
				t.Errorf("frame %d: key frame bit %d, asked %v", frame, payload[0]&1, key)
			}
			if i == 0 && frame > 0 && (d.PictureID != (last.PictureID+1)&0x7fff || d.TL0PICIDX != last.TL0PICIDX+1) {
				t.Errorf("frame %d: picture %d after %d", frame, d.PictureID, last.PictureID)
			}
			last = d
		}
		lastTS += videoClock / 30
	}
	if v.uneven != (len(sizes) > 2) { // of key frames, and of others
		t.Errorf("pictures of %d sizes", len(sizes))
	}
}

func TestAudioIsFiftyPacketsASecondWithALevel(t *testing.T) {
	a := newAudio(3)
	first := *a.burst(false)[0]
	second := *a.burst(false)[0]
	if !first.Marker || second.Marker {
		t.Error("the marker says where speech begins, and only there")
	}
	if second.SequenceNumber != first.SequenceNumber+1 || second.Timestamp-first.Timestamp != audioClock/50 {
		t.Errorf("%v after %v", second.Header, first.Header)
	}
	if level := second.GetExtension(3); len(level) != 1 || level[0] != 0x80|audioLevel {
		t.Errorf("level %v", level)
	}
	if len(second.Payload) != audioPayload {
		t.Errorf("%d bytes", len(second.Payload))
	}
}
