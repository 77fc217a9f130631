//go:build unix

package source

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/livekit/protocol/livekit"
	"google.golang.org/protobuf/proto"

	"github.com/rollcall-rtc/rollcall/internal/egress/container"
	"github.com/rollcall-rtc/rollcall/internal/egress/frames"
	"github.com/rollcall-rtc/rollcall/internal/eventlog"
	"github.com/rollcall-rtc/rollcall/internal/eventlog/memory"
	"github.com/rollcall-rtc/rollcall/internal/ingress"
	"github.com/rollcall-rtc/rollcall/internal/ingress/ffmpeg"
	"github.com/rollcall-rtc/rollcall/internal/ingress/rtmp"
	"github.com/rollcall-rtc/rollcall/internal/room"
)

// encoder is one that pushes by RTMP into a room of its own.
type encoder struct {
	*publication
	t        *testing.T
	sessions *ingress.Service
	rooms    *room.Registry
	log      *eventlog.Log
	at       time.Duration // of what it sends next
}

func pushes(t *testing.T, ffmpeg string, change ...func(*livekit.CreateIngressRequest)) *encoder {
	t.Helper()
	e := &encoder{t: t}
	logger := slog.New(slog.DiscardHandler)
	var err error
	if e.log, err = eventlog.Open(eventlog.Options{Store: memory.New()}); err != nil {
		t.Fatal(err)
	}
	e.rooms = room.NewRegistry(room.Options{
		Publish: e.log.Enqueue, Commit: e.log.Commit, Sync: e.log.Sync, ServerInfo: &livekit.ServerInfo{Version: "1.9.0"}, Logger: logger,
	})
	e.sessions, err = ingress.Start(t.Context(), ingress.Options{
		Rooms: e.rooms, Log: e.log, Logger: logger, URL: func(livekit.IngressInput, string) string { return "rtmp://here/live" },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if e.publication != nil {
			e.Close(nil)
		}
		ctx := context.WithoutCancel(t.Context())
		if err := errors.Join(e.sessions.Close(ctx), e.rooms.Close(ctx), e.log.Close(ctx)); err != nil {
			t.Error(err)
		}
	})
	req := &livekit.CreateIngressRequest{
		InputType: livekit.IngressInput_RTMP_INPUT, RoomName: "show", ParticipantIdentity: "encoder", Enabled: proto.Bool(true),
	}
	for _, f := range change {
		f(req)
	}
	info, err := e.sessions.Create(t.Context(), "", req)
	if err != nil {
		t.Fatal(err)
	}
	p, err := (&RTMP{Sessions: e.sessions, FFmpeg: ffmpeg, Logger: logger}).Publish(t.Context(), rtmp.Request{Key: info.StreamKey})
	if err != nil {
		t.Fatal(err)
	}
	e.publication = p.(*publication)
	return e
}

// sends has tags come that are so far apart.
func (e *encoder) sends(take func(time.Duration, []byte) error, apart time.Duration, bodies ...[]byte) {
	e.t.Helper()
	for _, body := range bodies {
		if err := take(e.at, body); err != nil {
			e.t.Fatalf("at %v: %v", e.at, err)
		}
		e.at += apart
	}
}

func (e *encoder) state() *livekit.IngressState {
	e.t.Helper()
	resp, err := e.sessions.List(e.t.Context(), &livekit.ListIngressRequest{})
	if err != nil || len(resp.Items) != 1 {
		e.t.Fatal(resp, err)
	}
	return resp.Items[0].State
}

// kinds are those of the tracks that the state names.
func (e *encoder) kinds() (all []string) {
	for _, track := range e.state().Tracks {
		all = append(all, strings.ToLower(track.Type.String()))
	}
	return all
}

// events are the names of those that the log has.
func (e *encoder) events() (names []string) {
	e.t.Helper()
	if err := e.log.Sync(e.t.Context(), e.log.Append()); err != nil {
		e.t.Fatal(err)
	}
	records, err := e.log.Read(e.t.Context(), 0, 1000)
	if err != nil {
		e.t.Fatal(err)
	}
	for _, rec := range records {
		names = append(names, string(rec.Name))
	}
	return names
}

