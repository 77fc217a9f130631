package peer

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/pion/sdp/v3"

	"github.com/rollcall-rtc/rollcall/internal/sfu/stun"
	"github.com/rollcall-rtc/rollcall/internal/sfu/uptrack"
)

const (
	maxSDP   = 1 << 20 // bytes
	maxLines = 1024    // media sections
	// Of one media section: SDKs send three layers, and there are 128 payload types.
	maxRIDs    = 16
	maxFormats = 128
)

// line is a media section of a description, as far as it concerns us.
type line struct {
	mid      string
	kind     string // audio, video, application
	protocol string
	rejected bool // port 0 and not for the sake of bundling
	sends    bool // its author sends
	receives bool // its author receives

	streamID, trackID string // msid
	rids              []string
	ufrag             string
	codecs            []lineCodec // in order of preference
	exts              map[string]uint8
	ssrcs             []uint32          // of media
	repairs           map[uint32]uint32 // SSRC of media by that of its retransmissions
}

type lineCodec struct {
	pt, rtx   uint8 // rtx 0 if there is none
	primary   uint8 // of redundant audio: what is inside it, 0 if nothing is
	mime      string
	clockRate uint32
	channels  uint16
	fmtp      string
	nack      bool

	written  string   // fmtp as the description has it
	feedback []string // RFC 4585 §4.2
}

func (c lineCodec) describe() uptrack.Codec {
	return uptrack.Codec{MimeType: c.mime, ClockRate: c.clockRate, Channels: c.channels, Fmtp: c.fmtp}
}

// remote is what a client says of a connection.
type remote struct {
	lines        []line
	own          stun.Credentials
	lite         bool
	setup        string
	fingerprints []string
	candidates   []string
	bundle       []string // mids
	mixed        bool     // header extensions of both sizes
}

// parseRemote reads a description. What is not about media it takes from the first
// section that is not rejected, or else from what is said of all (RFC 9143 §7.1.3).
func parseRemote(text string) (remote, error) {
	var r remote
	if len(text) > maxSDP {
		return r, fmt.Errorf("%w: %d bytes", ErrDescription, len(text))
	}
	var d sdp.SessionDescription
	if err := d.UnmarshalString(text); err != nil {
		return r, fmt.Errorf("%w: %v", ErrDescription, err)
	}
	if n := len(d.MediaDescriptions); n == 0 || n > maxLines {
		return r, fmt.Errorf("%w: %d media sections", ErrDescription, n)
	}
	session := directionOf(d.Attributes, "sendrecv")
	r.lines = make([]line, 0, len(d.MediaDescriptions))
	mids := make(map[string]bool, len(d.MediaDescriptions))
	for _, m := range d.MediaDescriptions {
		l, err := parseLine(m, session)
		if err != nil {
			return r, err
		}
		if mids[l.mid] && l.mid != "" {
			return r, fmt.Errorf("%w: two media sections %q", ErrDescription, l.mid)
		}
		mids[l.mid] = true
		if l.ufrag == "" {
			l.ufrag, _ = d.Attribute("ice-ufrag")
		}
		r.lines = append(r.lines, l)
		r.take(m.Attributes, l.rejected)
	}
	r.take(d.Attributes, false)
	return r, nil
}

// take notes what attributes say of the connection, and was not said yet.
func (r *remote) take(attributes []sdp.Attribute, rejected bool) {
	var own stun.Credentials
	var fingerprints []string
	setup := ""
	for _, a := range attributes {
		switch a.Key {
		case "ice-ufrag":
			own.Ufrag = a.Value
		case "ice-pwd":
			own.Password = a.Value
		case "extmap-allow-mixed":
			r.mixed = true
		case "ice-lite":
			r.lite = true
		case "setup":
			setup = a.Value
		case "fingerprint":
			if len(fingerprints) < maxFingerprints {
				fingerprints = append(fingerprints, a.Value)
			}
		case "candidate":
			if len(r.candidates) < maxCandidates {
				r.candidates = append(r.candidates, a.Value)
			}
		case "group":
			if kind, mids, _ := strings.Cut(a.Value, " "); kind == "BUNDLE" {
				r.bundle = strings.Fields(mids)
			}
		}
	}
	if rejected {
		return
	}
	if r.own == (stun.Credentials{}) {
		r.own = own
	}
	if r.setup == "" {
		r.setup = setup
	}
	if r.fingerprints == nil {
		r.fingerprints = fingerprints
	}
}

