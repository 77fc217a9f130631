package peer

import (
	"errors"
	"io"
	"sync/atomic"
	"time"

	"github.com/pion/rtcp"
	"github.com/pion/webrtc/v4"

	"github.com/rollcall-rtc/rollcall/internal/sfu/uptrack"
)

// source is one SSRC of a client, for as long as pion has it. Up-tracks may
// come and go above it.
type source struct {
	track    *webrtc.TrackRemote
	receiver *webrtc.RTPReceiver
	up       atomic.Pointer[uptrack.UpTrack] // takes the RTCP
	stream   *stream                         // tasks only; the current reader
}

// stale reports whether pion has let go of the source.
func (s *source) stale() bool {
	t := s.receiver.RTPTransceiver()
	return t == nil || t.Receiver() != s.receiver
}

// readRTCP hands the client's reports on until pion closes the source.
func (s *source) readRTCP() {
	b := make([]byte, receiveMTU)
	for {
		var n int
		var err error
		if rid := s.track.RID(); rid != "" {
			n, _, err = s.receiver.ReadSimulcast(b, rid)
		} else {
			n, _, err = s.receiver.Read(b)
		}
		if err != nil {
			return
		}
		if pkts, err := rtcp.Unmarshal(b[:n]); err == nil {
			s.up.Load().HandleRTCP(uint32(s.track.SSRC()), pkts)
		}
	}
}

// stream reads a source in one codec for one up-track.
type stream struct {
	track   *webrtc.TrackRemote // immutable
	pt      uint8               // immutable
	changed func(pt uint8)      // immutable; called when the codec is another
	ended   atomic.Bool

	told time.Time // reader only; when changed was last called
}

// Read implements uptrack.Stream.
func (s *stream) Read(b []byte) (int, error) {
	for {
		n, _, err := s.track.Read(b)
		switch {
		case s.ended.Load():
			return 0, io.EOF
		case errors.Is(err, webrtc.ErrCodecNotFound), errors.Is(err, io.ErrShortBuffer):
			continue // not a packet we negotiated
		case err != nil:
			return 0, err
		case n < 2:
			continue
		}
		if pt := b[1] & 0x7f; pt != s.pt {
			if now := time.Now(); now.Sub(s.told) >= minCodecLife {
				s.told = now
				s.changed(pt)
			}
			continue
		}
		return n, nil
	}
}

// end makes Read return, so that another stream can read the track.
func (s *stream) end() {
	s.ended.Store(true)
	_ = s.track.SetReadDeadline(time.Unix(1, 0))
}
