package client

import (
	"encoding/binary"
	"strings"

	"github.com/livekit/protocol/livekit"
	"github.com/pion/rtp"
	"github.com/pion/webrtc/v4"

	"github.com/rollcall-rtc/rollcall/internal/sfu/codec"
)

// Redundant audio (RED, RFC 2198): each packet carries the one before it as well.
// opusRED is how it is negotiated, by the payload types of registerCodecs.
var opusRED = webrtc.RTPCodecCapability{MimeType: "audio/red", ClockRate: 48000, Channels: 2, SDPFmtpLine: "111/111"}

const (
	opusREDPayload = 63

	// What the header of a redundant block has room for, RFC 2198 §3: its length
	// in bytes, and how much earlier it is in ticks.
	maxREDBlock  = 1<<10 - 1
	maxREDOffset = 1<<14 - 1
	redHeader    = 4 // bytes; the last block's is 1
)

// redundant reports whether a track is sent with redundancy. What is encrypted
// could not be taken apart by a server for those who do not know RED.
func (p *LocalPublication) redundant() bool {
	return p.room.opts.RED && strings.EqualFold(p.layers[0].codec.MimeType, webrtc.MimeTypeOpus) &&
		p.options.Encryption == livekit.Encryption_NONE
}

// redOf returns redundant audio among codecs, and the Opus that is in it.
func redOf(codecs []webrtc.RTPCodecParameters) (red, opus webrtc.RTPCodecParameters, found bool) {
	for _, c := range codecs {
		switch {
		case codec.IsRED(c.MimeType):
			red, found = c, true
		case codec.IsOpus(c.MimeType):
			opus = c
		}
	}
	return red, opus, found && opus.MimeType != ""
}

// redSender remembers what the next packet carries besides its own. Its zero value
// is ready.
type redSender struct {
	last      []byte
	seq       uint16
	timestamp uint32
	buf       []byte
}

// payload returns that of p with the redundancy, until the next call.
func (s *redSender) payload(p *rtp.Packet, primary uint8) []byte {
	s.buf = s.buf[:0]
	before := p.Timestamp - s.timestamp
	redundant := len(s.last) > 0 && len(s.last) <= maxREDBlock && p.SequenceNumber == s.seq+1 && before <= maxREDOffset &&
		redHeader+1+len(s.last)+len(p.Payload) <= sendMTU
	if redundant {
		s.buf = binary.BigEndian.AppendUint32(s.buf, 1<<31|uint32(primary)<<24|before<<10|uint32(len(s.last)))
	}
	s.buf = append(s.buf, primary)
	if redundant {
		s.buf = append(s.buf, s.last...)
	}
	s.buf = append(s.buf, p.Payload...)
	s.last = append(s.last[:0], p.Payload...)
	s.seq, s.timestamp = p.SequenceNumber, p.Timestamp
	return s.buf
}

// redReceiver makes plain packets of those with redundancy, the lost ones too. It
// is of the track's one reader.
type redReceiver struct {
	red  uint8                     // payload type; immutable
	opus webrtc.RTPCodecParameters // what comes out; immutable
	b    [receiveMTU]byte          // the packet in hand
	h    rtp.Header                // its header
	next int                       // the next block of it; after the redundant ones is the primary
	left bool                      // there is a next block
	r    codec.RED

	begun     bool
	last      uint16     // the newest number that was returned
	recovered [32]uint16 // numbers that were made of redundancy, to drop the late originals
	count     int
}

func newREDReceiver(codecs []webrtc.RTPCodecParameters) *redReceiver {
	red, opus, found := redOf(codecs)
	if !found {
		return nil
	}
	return &redReceiver{red: uint8(red.PayloadType), opus: opus}
}

// read returns the next plain packet in out.
func (r *redReceiver) read(out []byte, from *webrtc.TrackRemote) (int, error) {
	for !r.left {
		n, _, err := from.Read(r.b[:])
		if err != nil {
			return 0, err
		}
		if whole := r.take(n); whole {
			return copy(out, r.b[:n]), nil
		}
	}
	return r.block(out)
}

// take looks at a packet of n bytes, and reports whether it is plain.
func (r *redReceiver) take(n int) (whole bool) {
	hn, err := r.h.Unmarshal(r.b[:n])
	if err != nil {
		return false
	}
	seq := r.h.SequenceNumber
	if !r.begun {
		r.begun, r.last = true, seq-1
	}
	newer := int16(seq - r.last)
	if newer <= 0 && r.made(seq) {
		return false // it came as redundancy
	}
	if r.h.PayloadType != r.red {
		if newer > 0 {
			r.last = seq
		}
		return true
	}
	end := n
	if r.h.Padding && n > hn {
		end -= int(r.b[n-1])
	}
	if end < hn || !r.r.Parse(r.b[hn:end]) {
		return false
	}
	redundant := len(r.r.Redundant())
	r.left, r.next = true, redundant
	if newer > 1 {
		r.next -= min(int(newer)-1, redundant)
	}
	if newer > 0 {
		r.last = seq
	}
	return false
}

// block writes the next block as a packet of its own.
func (r *redReceiver) block(out []byte) (int, error) {
	h, payload := r.h, r.r.Primary
	h.PayloadType, h.Padding, h.PaddingSize = uint8(r.opus.PayloadType), false, 0
	all := r.r.Redundant()
	if r.next < len(all) {
		payload = all[r.next].Payload
		h.SequenceNumber -= uint16(len(all) - r.next)
		h.Timestamp -= all[r.next].Before
		h.Marker, h.Extension, h.Extensions = false, false, nil
		r.recovered[r.count%len(r.recovered)] = h.SequenceNumber
		r.count++
	}
	r.left = r.next < len(all)
	r.next++
	n, err := h.MarshalTo(out)
	if err != nil {
		return 0, err
	}
	return n + copy(out[n:], payload), nil
}

// made reports whether a packet was made of redundancy.
func (r *redReceiver) made(seq uint16) bool {
	for i := range min(r.count, len(r.recovered)) {
		if r.recovered[i] == seq {
			return true
		}
	}
	return false
}