// maxFingerprints is how many a description is looked at for, of one certificate.
const maxFingerprints = 16

// complete reports what is missing for a connection.
func (r *remote) complete() error {
	switch {
	case r.own.Ufrag == "" || r.own.Password == "":
		return fmt.Errorf("%w: no ICE credentials", ErrDescription)
	case len(r.own.Ufrag) > 256 || len(r.own.Password) > 256: // RFC 8839 §5.4
		return fmt.Errorf("%w: ICE credentials too long", ErrDescription)
	case len(r.fingerprints) == 0:
		return fmt.Errorf("%w: no fingerprint", ErrDescription)
	}
	for _, l := range r.lines {
		if l.mid == "" {
			return fmt.Errorf("%w: a media section without mid", ErrDescription)
		}
	}
	return nil
}

func parseLine(m *sdp.MediaDescription, session string) (line, error) {
	l := line{kind: strings.ToLower(m.MediaName.Media), exts: map[string]uint8{}}
	switch l.kind {
	case "audio", "video", "application":
	default:
		return l, fmt.Errorf("%w: media %q", ErrDescription, m.MediaName.Media)
	}
	l.protocol = strings.Join(m.MediaName.Protos, "/")
	l.mid, _ = m.Attribute(sdp.AttrKeyMID)
	_, bundleOnly := m.Attribute("bundle-only")
	l.rejected = m.MediaName.Port.Value == 0 && !bundleOnly
	direction := directionOf(m.Attributes, session)
	l.sends = direction == "sendrecv" || direction == "sendonly"
	l.receives = direction == "sendrecv" || direction == "recvonly"
	l.ufrag, _ = m.Attribute("ice-ufrag")
	if l.kind == "application" {
		return l, nil
	}
	if n := len(m.MediaName.Formats); n > maxFormats {
		return l, fmt.Errorf("%w: %d formats of a media section", ErrDescription, n)
	}
	codecs := map[string]*lineCodec{}
	var forAll []string
	for _, a := range m.Attributes {
		switch a.Key {
		case sdp.AttrKeyMsid:
			l.streamID, l.trackID, _ = strings.Cut(a.Value, " ")
			l.trackID = strings.TrimSpace(l.trackID)
		case "rid":
			id, rest, _ := strings.Cut(a.Value, " ")
			if id == "" || !strings.HasPrefix(rest, "send") || slices.Contains(l.rids, id) {
				break
			}
			if l.rids = append(l.rids, id); len(l.rids) > maxRIDs {
				return l, fmt.Errorf("%w: more than %d rids in a media section", ErrDescription, maxRIDs)
			}
		case "ssrc":
			id, _, _ := strings.Cut(a.Value, " ")
			l.addSSRC(id)
		case "ssrc-group":
			if f := strings.Fields(a.Value); len(f) == 3 && f[0] == "FID" {
				l.addRepair(f[1], f[2])
			}
		case sdp.AttrKeyExtMap:
			id, uri := parseExtMap(a.Value)
			if id != 0 {
				l.exts[uri] = id
			}
		case "rtpmap":
			pt, rest, _ := strings.Cut(a.Value, " ")
			codecAt(codecs, pt).setMap(l.kind, rest)
		case "fmtp":
			pt, rest, _ := strings.Cut(a.Value, " ")
			codecAt(codecs, pt).fmtp = rest
		case "rtcp-fb":
			pt, rest, _ := strings.Cut(a.Value, " ")
			if pt == "*" {
				forAll = append(forAll, rest)
			} else if c := codecAt(codecs, pt); len(c.feedback) < maxFeedback {
				c.feedback = append(c.feedback, rest)
			}
		}
	}
	l.codecs = orderCodecs(m.MediaName.Formats, codecs)
	for i := range l.codecs {
		c := &l.codecs[i]
		c.feedback = append(c.feedback, forAll[:min(len(forAll), maxFeedback)]...)
		c.nack = slices.Contains(c.feedback, "nack")
	}
	l.ssrcs = slices.DeleteFunc(l.ssrcs, func(ssrc uint32) bool { _, rtx := l.repairs[ssrc]; return rtx })
	return l, nil
}

