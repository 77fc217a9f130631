package peer

import (
	"strconv"
	"strings"

	"github.com/pion/sdp/v3"
)

// tellOpus adds parameters to Opus in a media section, in place of those of the
// same names.
func tellOpus(m *sdp.MediaDescription, options string) {
	pt, at := "", -1
	for _, a := range m.Attributes {
		if a.Key != "rtpmap" {
			continue
		}
		id, codec, _ := strings.Cut(a.Value, " ")
		if strings.HasPrefix(strings.ToLower(codec), "opus/") {
			pt = id
			break
		}
	}
	if pt == "" {
		return
	}
	var kept []string
	for i, a := range m.Attributes {
		id, parameters, _ := strings.Cut(a.Value, " ")
		if a.Key != "fmtp" || id != pt {
			continue
		}
		at = i
		for _, p := range strings.Split(parameters, ";") {
			name, _, _ := strings.Cut(strings.TrimSpace(p), "=")
			if name != "" && !strings.Contains(";"+options, ";"+name+"=") {
				kept = append(kept, strings.TrimSpace(p))
			}
		}
	}
	value := pt + " " + strings.Join(append(kept, options), ";")
	if at < 0 {
		m.WithValueAttribute("fmtp", value)
		return
	}
	m.Attributes[at].Value = value
}

// withPrimary gives redundant audio the payload type and the parameters of what
// is inside it, which is the first that its own name (RFC 2198 §5).
func withPrimary(codecs []lineCodec) {
	for i := range codecs {
		red := &codecs[i]
		if red.mime != mimeRED {
			continue
		}
		first, _, _ := strings.Cut(red.fmtp, "/")
		pt, err := strconv.ParseUint(first, 10, 7)
		for _, c := range codecs {
			if c.mime != mimeRED && (err == nil && c.pt == uint8(pt) || err != nil && c.clockRate == red.clockRate) {
				red.primary, red.fmtp = c.pt, c.fmtp
				break
			}
		}
	}
}

// stereo reports whether what is sent has two channels.
func (s *Sender) stereo() bool { return fmtpValue(s.codec.Fmtp, "stereo", "0") == "1" }

// decoding has the parameters of Opus in a section in which a track is sent.
func (s *sending) decoding(mid string) string {
	for _, sl := range s.slots {
		if sl.sender != nil && sl.transceiver.Mid() == mid && sl.sender.stereo() {
			return "sprop-stereo=1"
		}
	}
	return ""
}
