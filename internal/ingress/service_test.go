package ingress

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/livekit/protocol/livekit"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"
)

func TestEndpointIsKeptThroughRestarts(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, nil)
		made := r.create(func(req *livekit.CreateIngressRequest) {
			req.Video = &livekit.IngressVideoOptions{Source: livekit.TrackSource_SCREEN_SHARE, EncodingOptions: &livekit.IngressVideoOptions_Preset{
				Preset: livekit.IngressVideoEncodingPreset_H264_1080P_30FPS_1_LAYER}}
			req.Audio = &livekit.IngressAudioOptions{Name: "mixer", EncodingOptions: &livekit.IngressAudioOptions_Options{
				Options: &livekit.IngressAudioEncodingOptions{Channels: 2, Bitrate: 96_000}}}
		})
		if !made.Reusable || !made.GetEnableTranscoding() || made.Url != "http://here/RTMP_INPUT" || !strings.HasPrefix(made.IngressId, "IN_") {
			t.Errorf("made %v", made)
		}
		changed, err := r.Update(t.Context(), &livekit.UpdateIngressRequest{
			IngressId: made.IngressId, RoomName: "hall", ParticipantIdentity: "other", Enabled: proto.Bool(false),
			Audio: &livekit.IngressAudioOptions{Name: "desk"},
		})
		if err != nil {
			t.Fatal(err)
		}
		want := proto.CloneOf(made)
		want.RoomName, want.ParticipantIdentity, want.Enabled, want.Audio = "hall", "other", proto.Bool(false), &livekit.IngressAudioOptions{Name: "desk"}
		if d := cmp.Diff(want, changed, protocmp.Transform()); d != "" {
			t.Errorf("changed (-want +got):\n%s", d)
		}
		second := r.create(func(req *livekit.CreateIngressRequest) { req.ParticipantIdentity = "second" })

		again := newRig(t, r.crash())
		list := func(req *livekit.ListIngressRequest) (ids []string) {
			resp, err := again.List(t.Context(), req)
			if err != nil {
				t.Fatal(err)
			}
			for _, i := range resp.Items {
				ids = append(ids, i.IngressId)
			}
			return ids
		}
		if d := cmp.Diff([]string{made.IngressId}, list(&livekit.ListIngressRequest{RoomName: "hall"})); d != "" {
			t.Error(d)
		}
		if n := len(list(&livekit.ListIngressRequest{})); n != 2 {
			t.Errorf("%d endpoints", n)
		}
		resp, err := again.List(t.Context(), &livekit.ListIngressRequest{IngressId: made.IngressId})
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(changed, resp.Items[0], protocmp.Transform()); d != "" {
			t.Errorf("after a restart (-want +got):\n%s", d)
		}
		if _, err := again.Admit(Source{Key: made.StreamKey, Input: made.InputType}); !errors.Is(err, ErrDisabled) {
			t.Errorf("a disabled endpoint admits: %v", err)
		}
		again.admit(second).End(nil)
		if _, err := again.Delete(t.Context(), second.IngressId); err != nil {
			t.Fatal(err)
		}
		if _, err := again.Admit(Source{Key: second.StreamKey, Input: second.InputType}); !errors.Is(err, ErrUnknownKey) {
			t.Errorf("a deleted endpoint admits: %v", err)
		}
		third := newRig(t, again.crash())
		if resp, err := third.List(t.Context(), &livekit.ListIngressRequest{}); err != nil || len(resp.Items) != 1 {
			t.Errorf("%v %v", resp, err)
		}
	})
}

func TestDeleteEndsWhatIsLive(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, nil)
		info := r.create()
		x := r.admit(info)
		r.publish(x)
		if _, err := r.Delete(t.Context(), info.IngressId); err != nil {
			t.Fatal(err)
		}
		if !errors.Is(x.Cause(), ErrDeleted) {
			t.Error(x.Cause())
		}
		r.wantEvents("a deletion", append(through, "ingress_ended INACTIVE")...)
		again := newRig(t, r.crash())
		if resp, err := again.List(t.Context(), &livekit.ListIngressRequest{}); err != nil || len(resp.Items) != 0 {
			t.Errorf("%v %v", resp, err)
		}
	})
}

