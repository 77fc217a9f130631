package peer

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/rollcall-rtc/rollcall/internal/sfu/stun"
)

// description is what one side says of a connection (RFC 9429 §5, RFC 8866).
type description struct {
	session     uint64 // its id
	version     uint64
	lite        bool
	setup       string // actpass, active or passive, RFC 8842 §5
	fingerprint string // of the certificate, with its hash function
	own         stun.Credentials
	candidates  []string // as attributes have them
	sections    []section
	bundled     func(mid string) bool // nil: all
	mixed       bool                  // header extensions of both sizes, RFC 8285 §6
}

// section is a media section of a description of ours.
type section struct {
	mid       string
	kind      string // audio, video, application
	protocol  string
	rejected  bool
	direction string
	codecs    []lineCodec
	exts      []extmap

	// Of what we send.
	streamID, trackID string
	ssrc, rtx         uint32

	rids []string // that we receive
}

type extmap struct {
	id  uint8
	uri string
}

// The protocols of sections that we offer.
const (
	protocolMedia = "UDP/TLS/RTP/SAVPF"
	protocolData  = "UDP/DTLS/SCTP"
)

// String returns the text of the description.
func (d *description) String() string {
	w := &strings.Builder{}
	w.Grow(600 + 2500*(len(d.sections)-1))
	fmt.Fprintf(w, "v=0\r\no=- %d %d IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n", d.session, d.version)
	tell(w, "msid-semantic", "WMS *")
	tell(w, "fingerprint", d.fingerprint)
	if d.lite {
		tell(w, "ice-lite")
	}
	if d.mixed {
		tell(w, "extmap-allow-mixed")
	}
	if group := d.group(); group != "" {
		tell(w, "group", group)
	}
	told := false
	for i := range d.sections {
		s := &d.sections[i]
		s.write(w, d)
		if !s.rejected && !told {
			told = true // those of the first section are everybody's, RFC 9143 §7.1.3
			for _, c := range d.candidates {
				tell(w, c)
			}
			tell(w, "end-of-candidates")
		}
	}
	return w.String()
}

func (d *description) group() string {
	mids := []string{"BUNDLE"}
	for _, s := range d.sections {
		if !s.rejected && (d.bundled == nil || d.bundled(s.mid)) {
			mids = append(mids, s.mid)
		}
	}
	if len(mids) == 1 {
		return ""
	}
	return strings.Join(mids, " ")
}

// tell writes an attribute, with the values of it that are given.
func tell(w *strings.Builder, name string, values ...string) {
	w.WriteString("a=")
	w.WriteString(name)
	for i, v := range values {
		if i == 0 {
			w.WriteByte(':')
		} else {
			w.WriteByte(' ')
		}
		w.WriteString(v)
	}
	w.WriteString("\r\n")
}

func (s *section) write(w *strings.Builder, d *description) {
	port := "9"
	if s.rejected {
		port = "0"
	}
	w.WriteString("m=" + s.kind + " " + port + " " + s.protocol)
	for _, f := range s.allFormats() {
		w.WriteString(" " + f)
	}
	w.WriteString("\r\nc=IN IP4 0.0.0.0\r\n")
	tell(w, "mid", s.mid)
	if s.rejected {
		tell(w, "inactive")
		return
	}
	tell(w, "setup", d.setup)
	tell(w, "ice-ufrag", d.own.Ufrag)
	tell(w, "ice-pwd", d.own.Password)
	if s.kind == kindData {
		tell(w, "sendrecv")
		tell(w, "sctp-port", "5000")
		tell(w, "max-message-size", strconv.Itoa(MaxMessageSize))
		return
	}
	tell(w, "rtcp-mux")
	tell(w, "rtcp-rsize")
	for _, c := range s.codecs {
		c.write(w)
	}
	for _, e := range s.exts {
		tell(w, "extmap", strconv.Itoa(int(e.id)), e.uri)
	}
	for _, rid := range s.rids {
		tell(w, "rid", rid, "recv")
	}
	if len(s.rids) > 0 {
		tell(w, "simulcast", "recv", strings.Join(s.rids, ";"))
	}
	s.writeSent(w)
	tell(w, s.direction)
}

// writeSent says what we send, RFC 8830 and RFC 5576.
func (s *section) writeSent(w *strings.Builder) {
	if s.trackID == "" {
		return
	}
	tell(w, "msid", s.streamID, s.trackID)
	ids := []uint32{s.ssrc}
	if s.rtx != 0 {
		ids = append(ids, s.rtx)
		tell(w, "ssrc-group", "FID", ssrcText(s.ssrc), ssrcText(s.rtx))
	}
	for _, id := range ids {
		tell(w, "ssrc", ssrcText(id), "cname:"+s.streamID)
		tell(w, "ssrc", ssrcText(id), "msid:"+s.streamID, s.trackID)
	}
}

// line is what parseRemote reads of a section of ours, but for what is sent there.
func (s *section) line() line {
	l := line{mid: s.mid, kind: s.kind, protocol: s.protocol, rejected: s.rejected, exts: map[string]uint8{}}
	if s.rejected {
		return l
	}
	direction := s.direction
	if s.kind == kindData {
		direction = "sendrecv"
	}
	l.sends = direction == "sendrecv" || direction == "sendonly"
	l.receives = direction == "sendrecv" || direction == "recvonly"
	l.codecs = slices.Clone(s.codecs)
	for i := range l.codecs {
		c := &l.codecs[i]
		c.fmtp, c.nack = c.written, slices.Contains(c.feedback, "nack")
	}
	withPrimary(l.codecs)
	for _, e := range s.exts {
		l.exts[e.uri] = e.id
	}
	return l
}

func ssrcText(ssrc uint32) string { return strconv.FormatUint(uint64(ssrc), 10) }

func (s *section) allFormats() []string {
	switch {
	case s.kind == kindData:
		return []string{"webrtc-datachannel"}
	case s.rejected:
		return []string{"0"} // one must be there, and says nothing (RFC 3264 §6); pion looks others up
	}
	var formats []string
	for _, c := range s.codecs {
		formats = append(formats, strconv.Itoa(int(c.pt)))
		if c.rtx != 0 {
			formats = append(formats, strconv.Itoa(int(c.rtx)))
		}
	}
	return formats
}

func (c *lineCodec) write(w *strings.Builder) {
	pt := strconv.Itoa(int(c.pt))
	_, name, _ := strings.Cut(c.mime, "/")
	rate := "/" + strconv.Itoa(int(c.clockRate))
	channels := ""
	if c.channels > 1 {
		channels = "/" + strconv.Itoa(int(c.channels))
	}
	tell(w, "rtpmap", pt, name+rate+channels)
	if c.written != "" {
		tell(w, "fmtp", pt, c.written)
	}
	for _, f := range c.feedback {
		tell(w, "rtcp-fb", pt, f)
	}
	if c.rtx != 0 {
		rtx := strconv.Itoa(int(c.rtx))
		tell(w, "rtpmap", rtx, "rtx"+rate)
		tell(w, "fmtp", rtx, "apt="+pt)
	}
}