// opus are tags of n packets of silence, by Enhanced RTMP.
func opus(n int) (bodies [][]byte) {
	for range n {
		bodies = append(bodies, []byte("\x91Opus\xfc\xff\xfe"))
	}
	return bodies
}

// Parameter sets of pictures of 320 by 180: of the baseline profile, which has no
// B-frames, and of the main profile, which does not say whether it has.
const (
	baseline = "\x67\x42\xc0\x0d\xda\x05\x06\x7e\x74"
	mainline = "\x67\x4d\x40\x0d\xf4\x0a\x0c\xfc\xe8"
)

// avc are the tags of n pictures, of which the first is a key frame.
func avc(t *testing.T, sps string, n int) (bodies [][]byte) {
	t.Helper()
	of, err := taggerOf(container.H264)
	if err != nil {
		t.Fatal(err)
	}
	unit := func(u string) string { return "\x00\x00\x00" + string(rune(len(u))) + u }
	for i := range n {
		data := unit("\x41\x9a\x02\x00")
		if i == 0 {
			data = unit(sps) + unit("\x68\xce\x3c\x80") + unit("\x65\x88\x84\x00")
		}
		bodies = append(bodies, of.of(frames.Frame{Key: i == 0, Data: []byte(data)})...)
	}
	return bodies
}

// shifted has pictures be shown later than they are decoded, by so many milliseconds.
func shifted(bodies [][]byte, by ...byte) [][]byte {
	for i, ms := range by {
		bodies[len(bodies)-len(by)+i][4] = ms
	}
	return bodies
}

const (
	beat  = 20 * time.Millisecond
	frame = 40 * time.Millisecond
)

// A camera may be slow to start, and so may a microphone: what comes later joins what is
// there, as a track of the same participant, and the rest goes on meanwhile.
func TestWhatComesLateJoins(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, first := range []string{"audio", "video"} {
			e := pushes(t, "")
			if first == "audio" {
				e.sends(e.Audio, beat, opus(150)...)
			} else {
				e.sends(e.Video, frame, avc(t, baseline, 75)...)
			}
			if d := cmp.Diff([]string{first}, e.kinds()); d != "" {
				t.Fatalf("at first (-want +got):\n%s", d)
			}
			before := e.state()
			if first == "audio" {
				e.sends(e.Video, 0, avc(t, baseline, 1)...)
				e.sends(e.Audio, beat, opus(1)...)
			} else {
				e.sends(e.Audio, beat, opus(2)...)
			}
			second := map[string]string{"audio": "video", "video": "audio"}[first]
			if d := cmp.Diff([]string{first, second}, e.kinds()); d != "" {
				t.Errorf("then (-want +got):\n%s", d)
			}
			state := e.state()
			if v := state.Video; v.GetMimeType() != "video/H264" || v.GetWidth() != 320 || v.GetHeight() != 180 || state.Audio.GetMimeType() != "audio/opus" {
				t.Errorf("the state is %v", state)
			}
			if state.ResourceId != before.ResourceId || state.Status != livekit.IngressState_ENDPOINT_PUBLISHING {
				t.Errorf("it was %v, and is %v", before, state)
			}
			people, err := e.rooms.ListParticipants(t.Context(), "show")
			if err != nil || len(people) != 1 || len(people[0].Tracks) != 2 || people[0].Tracks[0].Sid != state.Tracks[0].Sid {
				t.Errorf("in the room are %v, %v", people, err)
			}
			if d := cmp.Diff([]string{"room_started", "participant_connecting", "participant_joined", "track_published", "ingress_started", "track_published"}, e.events()); d != "" {
				t.Errorf("events (-want +got):\n%s", d)
			}

			// Another codec in the middle is no track that joins.
			if err := e.Video(e.at, keyVP8(320, 180)); err == nil || !strings.Contains(err.Error(), "changed from H264 to VP8") {
				t.Errorf("a change of the codec: %v", err)
			}
			e.sends(e.Audio, beat, []byte{0xaf, 0, 0x12, 0x10}, []byte{0xaf, 1, 0x21})
			if n := len(e.state().Tracks); n != 2 {
				t.Errorf("with other sound there are %d tracks", n)
			}
		}
	})
}

