package client

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/pion/webrtc/v4"
)

// agreed returns that of the negotiated codecs which is the track's: with the
// same parameters, as far as there is one.
func agreed(want webrtc.RTPCodecCapability, negotiated []webrtc.RTPCodecParameters) (webrtc.RTPCodecParameters, error) {
	var found *webrtc.RTPCodecParameters
	for i, c := range negotiated {
		if !strings.EqualFold(c.MimeType, want.MimeType) {
			continue
		}
		if c.SDPFmtpLine == want.SDPFmtpLine {
			return c, nil
		}
		if found == nil {
			found = &negotiated[i]
		}
	}
	if found == nil {
		return webrtc.RTPCodecParameters{}, fmt.Errorf("%s: %w", want.MimeType, webrtc.ErrUnsupportedCodec)
	}
	return *found, nil
}

// only returns those of the codecs which are the track's, each followed by its
// retransmissions.
func only(want webrtc.RTPCodecCapability, offered []webrtc.RTPCodecParameters) []webrtc.RTPCodecParameters {
	var own, rtx []webrtc.RTPCodecParameters
	for _, c := range offered {
		if strings.EqualFold(c.MimeType, want.MimeType) {
			own = append(own, c)
		}
	}
	// The track's own parameters come first: the first is what servers go by.
	slices.SortStableFunc(own, func(a, b webrtc.RTPCodecParameters) int {
		return rank(a, want) - rank(b, want)
	})
	for _, c := range own {
		for _, r := range offered {
			if strings.EqualFold(r.MimeType, webrtc.MimeTypeRTX) && r.SDPFmtpLine == fmt.Sprintf("apt=%d", c.PayloadType) {
				rtx = append(rtx, r)
			}
		}
	}
	return append(own, rtx...)
}

func rank(c webrtc.RTPCodecParameters, want webrtc.RTPCodecCapability) int {
	if c.SDPFmtpLine == want.SDPFmtpLine {
		return 0
	}
	return 1
}

// dBov is a level from 0 to 1 as RFC 6464 §3 wants it: decibels below the
// loudest, from 0 to 127.
func dBov(level float64) uint8 {
	if level <= 0 || math.IsNaN(level) {
		return 127
	}
	return uint8(max(0, min(127, math.Round(-20*math.Log10(level)))))
}
