package client

import (
	"fmt"
	"slices"
	"strings"

	"github.com/pion/webrtc/v4"
)

// known are the codecs that this client negotiates, with the payload types that it
// offers. Servers name their own where they offer.
var known = []struct {
	codec webrtc.RTPCodecCapability
	// payload and rtx, of its retransmissions, are payload types; no rtx is 0.
	payload, rtx webrtc.PayloadType
}{
	{Opus, 111, 0},
	{webrtc.RTPCodecCapability{MimeType: webrtc.MimeTypeG722, ClockRate: 8000}, 9, 0},
	{PCMU, 0, 0},
	{PCMA, 8, 0},

	{VP8, 96, 97},
	{h264(1, "42001f"), 102, 103},
	{h264(0, "42001f"), 104, 105},
	{h264(1, "42e01f"), 106, 107},
	{h264(0, "42e01f"), 108, 109},
	{h264(1, "4d001f"), 127, 125},
	{h264(0, "4d001f"), 39, 40},
	{H265, 116, 117},
	{AV1, 45, 46},
	{VP9, 98, 99},
	{webrtc.RTPCodecCapability{MimeType: webrtc.MimeTypeVP9, ClockRate: 90000, SDPFmtpLine: "profile-id=2"}, 100, 101},
	{h264(1, "64001f"), 112, 113},
}

func h264(mode int, profile string) webrtc.RTPCodecCapability {
	c := H264
	c.SDPFmtpLine = fmt.Sprintf("level-asymmetry-allowed=1;packetization-mode=%d;profile-level-id=%s", mode, profile)
	return c
}

// registerCodecs has m negotiate the codecs of which the application takes some
// form, all of them if it does not say, and redundant audio before Opus.
func registerCodecs(m *webrtc.MediaEngine, taken []webrtc.RTPCodecCapability, red bool) error {
	if red {
		p := webrtc.RTPCodecParameters{RTPCodecCapability: opusRED, PayloadType: opusREDPayload}
		if err := m.RegisterCodec(p, webrtc.RTPCodecTypeAudio); err != nil {
			return fmt.Errorf("register redundant audio: %w", err)
		}
	}
	for _, k := range known {
		if len(taken) > 0 && !slices.ContainsFunc(taken, func(t webrtc.RTPCodecCapability) bool {
			return strings.EqualFold(t.MimeType, k.codec.MimeType)
		}) {
			continue
		}
		kind := kindOf(k.codec)
		p := webrtc.RTPCodecParameters{RTPCodecCapability: k.codec, PayloadType: k.payload}
		if kind == webrtc.RTPCodecTypeVideo {
			p.RTCPFeedback = []webrtc.RTCPFeedback{{Type: "goog-remb"}, {Type: "ccm", Parameter: "fir"}, {Type: "nack"}, {Type: "nack", Parameter: "pli"}}
		}
		if err := m.RegisterCodec(p, kind); err != nil {
			return fmt.Errorf("register %s: %w", k.codec.MimeType, err)
		}
		if k.rtx == 0 {
			continue
		}
		rtx := webrtc.RTPCodecCapability{MimeType: webrtc.MimeTypeRTX, ClockRate: k.codec.ClockRate, SDPFmtpLine: fmt.Sprintf("apt=%d", k.payload)}
		if err := m.RegisterCodec(webrtc.RTPCodecParameters{RTPCodecCapability: rtx, PayloadType: k.rtx}, kind); err != nil {
			return fmt.Errorf("register retransmissions of %s: %w", k.codec.MimeType, err)
		}
	}
	return nil
}
