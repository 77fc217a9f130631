package whip

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/livekit/protocol/livekit"
	"github.com/pion/sdp/v3"

	"github.com/rollcall-rtc/rollcall/internal/ingress"
	"github.com/rollcall-rtc/rollcall/internal/ingress/source"
	"github.com/rollcall-rtc/rollcall/internal/room"
	"github.com/rollcall-rtc/rollcall/internal/sfu/uptrack"
)

// startEncoding has what the client sends encoded anew, if the endpoint asks for it. What
// comes from failed is why that ended by itself. stop ends it, and may be called twice.
func (s *session) startEncoding() (failed <-chan error, stop func()) {
	if !s.encodes {
		return nil, func() {}
	}
	ctx, cancel := context.WithCancel(context.Background())
	errc, done := make(chan error, 1), make(chan struct{})
	go func() {
		defer close(done)
		if err := s.encode(ctx); err != nil && !errors.Is(err, ingress.ErrEnded) {
			errc <- err
		}
	}()
	return errc, func() { cancel(); <-done }
}

// encode listens to the tracks that the client publishes backstage, the first of each
// kind.
func (s *session) encode(ctx context.Context) error {
	s.mu.Lock()
	media := s.media
	s.mu.Unlock()
	backstage, reception := s.h.opts.Backstage, s.h.opts.Encoder.Open(s.ingress, media)
	changed := make(chan struct{}, 1)
	watch, err := backstage.Observe(ctx, s.join.Room, func(room.Change) {
		select {
		case changed <- struct{}{}:
		default:
		}
	})
	if errors.Is(err, room.ErrRoomNotFound) {
		return nil // the client is gone, which is heard of
	}
	if err != nil {
		return fmt.Errorf("listen to the client: %w", err)
	}
	defer watch.Close()
	running, cancel := context.WithCancel(ctx)
	over := make(chan error, 1)
	go func() {
		defer cancel()
		over <- reception.Run(running)
	}()
	taps := make(map[livekit.TrackType]*tapped)
	for err == nil && running.Err() == nil {
		if err = s.listen(running, reception, taps); err == nil {
			select {
			case <-changed:
			case <-running.Done():
			}
		}
	}
	for _, one := range taps {
		one.tap.Close()
	}
	cancel()
	if failed := <-over; failed != nil {
		return failed
	}
	return err
}

// tapped is a track that is listened to.
type tapped struct {
	up   *uptrack.UpTrack
	tap  *room.Tap
	lane *source.Lane
}

// listen taps what is new, and leaves what is gone. A track is published anew, with
// another codec, if what comes is not what the answer has first.
func (s *session) listen(ctx context.Context, reception *source.Reception, taps map[livekit.TrackType]*tapped) error {
	all := s.participant().Published()
	for kind, one := range taps {
		if !slices.ContainsFunc(all, func(p room.Published) bool { return p.Up == one.up }) {
			one.tap.Close()
			one.lane.Close()
			delete(taps, kind)
		}
	}
	for _, t := range all {
		if taps[t.Info.Type] != nil {
			continue
		}
		tap, err := s.h.opts.Backstage.Tap(ctx, s.join.Room, t.Info.Sid, nil)
		if errors.Is(err, room.ErrTrackNotFound) || errors.Is(err, room.ErrRoomNotFound) || ctx.Err() != nil {
			continue // it is gone already
		}
		if err != nil {
			return fmt.Errorf("listen to the client: %w", err)
		}
		lane, err := reception.Track(tap.Codec.MimeType, tap.Codec.ClockRate, tap.ClockAt, tap.RequestKeyframe)
		if err != nil {
			tap.Close()
			return err
		}
		taps[t.Info.Type] = &tapped{t.Up, tap, lane}
		tap.Start(lane)
	}
	return nil
}

// mediaOf is what the client sends, by the answer.
func mediaOf(answer string, o *offer) (m source.Media, err error) {
	var d sdp.SessionDescription
	if err := d.UnmarshalString(answer); err != nil {
		return m, fmt.Errorf("BUG: read our own answer: %w", err)
	}
	for _, section := range d.MediaDescriptions {
		if section.MediaName.Port.Value == 0 {
			continue
		}
		switch section.MediaName.Media {
		case "video":
			m.Pictures = true
		case "audio":
			m.Sound = true
		}
	}
	for _, t := range o.tracks {
		m.Stereo = m.Stereo || t.Type == livekit.TrackType_AUDIO && t.Stereo //nolint:staticcheck // it is what offers are read into
	}
	if !m.Pictures && !m.Sound {
		return m, errRefused
	}
	return m, nil
}