// What comes late and has to be encoded has a child of its own: that of what is there
// already goes on.
func TestLateTracksAreEncodedByThemselves(t *testing.T) {
	t.Parallel()
	aac := [][]byte{{0xaf, 0, 0x12, 0x10}, {0xaf, 1, 0x21}} // 44.1 kHz, stereo
	for name, tc := range map[string]struct {
		pictures [][]byte
		video    *livekit.IngressVideoOptions
	}{
		"B-frames that show in the middle": {shifted(avc(t, mainline, 4), 0, 80, 0, 40), nil},
		"a preset": {avc(t, baseline, 1), &livekit.IngressVideoOptions{EncodingOptions: &livekit.IngressVideoOptions_Preset{
			Preset: livekit.IngressVideoEncodingPreset_H264_720P_30FPS_1_LAYER,
		}}},
	} {
		e := pushes(t, frozen(t), func(r *livekit.CreateIngressRequest) { r.Video = tc.video })
		e.sends(e.Audio, 600*time.Millisecond, aac...)
		e.sends(e.Audio, beat, aac[1])
		voice := e.feed.voice
		if voice == nil || e.feed.painter != nil {
			t.Fatalf("%s: sound has no child", name)
		}
		e.sends(e.Video, frame, tc.pictures...)
		if f := e.feed; f.voice != voice || f.painter == nil || f.painter == voice || len(f.children) != 2 {
			t.Errorf("%s: %d children; the voice is the same: %v", name, len(f.children), f.voice == voice)
		}
		if people, err := e.rooms.ListParticipants(t.Context(), "show"); err != nil || len(people) != 1 || len(people[0].Tracks) != 2 {
			t.Errorf("%s: in the room are %v, %v", name, people, err)
		}
		e.feed.close(true)
	}
}

// Late pictures whose order nothing tells are kept for a few, not for ever.
func TestLatePicturesOfUnknownOrderAreForwardedSoon(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := pushes(t, "")
		e.sends(e.Audio, beat, opus(50)...)
		pictures := avc(t, mainline, gatherFrames)
		e.sends(e.Video, 2500*time.Millisecond, pictures[0]) // the configuration, long before
		e.sends(e.Video, frame, pictures[1:gatherFrames]...)
		if e.feed.video != nil {
			t.Error("they are published before their order is known")
		}
		e.sends(e.Audio, beat, opus(1)...)
		e.sends(e.Video, frame, pictures[gatherFrames])
		if e.feed.video == nil || len(e.feed.gathered) > 0 || e.feed.encoding {
			t.Error("they are not forwarded")
		}
	})
}

// What a late track needs and is not there is named, as at the beginning.
func TestLateTrackThatCannotBeEncodedIsNamed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := pushes(t, "/nonexistent/ffmpeg")
		e.sends(e.Audio, beat, opus(50)...)
		var err error
		for _, body := range shifted(avc(t, mainline, 4), 0, 80, 0, 40) {
			if err = e.Video(e.at, body); err != nil {
				break
			}
		}
		if !errors.Is(err, ffmpeg.ErrMissing) || !strings.Contains(err.Error(), "video with B-frames") {
			t.Error(err)
		}

		e = pushes(t, "/nonexistent/ffmpeg")
		e.sends(e.Video, frame, avc(t, baseline, 25)...)
		if err := e.Audio(e.at, []byte{0xaf, 0, 0x12, 0x10}); !errors.Is(err, ffmpeg.ErrMissing) || !strings.Contains(err.Error(), "AAC audio") {
			t.Error(err)
		}
	})
}
