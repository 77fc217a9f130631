package client

import (
	"context"
	"fmt"
	"iter"
	"strings"

	"github.com/pion/rtp"
	"github.com/pion/rtp/codecs"
	"github.com/pion/webrtc/v4"
	"github.com/pion/webrtc/v4/pkg/media/samplebuilder"
)

// lateFrames is how many packets a frame waits for a lost one of it.
const lateFrames = 256

// Frames returns the encoded frames of the track, each passed through transform if
// that is not nil, until ctx or the subscription ends. Frames of which a packet is
// lost, or that transform fails for, are left out. The error is ErrUnknownCodec
// unless the codec is Opus, G.711, VP8, VP9, H.264 or H.265; frames of the last two are
// byte streams (Annex B).
func (t *RemoteTrack) Frames(ctx context.Context, transform FrameTransform) (iter.Seq[Sample], error) {
	codec := t.Codec()
	d, err := depacketizerFor(codec.MimeType)
	if err != nil {
		return nil, err
	}
	return func(yield func(Sample) bool) {
		frames := samplebuilder.New(lateFrames, d, codec.ClockRate)
		for p := range t.Packets(ctx) {
			frames.Push(p.Clone()) // Packets uses it again
			for s := frames.Pop(); s != nil; s = frames.Pop() {
				data := s.Data
				if transform != nil {
					if data, err = transform(data); err != nil {
						continue
					}
				}
				if !yield(Sample{Data: data, Duration: s.Duration, Timestamp: s.PacketTimestamp}) {
					return
				}
			}
		}
	}, nil
}

func depacketizerFor(mime string) (rtp.Depacketizer, error) {
	whole := &codecs.OpusPacket{} // each packet is a frame
	for known, d := range map[string]rtp.Depacketizer{
		webrtc.MimeTypeOpus: whole, webrtc.MimeTypePCMU: whole, webrtc.MimeTypePCMA: whole,
		webrtc.MimeTypeVP8: &codecs.VP8Packet{}, webrtc.MimeTypeVP9: &codecs.VP9Packet{}, webrtc.MimeTypeH264: &codecs.H264Packet{},
		webrtc.MimeTypeH265: &h265{},
	} {
		if strings.EqualFold(known, mime) {
			return d, nil
		}
	}
	return nil, fmt.Errorf("%s: %w", mime, ErrUnknownCodec)
}

// h265 ends frames by the marker alone: pion's ends one with each slice that did not fit
// into a packet.
type h265 struct{ codecs.H265Depacketizer }

func (*h265) IsPartitionTail(marker bool, _ []byte) bool { return marker }
