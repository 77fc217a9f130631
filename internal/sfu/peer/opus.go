package peer

import (
	"slices"
	"strconv"
	"strings"
)

// tellOpus adds parameters to Opus among the codecs of a section, in place of those of
// the same names.
func tellOpus(codecs []lineCodec, options string) {
	at := slices.IndexFunc(codecs, func(c lineCodec) bool { return c.mime == mimeOpus })
	if at < 0 || options == "" {
		return
	}
	var kept []string
	for _, p := range strings.Split(codecs[at].written, ";") {
		name, _, _ := strings.Cut(strings.TrimSpace(p), "=")
		if name != "" && !strings.Contains(";"+options, ";"+name+"=") {
			kept = append(kept, strings.TrimSpace(p))
		}
	}
	codecs[at].written = strings.Join(append(kept, options), ";")
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
		if sl.sender != nil && sl.mid == mid && sl.sender.stereo() {
			return "sprop-stereo=1"
		}
	}
	return ""
}