// maxSSRCs bounds what one section can announce, and maxFeedback what a codec of it.
const (
	maxSSRCs    = 16
	maxFeedback = 16
)

func (l *line) addSSRC(text string) {
	ssrc, err := strconv.ParseUint(text, 10, 32)
	if err == nil && len(l.ssrcs) < maxSSRCs && !slices.Contains(l.ssrcs, uint32(ssrc)) {
		l.ssrcs = append(l.ssrcs, uint32(ssrc))
	}
}

// addRepair notes a group of RFC 5576 §4.2: the second repairs the first.
func (l *line) addRepair(media, repair string) {
	a, err1 := strconv.ParseUint(media, 10, 32)
	b, err2 := strconv.ParseUint(repair, 10, 32)
	if err1 != nil || err2 != nil || len(l.repairs) >= maxSSRCs {
		return
	}
	if l.repairs == nil {
		l.repairs = map[uint32]uint32{}
	}
	l.repairs[uint32(b)] = uint32(a)
}

func directionOf(attributes []sdp.Attribute, otherwise string) string {
	for _, a := range attributes {
		switch a.Key {
		case "sendrecv", "sendonly", "recvonly", "inactive":
			return a.Key
		}
	}
	return otherwise
}

func parseExtMap(value string) (uint8, string) {
	id, rest, _ := strings.Cut(value, " ")
	id, _, _ = strings.Cut(id, "/")
	uri, _, _ := strings.Cut(rest, " ")
	n, err := strconv.ParseUint(id, 10, 8)
	if err != nil || uri == "" {
		return 0, ""
	}
	return uint8(n), uri
}

func codecAt(codecs map[string]*lineCodec, pt string) *lineCodec {
	c := codecs[pt]
	if c == nil {
		c = &lineCodec{}
		codecs[pt] = c
	}
	return c
}

func (c *lineCodec) setMap(kind, value string) {
	parts := strings.Split(value, "/")
	c.mime = canonicalMime(kind + "/" + parts[0])
	if len(parts) > 1 {
		rate, _ := strconv.ParseUint(parts[1], 10, 32)
		c.clockRate = uint32(rate)
	}
	if len(parts) > 2 {
		channels, _ := strconv.ParseUint(parts[2], 10, 16)
		c.channels = uint16(channels)
	}
}

// orderCodecs lists the codecs in the order of the m= line and folds rtx into
// the codec it repeats.
func orderCodecs(formats []string, byPT map[string]*lineCodec) []lineCodec {
	var codecs []lineCodec
	rtx := map[string]uint8{}
	for _, format := range formats {
		pt, err := strconv.ParseUint(format, 10, 7)
		if err != nil {
			continue
		}
		c := byPT[format]
		if c == nil || c.mime == "" {
			c = staticCodec(uint8(pt), c)
			if c == nil {
				continue
			}
		}
		if strings.HasSuffix(strings.ToLower(c.mime), "/rtx") {
			if _, apt, ok := strings.Cut(c.fmtp, "apt="); ok {
				apt, _, _ = strings.Cut(apt, ";")
				rtx[apt] = uint8(pt)
			}
			continue
		}
		c.pt, c.written = uint8(pt), c.fmtp
		codecs = append(codecs, *c)
	}
	withPrimary(codecs)
	for i := range codecs {
		codecs[i].rtx = rtx[strconv.Itoa(int(codecs[i].pt))]
	}
	return codecs
}

// staticCodec knows the payload types of RFC 3551 that need no rtpmap.
func staticCodec(pt uint8, c *lineCodec) *lineCodec {
	if c == nil {
		c = &lineCodec{}
	}
	switch pt {
	case 0:
		c.mime, c.clockRate = "audio/PCMU", 8000
	case 8:
		c.mime, c.clockRate = "audio/PCMA", 8000
	default:
		return nil
	}
	return c
}