func TestWhatCannotBeIsRefusedInLiveKitsWords(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, nil, func(o *Options) {
			o.Pull = func(context.Context, *Session) error { return nil }
			o.CheckURL = func(string) error { return errors.New("invalid url scheme gopher") }
			o.MaxEndpoints = 1
		})
		layer := func(q livekit.VideoQuality, w, h uint32) *livekit.VideoLayer {
			return &livekit.VideoLayer{Quality: q, Width: w, Height: h}
		}
		layered := func(layers ...*livekit.VideoLayer) func(*livekit.CreateIngressRequest) {
			return func(req *livekit.CreateIngressRequest) {
				req.Video = &livekit.IngressVideoOptions{EncodingOptions: &livekit.IngressVideoOptions_Options{
					Options: &livekit.IngressVideoEncodingOptions{Layers: layers}}}
			}
		}
		for _, c := range []struct {
			change func(*livekit.CreateIngressRequest)
			code   Code
			says   string
		}{
			{func(req *livekit.CreateIngressRequest) { req.ParticipantIdentity = "" }, InvalidArgument, "no participant identity"},
			{func(req *livekit.CreateIngressRequest) { req.InputType = 9 }, Unimplemented, ""},
			{func(req *livekit.CreateIngressRequest) { req.InputType = livekit.IngressInput_URL_INPUT }, InvalidArgument, "missing URL parameter"},
			{func(req *livekit.CreateIngressRequest) {
				req.InputType, req.Url = livekit.IngressInput_URL_INPUT, "gopher://x"
			}, InvalidArgument, "invalid url scheme gopher"},
			{func(req *livekit.CreateIngressRequest) { req.EnableTranscoding = proto.Bool(false) }, InvalidArgument, "bypassing transcoding impossible"},
			{func(req *livekit.CreateIngressRequest) {
				req.InputType = livekit.IngressInput_WHIP_INPUT
				req.Audio = &livekit.IngressAudioOptions{EncodingOptions: &livekit.IngressAudioOptions_Preset{}}
			}, InvalidArgument, "audio encoding options must be empty"},
			{func(req *livekit.CreateIngressRequest) {
				req.InputType, req.Video = livekit.IngressInput_WHIP_INPUT, &livekit.IngressVideoOptions{EncodingOptions: &livekit.IngressVideoOptions_Preset{}}
			}, InvalidArgument, "video encoding options must be empty"},
			{func(req *livekit.CreateIngressRequest) {
				req.Video = &livekit.IngressVideoOptions{Source: livekit.TrackSource_MICROPHONE}
			}, InvalidArgument, "invalid track source"},
			{func(req *livekit.CreateIngressRequest) {
				req.Audio = &livekit.IngressAudioOptions{EncodingOptions: &livekit.IngressAudioOptions_Options{Options: &livekit.IngressAudioEncodingOptions{Channels: 6}}}
			}, InvalidArgument, "invalid audio channel count"},
			{func(req *livekit.CreateIngressRequest) {
				req.Video = &livekit.IngressVideoOptions{EncodingOptions: &livekit.IngressVideoOptions_Preset{Preset: 99}}
			}, InvalidArgument, "invalid preset"},
			{layered(layer(livekit.VideoQuality_LOW, 641, 480)), InvalidArgument, "layer width must be even"},
			{layered(layer(livekit.VideoQuality_LOW, 0, 480)), InvalidArgument, "invalid output media dimensions"},
			{layered(layer(livekit.VideoQuality_LOW, 640, 480), layer(livekit.VideoQuality_LOW, 320, 240)), InvalidArgument, "same quality"},
			{layered(layer(livekit.VideoQuality_LOW, 640, 480), layer(livekit.VideoQuality_HIGH, 320, 480)), InvalidArgument, "increasing width"},
		} {
			req := &livekit.CreateIngressRequest{InputType: livekit.IngressInput_RTMP_INPUT, RoomName: "show", ParticipantIdentity: "encoder"}
			c.change(req)
			_, err := r.Create(t.Context(), "http://here", req)
			var refused *Error
			if !errors.As(err, &refused) || c.code != refused.Code && c.says != "" || !strings.Contains(err.Error(), c.says) {
				t.Errorf("%v: %v, want %s %q", req, err, c.code, c.says)
			}
		}
		info := r.create()
		if _, err := r.Create(t.Context(), "http://here", &livekit.CreateIngressRequest{RoomName: "show", ParticipantIdentity: "x"}); !errors.As(err, new(*Error)) {
			t.Errorf("one too many: %v", err)
		}
		if _, err := r.Update(t.Context(), &livekit.UpdateIngressRequest{IngressId: "IN_none"}); err == nil || err.Error() != "ingress does not exist" {
			t.Error(err)
		}
		if _, err := r.Update(t.Context(), &livekit.UpdateIngressRequest{IngressId: info.IngressId, EnableTranscoding: proto.Bool(false)}); err == nil {
			t.Error("changed to what cannot be")
		}
	})
}

