package peer

import (
	"fmt"
	"slices"
	"strings"

	"github.com/pion/sdp/v3"
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

// The kinds of media.
const (
	kindAudio = "audio"
	kindVideo = "video"
	kindData  = "application"
)

// The mime types of the codecs that we know.
const (
	mimeOpus = "audio/opus"
	mimeRED  = "audio/red" // redundant audio, RFC 2198. What is inside it is Opus.
	mimePCMU = "audio/PCMU"
	mimePCMA = "audio/PCMA"
	mimeVP8  = "video/VP8"
	mimeVP9  = "video/VP9"
	mimeH264 = "video/H264"
	mimeAV1  = "video/AV1"
	mimeH265 = "video/H265"
)

type codecEntry struct {
	kind      string
	mime      string
	pt        uint8 // in our offers; rtx, for video, is one more
	clockRate uint32
	channels  uint16
	fmtp      string
}

// codecTable is what we know, in the order of preference of our offers.
var codecTable = []codecEntry{
	{kindAudio, mimeOpus, 111, 48000, 2, "minptime=10;useinbandfec=1"},
	{kindAudio, mimeRED, 63, 48000, 2, "111/111"},
	{kindAudio, mimePCMU, 0, 8000, 0, ""},
	{kindAudio, mimePCMA, 8, 8000, 0, ""},
	{kindVideo, mimeVP8, 96, 90000, 0, ""},
	{kindVideo, mimeVP9, 98, 90000, 0, "profile-id=0"},
	{kindVideo, mimeVP9, 100, 90000, 0, "profile-id=1"},
	{kindVideo, mimeH264, 125, 90000, 0, h264(1, "42e01f")},
	{kindVideo, mimeH264, 108, 90000, 0, h264(0, "42e01f")},
	{kindVideo, mimeH264, 102, 90000, 0, h264(1, "42001f")},
	{kindVideo, mimeH264, 104, 90000, 0, h264(0, "42001f")},
	{kindVideo, mimeH264, 106, 90000, 0, h264(1, "4d001f")},
	{kindVideo, mimeH264, 39, 90000, 0, h264(0, "4d001f")},
	{kindVideo, mimeH264, 123, 90000, 0, h264(1, "640032")},
	{kindVideo, mimeAV1, 35, 90000, 0, ""},
	{kindVideo, mimeH265, 116, 90000, 0, "level-id=180;profile-id=1;tier-flag=0;tx-mode=SRST"},
}

func h264(packetization int, profile string) string {
	return fmt.Sprintf("level-asymmetry-allowed=1;packetization-mode=%d;profile-level-id=%s", packetization, profile)
}

type extension struct {
	kind string
	uri  string
}

var publisherExtensions = []extension{
	{kindAudio, extMID},
	{kindAudio, extRID},
	{kindAudio, extAudioLevel},
	{kindAudio, extAbsCaptureTime},
	{kindVideo, extMID},
	{kindVideo, extRID},
	{kindVideo, extRepairedRID},
	{kindVideo, extTransportCC},
	{kindVideo, extDependencyDescriptor},
	{kindVideo, extAbsCaptureTime},
}

var subscriberExtensions = []extension{
	{kindAudio, extAbsCaptureTime},
	{kindVideo, extTransportCC},
	{kindVideo, extAbsCaptureTime},
	{kindVideo, extDependencyDescriptor},
	playoutDelay,
}

// playoutDelay tells receivers of video how long to wait. It is for rooms and tracks
// that say so; the first such track may come to a connection at any time.
var playoutDelay = extension{kindVideo, extPlayoutDelay}

// forwardedExtension says whether what a publisher writes there is of use to
// the clients that its packets are sent to.
func forwardedExtension(uri string) bool {
	return uri == extAbsCaptureTime || uri == extDependencyDescriptor
}

// repertoire is what a connection can negotiate.
type repertoire struct {
	codecs []codecEntry
	exts   []extension
	remb   bool // clients without transport-wide feedback tell their own estimate
}

// newRepertoire returns that of the codecs named by enabled, all if it is empty.
func newRepertoire(enabled []string, remb bool, exts []extension) *repertoire {
	r := &repertoire{remb: remb, exts: exts}
	for _, c := range codecTable {
		if codecEnabled(enabled, c.mime) {
			r.codecs = append(r.codecs, c)
		}
	}
	return r
}

func codecEnabled(enabled []string, mime string) bool {
	return len(enabled) == 0 || slices.ContainsFunc(enabled, func(e string) bool { return strings.EqualFold(e, mime) })
}

// feedback is what the receiver of a codec may send, RFC 4585 and RFC 5104.
func (r *repertoire) feedback(mime string) []string {
	switch {
	case mime == mimeRED:
		return nil // it makes up for losses by itself
	case !strings.HasPrefix(mime, kindVideo):
		return []string{"nack"}
	case r.remb:
		return []string{"ccm fir", "nack", "nack pli", "transport-cc", "goog-remb"}
	}
	return []string{"ccm fir", "nack", "nack pli", "transport-cc"}
}

// offered returns the codecs of a kind as our offers have them.
func (r *repertoire) offered(kind string) []lineCodec {
	var codecs []lineCodec
	for _, e := range r.codecs {
		if e.kind != kind {
			continue
		}
		c := lineCodec{pt: e.pt, mime: e.mime, clockRate: e.clockRate, channels: e.channels, fmtp: e.fmtp, written: e.fmtp, feedback: r.feedback(e.mime)}
		if kind == kindVideo {
			c.rtx = e.pt + 1
		}
		codecs = append(codecs, c)
	}
	return codecs
}

// extmaps are the header extensions of a kind in our offers. A URI has the same id in
// every section (RFC 8843 §9.1).
func (r *repertoire) extmaps(kind string) []extmap {
	ids := map[string]uint8{}
	var maps []extmap
	for _, e := range r.exts {
		if ids[e.uri] == 0 {
			ids[e.uri] = uint8(len(ids) + 1)
		}
		if e.kind == kind {
			maps = append(maps, extmap{ids[e.uri], e.uri})
		}
	}
	return maps
}

// accepted returns those of a client's codecs that we take, in its order and with its
// numbers: of a codec with profiles in one of ours, or, if the client has no codec of
// the kind in a profile that we know, in any.
func (r *repertoire) accepted(kind string, offered []lineCodec) []lineCodec {
	var exact, partial []lineCodec
	for _, c := range offered {
		match, profile := r.knows(kind, c)
		if !match {
			continue
		}
		ours := r.feedback(c.mime)
		c.feedback = slices.DeleteFunc(slices.Clone(c.feedback), func(f string) bool { return !slices.Contains(ours, f) })
		c.nack = slices.Contains(c.feedback, "nack")
		if partial = append(partial, c); profile {
			exact = append(exact, c)
		}
	}
	if len(exact) == 0 {
		exact = partial
	}
	return slices.DeleteFunc(exact, func(c lineCodec) bool {
		return c.mime == mimeRED && !slices.ContainsFunc(exact, func(o lineCodec) bool { return o.mime == mimeOpus && (c.primary == 0 || o.pt == c.primary) })
	})
}

// knows reports whether we take a codec, and in its profile.
func (r *repertoire) knows(kind string, c lineCodec) (match, profile bool) {
	for _, e := range r.codecs {
		if e.kind != kind || !strings.EqualFold(e.mime, c.mime) || e.clockRate != c.clockRate {
			continue
		}
		match = true
		profile = profile || e.mime == mimeH265 || e.mime == mimeRED || sameProfile(e.fmtp, c.written)
	}
	return match, profile
}

// acceptedExts returns the extensions of a client's section that we take.
func (r *repertoire) acceptedExts(offer line) []extmap {
	var maps []extmap
	for _, e := range r.exts {
		if id := offer.exts[e.uri]; e.kind == offer.kind && id != 0 {
			maps = append(maps, extmap{id, e.uri})
		}
	}
	return maps
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
