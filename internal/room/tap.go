package room

import (
	"context"
	"strings"
	"time"

	"github.com/livekit/protocol/livekit"

	"github.com/rollcall-rtc/rollcall/internal/sfu/downtrack"
	"github.com/rollcall-rtc/rollcall/internal/sfu/uptrack"
)

// Tap is a copy of a published track for the server's own use, such as a
// recording. It is no participant: nobody sees one, and a room that is empty but
// for taps is empty. While there are any the room says that it is recorded.
type Tap struct {
	// As it was when the tap was made; immutable.
	Room        *livekit.Room
	Participant *livekit.ParticipantInfo
	Track       *livekit.TrackInfo
	Codec       uptrack.Codec // redundant audio comes as what is inside

	room   *Room
	down   *downtrack.DownTrack
	second bool   // immutable: it is of the second codec, which had taken the first one's place
	onEnd  func() // loop only; nil once it was called or the tap is closed
	layer  int    // loop only: as counted in the track's demand
}

// tapped is what packets of a tap carry in place of what a client negotiated.
const (
	tappedSSRC        = 1
	tappedPayloadType = 96
)

// Tap makes a tap of a track. No packets come before Start. onEnd is called once
// if the track ends before Close; it must not block.
//
// It fails with not_found if there is no such room or track, and with
// failed_precondition if the track is encrypted from end to end: its media is for
// its participants alone.
func (g *Registry) Tap(ctx context.Context, room, trackSID string, onEnd func()) (*Tap, error) {
	var tap *Tap
	var refused error
	err := g.in(ctx, room, func(s *state) {
		t := s.tracks[trackSID]
		switch {
		case t == nil:
			refused = ErrTrackNotFound
		case t.info.Encryption != livekit.Encryption_NONE:
			refused = &Error{FailedPrecondition, "track is encrypted from end to end: the server cannot read it"}
		default:
			tap = s.tap(t, onEnd)
		}
	})
	if err != nil {
		// Its turn may have been, or is yet to come.
		if r := g.lookup(room); r != nil {
			r.post(func(s *state) {
				if tap != nil {
					tap.close(s)
				}
			})
		}
		return nil, err
	}
	return tap, refused
}

func (s *state) tap(t *track, onEnd func()) *Tap {
	up := t.receiver.UpTrack()
	tap := &Tap{
		Room: s.info(), Participant: t.owner.info(), Track: t.info, Codec: up.Codec(),
		room: s.room, down: downtrack.New(downtrack.Options{Source: up}), second: t.backup.regressed, onEnd: onEnd, layer: nothing,
	}
	if strings.EqualFold(tap.Codec.MimeType, mimeRED) {
		tap.Codec.MimeType = mimeOpus
	}
	if t.taps == nil {
		t.taps = make(map[*Tap]struct{})
	}
	t.taps[tap] = struct{}{}
	if t.info.Type == livekit.TrackType_VIDEO {
		tap.layer = t.topLayer()
		t.demand.wishes[tap.layer]++
		s.demandChanged(t)
		t.tapsChanged()
	}
	s.taps++
	s.countsChanged()
	return tap
}

// Start has the packets written from now on, video from a key frame on. What is
// lost on the way to the server is missing; repetitions come late.
func (t *Tap) Start(w downtrack.Writer) {
	t.down.Bind(downtrack.Binding{SSRC: tappedSSRC, PayloadType: tappedPayloadType, PrimaryPayloadType: tappedPayloadType, Unwrap: true, Writer: w})
}

// ClockAt returns the RTP time that what is written shows at that moment, by the
// publisher's sender reports; it is not ok before there was one.
func (t *Tap) ClockAt(now time.Time) (timestamp uint32, ok bool) { return t.down.ClockAt(now) }

// RequestKeyframe asks the publisher for a key frame, at most every half second.
func (t *Tap) RequestKeyframe() { t.down.RequestKeyframe() }

// Close ends it. Nothing is written once it returns, but for a packet that is on
// its way. It may be called twice, and after the track's end.
func (t *Tap) Close() {
	t.down.Close()
	t.room.post(t.close)
}

// close is Close in the room's loop.
func (t *Tap) close(s *state) {
	t.down.Close()
	if track := s.tracks[t.Track.Sid]; track != nil {
		t.onEnd = nil
		s.untap(track, t)
	}
}

// untap forgets a tap of the track.
func (s *state) untap(t *track, tap *Tap) {
	if _, ok := t.taps[tap]; !ok {
		return
	}
	delete(t.taps, tap)
	if tap.layer != nothing {
		t.demand.wishes[tap.layer]--
		s.demandChanged(t)
		t.tapsChanged()
	}
	s.taps--
	s.countsChanged()
}

// endTaps tells the taps of a track that ends.
func (s *state) endTaps(t *track) {
	for tap := range t.taps {
		tap.down.Close()
		s.untap(t, tap)
		if tap.onEnd != nil {
			tap.onEnd()
			tap.onEnd = nil
		}
	}
}

// tapsChanged tells the room of a double's original, which decides about codecs.
func (t *track) tapsChanged() {
	if t.owner.forwarding != nil {
		t.tellOriginal()
	}
}
