package ingress

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/livekit/protocol/livekit"
)

// Sound flows while pictures are expected; the start is told with both, or without
// pictures if they do not come in time. Those that come later are named by the state.
func TestStartWaitsForTracksThatAreExpected(t *testing.T) {
	for name, c := range map[string]struct {
		after  time.Duration // of pictures, from the sound on
		told   int           // tracks at the start
		events []string
	}{
		"in time": {400 * time.Millisecond, 2, []string{
			"room_started", "participant_joined", "track_published", "track_published", "ingress_started PUBLISHING",
		}},
		"late": {1500 * time.Millisecond, 1, []string{
			"room_started", "participant_joined", "track_published", "ingress_started PUBLISHING", "track_published",
		}},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				r := newRig(t, nil)
				info := r.create()
				x := r.admit(info)
				if err := x.Join(t.Context()); err != nil {
					t.Fatal(err)
				}
				x.Expects(time.Second)
				sound, err := x.Publish(t.Context(), Format{MimeType: "audio/opus"})
				if err != nil {
					t.Fatal(err)
				}
				var pictures *Track
				began, started := time.Now(), -1
				for pts := time.Duration(0); pts < 2*time.Second; pts += 20 * time.Millisecond {
					if pictures == nil && pts >= c.after {
						if pictures, err = x.Publish(t.Context(), Format{MimeType: "video/H264"}); err != nil {
							t.Fatal(err)
						}
						x.Expects(0)
					}
					if err := sound.WriteSample(Sample{Data: []byte{0xfc, 1, 2}, PTS: pts}); err != nil {
						t.Fatal(err)
					}
					if state := r.state(info.IngressId); started < 0 && state.Status == livekit.IngressState_ENDPOINT_PUBLISHING {
						if started = len(state.Tracks); time.Since(began) > time.Second+20*time.Millisecond {
							t.Errorf("the start is told after %v", time.Since(began))
						}
					}
					sleep(20 * time.Millisecond)
				}
				if started != c.told {
					t.Errorf("the start has %d tracks, want %d", started, c.told)
				}
				if state := r.state(info.IngressId); len(state.Tracks) != 2 {
					t.Errorf("in the end there are %v", state.Tracks)
				}
				r.wantEvents(name, c.events...)
				x.End(nil)
			})
		})
	}
}

// Not every ffmpeg encodes to VP8: who asks for it is told at once.
func TestCodecThatIsNotThereIsRefused(t *testing.T) {
	bubble(t, func(t *testing.T) {
		asked := 0
		r := newRig(t, nil, func(o *Options) {
			o.CheckVideo = func(context.Context, *livekit.IngressVideoOptions) error { asked++; return errors.New("no libvpx") }
		})
		options := func(codec livekit.VideoCodec) *livekit.IngressVideoOptions {
			return &livekit.IngressVideoOptions{EncodingOptions: &livekit.IngressVideoOptions_Options{Options: &livekit.IngressVideoEncodingOptions{VideoCodec: codec}}}
		}
		_, err := r.Create(t.Context(), "http://here", &livekit.CreateIngressRequest{RoomName: "show", ParticipantIdentity: "encoder", Video: options(livekit.VideoCodec_VP8)})
		refused := func(err error) bool {
			var e *Error
			return errors.As(err, &e) && e.Code == FailedPrecondition
		}
		if !refused(err) {
			t.Errorf("made: %v", err)
		}
		info := r.create(func(req *livekit.CreateIngressRequest) { req.Video = options(livekit.VideoCodec_H264_BASELINE) })
		if _, err := r.Update(t.Context(), &livekit.UpdateIngressRequest{IngressId: info.IngressId, Video: options(livekit.VideoCodec_VP8)}); !refused(err) {
			t.Errorf("changed: %v", err)
		}
		if asked != 2 {
			t.Errorf("asked %d times", asked)
		}
	})
}

// Whoever is the first to find that media flows, the start is told with the tracks.
func TestStartIsToldWithItsTracks(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, nil)
		info := r.create()
		x := r.admit(info)
		if err := x.Join(t.Context()); err != nil {
			t.Fatal(err)
		}
		if _, err := x.Publish(t.Context(), Format{MimeType: "audio/opus"}); err != nil {
			t.Fatal(err)
		}
		x.Alive()
		x.media.Store(true) // as flows does, which then tells it
		x.look(time.Now())
		if state := r.state(info.IngressId); state.Status != livekit.IngressState_ENDPOINT_PUBLISHING || len(state.Tracks) != 1 {
			t.Errorf("it is %v", state)
		}
	})
}
