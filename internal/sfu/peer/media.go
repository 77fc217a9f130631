package peer

import (
	"fmt"
	"strings"

	"github.com/pion/sdp/v3"
	"github.com/pion/webrtc/v4"
)

// Header extensions by URI. Which of them are offered or accepted depends on
// the direction, see publisherExtensions and subscriberExtensions.
const (
	extMID                  = sdp.SDESMidURI
	extRID                  = sdp.SDESRTPStreamIDURI
	extRepairedRID          = sdp.SDESRepairRTPStreamIDURI
	extAudioLevel           = sdp.AudioLevelURI
	extTransportCC          = sdp.TransportCCURI
	extAbsCaptureTime       = "http://www.webrtc.org/experiments/rtp-hdrext/abs-capture-time"
	extPlayoutDelay         = "http://www.webrtc.org/experiments/rtp-hdrext/playout-delay"
	extDependencyDescriptor = "https://aomediacodec.github.io/av1-rtp-spec/#dependency-descriptor-rtp-header-extension"
)

type codecEntry struct {
	kind      webrtc.RTPCodecType
	mime      string
	pt        webrtc.PayloadType // in our offers; rtx, for video, is one more
	clockRate uint32
	channels  uint16
	fmtp      string
}

// codecTable is what we know, in the order of preference of our offers.
var codecTable = []codecEntry{
	{webrtc.RTPCodecTypeAudio, webrtc.MimeTypeOpus, 111, 48000, 2, "minptime=10;useinbandfec=1"},
	{webrtc.RTPCodecTypeAudio, mimeRED, 63, 48000, 2, "111/111"},
	{webrtc.RTPCodecTypeAudio, webrtc.MimeTypePCMU, 0, 8000, 0, ""},
	{webrtc.RTPCodecTypeAudio, webrtc.MimeTypePCMA, 8, 8000, 0, ""},
	{webrtc.RTPCodecTypeVideo, webrtc.MimeTypeVP8, 96, 90000, 0, ""},
	{webrtc.RTPCodecTypeVideo, webrtc.MimeTypeVP9, 98, 90000, 0, "profile-id=0"},
	{webrtc.RTPCodecTypeVideo, webrtc.MimeTypeVP9, 100, 90000, 0, "profile-id=1"},
	{webrtc.RTPCodecTypeVideo, webrtc.MimeTypeH264, 125, 90000, 0, h264(1, "42e01f")},
	{webrtc.RTPCodecTypeVideo, webrtc.MimeTypeH264, 108, 90000, 0, h264(0, "42e01f")},
	{webrtc.RTPCodecTypeVideo, webrtc.MimeTypeH264, 102, 90000, 0, h264(1, "42001f")},
	{webrtc.RTPCodecTypeVideo, webrtc.MimeTypeH264, 104, 90000, 0, h264(0, "42001f")},
	{webrtc.RTPCodecTypeVideo, webrtc.MimeTypeH264, 106, 90000, 0, h264(1, "4d001f")},
	{webrtc.RTPCodecTypeVideo, webrtc.MimeTypeH264, 39, 90000, 0, h264(0, "4d001f")},
	{webrtc.RTPCodecTypeVideo, webrtc.MimeTypeH264, 123, 90000, 0, h264(1, "640032")},
	{webrtc.RTPCodecTypeVideo, webrtc.MimeTypeAV1, 35, 90000, 0, ""},
	{webrtc.RTPCodecTypeVideo, webrtc.MimeTypeH265, 116, 90000, 0, "level-id=180;profile-id=1;tier-flag=0;tx-mode=SRST"},
}

// mimeRED is redundant audio, RFC 2198. What is inside it is Opus.
const mimeRED = "audio/red"

func h264(packetization int, profile string) string {
	return fmt.Sprintf("level-asymmetry-allowed=1;packetization-mode=%d;profile-level-id=%s", packetization, profile)
}

type extension struct {
	kind webrtc.RTPCodecType
	uri  string
}

