package peer

import (
	"math/rand/v2"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/rollcall-rtc/rollcall/internal/sfu/bwe"
	"github.com/rollcall-rtc/rollcall/internal/sfu/downtrack"
	"github.com/rollcall-rtc/rollcall/internal/sfu/uptrack"
)

// Sender is a track on its way to one client.
type Sender struct {
	// immutable
	streamID, trackID string
	codec             uptrack.Codec
	up                *uptrack.UpTrack
	down              *downtrack.DownTrack
	delay             [2]time.Duration // of playout
	ssrc, rtx         uint32           // rtx 0 for sound

	priority atomic.Int32

	// tasks only
	slot    *slot
	since   uint64 // the description that has it first, see Subscriber.made
	bound   bool
	binding downtrack.Binding // while bound, without its writers
	history *bwe.History      // nil without video
	removed bool
	refused bool // the handler heard that it failed
	// told and toldPaused are what the handler heard of the stream's state.
	told, toldPaused bool
}

// SetPriority orders the tracks of a client that do not all fit its
// connection: the higher goes first. Without it, it is 0.
func (s *Sender) SetPriority(p int) { s.priority.Store(int32(p)) }

// DownTrack returns the packets' last stage, to pause it or cap its layer.
func (s *Sender) DownTrack() *downtrack.DownTrack { return s.down }

// TrackID returns the id the client sees.
func (s *Sender) TrackID() string { return s.trackID }

// slot is a media section in which we send. Tracks use it in turn.
type slot struct {
	mid     string
	kind    string
	sender  *Sender // nil if free
	offered bool    // the client knows it
	idle    bool    // client and server agree that nothing is sent
	open    bool    // the client receives there, as its last offer says
	refused bool    // the client rejected the section, for good
	empty   int     // offers in a row that it had no track in

	codecs []lineCodec // that the client takes for the sender; nil before it has said so
}

// newSSRCs returns those of a track of the kind: of media, and of its retransmissions.
func newSSRCs(kind string) (ssrc, rtx uint32) {
	for ssrc == 0 {
		ssrc = rand.Uint32()
	}
	for kind == kindVideo && (rtx == 0 || rtx == ssrc) {
		rtx = rand.Uint32()
	}
	return ssrc, rtx
}

func kindOf(c uptrack.Codec) string {
	if strings.HasPrefix(strings.ToLower(c.MimeType), kindAudio) {
		return kindAudio
	}
	return kindVideo
}

// bind notes how to send, as the answer to the section says, whoever wrote it;
// wanted says whether the client receives there.
func (s *Sender) bind(answer line, wanted bool, upstream map[string]uint8, g *budget) error {
	if answer.rejected || !wanted {
		return ErrCodecRejected
	}
	codec, ok := matchCodec(answer.codecs, s.codec)
	unwrap := false
	if !ok || strings.EqualFold(s.codec.MimeType, mimeRED) && codec.primary == 0 {
		codec, ok = matchUnwrapped(answer.codecs, s.codec)
		if unwrap = ok; !ok {
			return ErrCodecRejected
		}
	}
	wrap := false
	if s.up.Redundancy() {
		if red, found := matchWrapped(answer.codecs, codec); found {
			codec, wrap = red, true
		}
	}
	var exts []downtrack.Ext
	for uri, to := range answer.exts {
		if !forwardedExtension(uri) {
			continue // the connection's own, such as the transport's counter
		}
		if from := upstream[uri]; from != 0 {
			exts = append(exts, downtrack.Ext{From: from, To: to})
		}
	}
	rtx := s.rtx
	if codec.rtx == 0 {
		rtx = 0
	}
	s.bound = true
	s.binding = downtrack.Binding{
		SSRC: s.ssrc, PayloadType: codec.pt, PrimaryPayloadType: codec.primary, Unwrap: unwrap, Wrap: wrap,
		RTXSSRC: rtx, RTXPayloadType: codec.rtx, Extensions: exts,
	}
	if kindOf(s.codec) != kindVideo {
		return nil
	}
	s.history = g.add(s)
	s.binding.SequenceExt = answer.exts[extTransportCC]
	if s.delay != [2]time.Duration{} {
		s.binding.PlayoutExt = answer.exts[extPlayoutDelay]
		s.binding.PlayoutDelay = downtrack.PlayoutDelay(s.delay[0], s.delay[1])
	}
	return nil
}

// matchCodec finds the codec in an answer, in the same profile if it is there.
func matchCodec(codecs []lineCodec, want uptrack.Codec) (lineCodec, bool) {
	var match lineCodec
	found := false
	for _, c := range codecs {
		if !strings.EqualFold(c.mime, want.MimeType) {
			continue
		}
		if sameProfile(c.fmtp, want.Fmtp) {
			return c, true
		}
		if !found {
			match, found = c, true
		}
	}
	return match, found
}

// decodes reports whether the codecs of a client serve for a track.
func decodes(codecs []lineCodec, want uptrack.Codec) bool {
	if _, ok := matchCodec(codecs, want); ok {
		return true
	}
	_, ok := matchUnwrapped(codecs, want)
	return ok
}

// matchUnwrapped finds what redundant audio is without its redundancy, which
// comes with a codec that the client takes.
func matchUnwrapped(codecs []lineCodec, want uptrack.Codec) (lineCodec, bool) {
	if !strings.EqualFold(want.MimeType, mimeRED) {
		return lineCodec{}, false
	}
	want.MimeType = mimeOpus
	c, ok := matchCodec(codecs, want)
	c.primary = c.pt
	return c, ok
}

// matchWrapped finds the redundant audio that a client takes with plain in it.
func matchWrapped(codecs []lineCodec, plain lineCodec) (lineCodec, bool) {
	i := slices.IndexFunc(codecs, func(c lineCodec) bool { return c.mime == mimeRED && c.primary != 0 && c.primary == plain.pt })
	if i < 0 {
		return lineCodec{}, false
	}
	return codecs[i], true
}

// sameProfile compares the parameters that tell bitstreams apart.
func sameProfile(a, b string) bool {
	for key, otherwise := range map[string]string{
		"profile-id": "0", "profile": "0", "packetization-mode": "0",
	} {
		if fmtpValue(a, key, otherwise) != fmtpValue(b, key, otherwise) {
			return false
		}
	}
	// The level, which the last two digits give, may differ.
	pa, pb := fmtpValue(a, "profile-level-id", ""), fmtpValue(b, "profile-level-id", "")
	if len(pa) == 6 && len(pb) == 6 {
		pa, pb = pa[:4], pb[:4]
	}
	return strings.EqualFold(pa, pb)
}

func fmtpValue(fmtp, key, otherwise string) string {
	for _, parameter := range strings.Split(fmtp, ";") {
		k, v, _ := strings.Cut(strings.TrimSpace(parameter), "=")
		if strings.EqualFold(k, key) {
			return v
		}
	}
	return otherwise
}

// feed begins to send a bound track.
func (p *packets) feed(s *Sender) {
	b := s.binding
	write := func(ssrc uint32, again bool) downtrack.Writer {
		w := p.writer(ssrc)
		if b.SequenceExt != 0 {
			n := newNumbered(w, s.history, b.SequenceExt)
			n.pacer, n.again = &p.budget.pacer, again
			return n
		}
		return w
	}
	b.Writer = write(b.SSRC, false)
	if b.RTXSSRC != 0 {
		b.RTX = write(b.RTXSSRC, true)
	}
	p.listen(s.down, b.SSRC, b.RTXSSRC)
	s.down.Bind(b)
}