func TestURLIsPulledAtOnceAndOnlyOnce(t *testing.T) {
	for name, c := range map[string]struct {
		result error
		want   livekit.IngressState_Status
	}{
		"to its end": {nil, livekit.IngressState_ENDPOINT_COMPLETE},
		"in vain":    {errors.New("404 Not Found"), livekit.IngressState_ENDPOINT_ERROR},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				var r *rig
				goOn := make(chan struct{})
				r = newRig(t, nil, func(o *Options) {
					o.Pull = func(ctx context.Context, x *Session) error {
						r.publish(x)
						<-goOn
						return c.result
					}
				})
				info := r.create(func(req *livekit.CreateIngressRequest) {
					req.InputType, req.Url = livekit.IngressInput_URL_INPUT, "https://example.com/film.mp4"
				})
				if info.Reusable || info.StreamKey != "" || info.State.Status != livekit.IngressState_ENDPOINT_BUFFERING {
					t.Errorf("made %v", info)
				}
				sleep(watchInterval)
				r.wantStatus(info.IngressId, livekit.IngressState_ENDPOINT_PUBLISHING)
				if _, err := r.Update(t.Context(), &livekit.UpdateIngressRequest{IngressId: info.IngressId, Name: "x"}); err == nil {
					t.Error("one of a URL was changed")
				}
				close(goOn)
				sleep(watchInterval)
				r.wantStatus(info.IngressId, c.want)
				r.wantEvents("one pull", append(through, "ingress_ended "+strings.TrimPrefix(c.want.String(), "ENDPOINT_"))...)
				sleep(keepEnded + 1)
				if resp, err := r.List(t.Context(), &livekit.ListIngressRequest{}); err != nil || len(resp.Items) != 0 {
					t.Errorf("a day later: %v %v", resp, err)
				}
			})
		})
	}
}

// What has ended is listed for a day, but keeps nobody from making new endpoints.
func TestWhatHasEndedMakesRoom(t *testing.T) {
	bubble(t, func(t *testing.T) {
		goOn := make(chan struct{})
		r := newRig(t, nil, func(o *Options) {
			o.MaxEndpoints = 3
			o.Pull = func(ctx context.Context, x *Session) error {
				if x.Info().Name != "long" {
					return nil
				}
				select {
				case <-goOn:
				case <-ctx.Done():
				}
				return context.Cause(ctx)
			}
		})
		pull := func(name string) *livekit.IngressInfo {
			info := r.create(func(req *livekit.CreateIngressRequest) {
				req.Name, req.InputType, req.Url = name, livekit.IngressInput_URL_INPUT, "https://example.com/film.mp4"
			})
			sleep(watchInterval)
			return info
		}
		names := func(service *Service) (all []string) {
			resp, err := service.List(t.Context(), &livekit.ListIngressRequest{})
			if err != nil {
				t.Fatal(err)
			}
			for _, i := range resp.Items {
				all = append(all, i.Name)
			}
			return all
		}
		pull("long")
		for _, name := range []string{"a", "b", "c", "d"} {
			pull(name)
		}
		if d := cmp.Diff([]string{"long", "c", "d"}, names(r.Service)); d != "" {
			t.Error(d)
		}
		r.create() // studio
		r.create()
		if d := cmp.Diff([]string{"long", "studio", "studio"}, names(r.Service)); d != "" {
			t.Error(d)
		}
		var refused *Error
		if _, err := r.Create(t.Context(), "http://here", &livekit.CreateIngressRequest{RoomName: "show", ParticipantIdentity: "x"}); !errors.As(err, &refused) || refused.Code != ResourceExhausted {
			t.Errorf("one too many: %v", err)
		}
		close(goOn)
		sleep(watchInterval)
		r.create()
		if d := cmp.Diff([]string{"studio", "studio", "studio"}, names(newRig(t, r.crash()).Service)); d != "" {
			t.Errorf("after a restart: %s", d)
		}
	})
}

func TestPullEndsWithItsEndpointAndWithTheServer(t *testing.T) {
	for name, end := range map[string]func(r *rig, id string) error{
		"deleted": func(r *rig, id string) error { _, err := r.Delete(r.t.Context(), id); return err },
		"stopped": func(r *rig, _ string) error { return r.Service.Close(context.Background()) },
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				var r *rig
				ended := make(chan struct{})
				r = newRig(t, nil, func(o *Options) {
					o.Pull = func(ctx context.Context, x *Session) error {
						r.publish(x)
						<-ctx.Done()
						close(ended)
						return context.Cause(ctx)
					}
				})
				info := r.create(func(req *livekit.CreateIngressRequest) {
					req.InputType, req.Url = livekit.IngressInput_URL_INPUT, "https://example.com/film.mp4"
				})
				sleep(watchInterval)
				if err := end(r, info.IngressId); err != nil {
					t.Fatal(err)
				}
				<-ended
				if n := count(r.events(), "ingress_started PUBLISHING"); n != 1 {
					t.Errorf("%d starts", n)
				}
			})
		})
	}
}