var publisherExtensions = []extension{
	{webrtc.RTPCodecTypeAudio, extMID},
	{webrtc.RTPCodecTypeAudio, extRID},
	{webrtc.RTPCodecTypeAudio, extAudioLevel},
	{webrtc.RTPCodecTypeAudio, extAbsCaptureTime},
	{webrtc.RTPCodecTypeVideo, extMID},
	{webrtc.RTPCodecTypeVideo, extRID},
	{webrtc.RTPCodecTypeVideo, extRepairedRID},
	{webrtc.RTPCodecTypeVideo, extTransportCC},
	{webrtc.RTPCodecTypeVideo, extDependencyDescriptor},
	{webrtc.RTPCodecTypeVideo, extAbsCaptureTime},
}

var subscriberExtensions = []extension{
	{webrtc.RTPCodecTypeAudio, extAbsCaptureTime},
	{webrtc.RTPCodecTypeVideo, extTransportCC},
	{webrtc.RTPCodecTypeVideo, extAbsCaptureTime},
	{webrtc.RTPCodecTypeVideo, extDependencyDescriptor},
	playoutDelay,
}

// playoutDelay tells receivers of video how long to wait. It is for rooms and tracks
// that say so; the first such track may come to a connection at any time.
var playoutDelay = extension{webrtc.RTPCodecTypeVideo, extPlayoutDelay}

// forwardedExtension says whether what a publisher writes there is of use to
// the clients that its packets are sent to.
func forwardedExtension(uri string) bool {
	return uri == extAbsCaptureTime || uri == extDependencyDescriptor
}

// newMediaEngine registers the codecs named by enabled, all if it is empty.
// Clients without transport-wide feedback tell their own estimate if remb is set.
func newMediaEngine(enabled []string, remb bool, exts []extension) (*webrtc.MediaEngine, error) {
	m := &webrtc.MediaEngine{}
	audio := []webrtc.RTCPFeedback{{Type: "nack"}}
	video := []webrtc.RTCPFeedback{{Type: "ccm", Parameter: "fir"}, {Type: "nack"}, {Type: "nack", Parameter: "pli"}, {Type: "transport-cc"}}
	if remb {
		video = append(video, webrtc.RTCPFeedback{Type: "goog-remb"})
	}
	for _, c := range codecTable {
		if !codecEnabled(enabled, c.mime) {
			continue
		}
		feedback := audio
		if c.mime == mimeRED {
			feedback = nil // it makes up for losses by itself
		}
		if c.kind == webrtc.RTPCodecTypeVideo {
			feedback = video
		}
		err := m.RegisterCodec(webrtc.RTPCodecParameters{
			PayloadType: c.pt,
			RTPCodecCapability: webrtc.RTPCodecCapability{
				MimeType: c.mime, ClockRate: c.clockRate, Channels: c.channels,
				SDPFmtpLine: c.fmtp, RTCPFeedback: feedback,
			},
		}, c.kind)
		if err != nil {
			return nil, fmt.Errorf("register %s: %w", c.mime, err)
		}
		if c.kind != webrtc.RTPCodecTypeVideo {
			continue
		}
		err = m.RegisterCodec(webrtc.RTPCodecParameters{
			PayloadType: c.pt + 1,
			RTPCodecCapability: webrtc.RTPCodecCapability{
				MimeType: webrtc.MimeTypeRTX, ClockRate: c.clockRate,
				SDPFmtpLine: fmt.Sprintf("apt=%d", c.pt),
			},
		}, c.kind)
		if err != nil {
			return nil, fmt.Errorf("register rtx of %s: %w", c.mime, err)
		}
	}
	for _, e := range exts {
		if err := m.RegisterHeaderExtension(webrtc.RTPHeaderExtensionCapability{URI: e.uri}, e.kind); err != nil {
			return nil, fmt.Errorf("register %s: %w", e.uri, err)
		}
	}
	return m, nil
}

func codecEnabled(enabled []string, mime string) bool {
	if len(enabled) == 0 {
		return true
	}
	for _, e := range enabled {
		if strings.EqualFold(e, mime) {
			return true
		}
	}
	return false
}

// canonicalMime spells a mime type as we do, whatever the client wrote.
func canonicalMime(mime string) string {
	for _, c := range codecTable {
		if strings.EqualFold(c.mime, mime) {
			return c.mime
		}
	}
	return mime
}
