package client

import (
	"bytes"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/pion/rtp"
	"github.com/pion/rtp/codecs"
	"github.com/pion/webrtc/v4"
	"github.com/pion/webrtc/v4/pkg/media/samplebuilder"
)

// unit is a NAL unit of H.265 with so many bytes.
func unit(kind byte, size int) []byte {
	return append([]byte{kind << 1, 1}, bytes.Repeat([]byte{kind}, size)...)
}

func annexB(units ...[]byte) []byte {
	var b []byte
	for _, u := range units {
		b = append(append(b, 0, 0, 0, 1), u...)
	}
	return b
}

// A frame of several slices, of which each is longer than a packet, is one frame.
func TestFramesOfH265AreWholeAccessUnits(t *testing.T) {
	const vps, sps, pps, idr, trail = 32, 33, 34, 19, 1
	key := annexB(unit(vps, 20), unit(sps, 30), unit(pps, 7), unit(idr, 3000), unit(idr, 2500))
	frames := [][]byte{key, annexB(unit(trail, 40)), annexB(unit(trail, 1500), unit(trail, 1600)), key, annexB(unit(trail, 9))}

	d, err := depacketizerFor(webrtc.MimeTypeH265)
	if err != nil {
		t.Fatal(err)
	}
	packets := rtp.NewPacketizer(1200, 116, 1, &codecs.H265Payloader{}, rtp.NewFixedSequencer(65530), 90000)
	var got [][]byte
	builder := samplebuilder.New(lateFrames, d, 90000)
	for i, frame := range append(frames, key) { // the builder gives a frame when the next begins
		all := packets.Packetize(frame, 3000)
		if i == 2 {
			all = append(all[1:], all[0]) // out of order
		}
		for _, p := range all {
			builder.Push(p)
		}
		for s := builder.Pop(); s != nil; s = builder.Pop() {
			got = append(got, s.Data)
		}
	}
	if diff := cmp.Diff(frames, got); diff != "" {
		t.Errorf("frames (-sent +got):\n%s", diff)
	}
}
