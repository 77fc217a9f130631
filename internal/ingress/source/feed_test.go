//go:build unix

package source

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/livekit/protocol/livekit"
	"google.golang.org/protobuf/proto"

	"github.com/rollcall-rtc/rollcall/internal/eventlog"
	"github.com/rollcall-rtc/rollcall/internal/eventlog/memory"
	"github.com/rollcall-rtc/rollcall/internal/ingress"
	"github.com/rollcall-rtc/rollcall/internal/ingress/ffmpeg"
	"github.com/rollcall-rtc/rollcall/internal/ingress/flv"
	"github.com/rollcall-rtc/rollcall/internal/testkit/script"
)

// session is one that nobody has joined a room with.
func session(t *testing.T) *ingress.Session {
	t.Helper()
	log, err := eventlog.Open(eventlog.Options{Store: memory.New()})
	if err != nil {
		t.Fatal(err)
	}
	s, err := ingress.Start(t.Context(), ingress.Options{
		Log: log, Logger: slog.New(slog.DiscardHandler),
		URL: func(livekit.IngressInput, string) string { return "rtmp://here/live" },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx := context.WithoutCancel(t.Context())
		if err := errors.Join(s.Close(ctx), log.Close(ctx)); err != nil {
			t.Error(err)
		}
	})
	info, err := s.Create(t.Context(), "", &livekit.CreateIngressRequest{
		InputType: livekit.IngressInput_RTMP_INPUT, RoomName: "show", ParticipantIdentity: "encoder", Enabled: proto.Bool(true),
	})
	if err != nil {
		t.Fatal(err)
	}
	x, err := s.Admit(ingress.Source{Key: info.StreamKey, Input: info.InputType})
	if err != nil {
		t.Fatal(err)
	}
	return x
}

// frozen is a program that does nothing.
func frozen(t *testing.T) string {
	t.Helper()
	return script.Write(t, t.TempDir(), "ffmpeg", "exec sleep 3600\n")
}

// A child that takes nothing is given up, and so is one that says nothing.
func TestFrozenChildrenAreGivenUp(t *testing.T) {
	t.Parallel()
	f := newFeed(session(t), frozen(t), nil, slog.New(slog.DiscardHandler))
	if err := f.startChild(ffmpeg.Job{Sound: true, Opus: &ffmpeg.Opus{Bitrate: 64_000, Channels: 1}}); err != nil {
		t.Fatal(err)
	}
	var err error
	for err == nil {
		err = f.voice.Write(flv.TypeAudio, 0, make([]byte, 1<<20))
	}
	if !errors.Is(err, ffmpeg.ErrStuck) {
		t.Error(err)
	}
	f.close(false)

	p := &Puller{FFmpeg: frozen(t), Logger: slog.New(slog.DiscardHandler), mute: 50 * time.Millisecond}
	if err := p.run(t.Context(), session(t), ffmpeg.Input{URL: "srt://127.0.0.1:1"}, nil); !errors.Is(err, errMute) {
		t.Error(err)
	}
}

// A child that reads nothing has its writer wait, but not beyond the session's end.
func TestFrozenChildEndsWithItsSession(t *testing.T) {
	t.Parallel()
	x := session(t)
	f := newFeed(x, frozen(t), nil, slog.New(slog.DiscardHandler))
	if err := f.startChild(ffmpeg.Job{Sound: true, Opus: &ffmpeg.Opus{Bitrate: 64_000, Channels: 1}}); err != nil {
		t.Fatal(err)
	}
	defer f.voice.Kill()
	failed := make(chan error, 1)
	go func() {
		for {
			if err := f.voice.Write(flv.TypeAudio, 0, make([]byte, 1<<20)); err != nil {
				failed <- err
				return
			}
		}
	}()
	x.End(nil)
	select {
	case <-failed:
	case <-time.After(30 * time.Second):
		t.Fatal("it is still written to")
	}
	f.close(false)
}

// A source that goes on with another codec is told, and not shown as what it was, also
// where frames alone say so: a WHIP client may publish its track anew.
func TestChangeOfTheCodecIsNoticedByFramesAlone(t *testing.T) {
	avc := []byte("\x17\x01\x00\x00\x00\x00\x00\x00\x04\x65\x88\x84\x00")
	vp9 := []byte("\x91vp09\x82\x49\x83\x42")
	av1 := []byte("\x91av01\x0a\x01\x00")
	vp8 := keyVP8(320, 180)
	for _, tc := range []struct {
		was  flv.Codec
		body []byte
		want string
	}{
		{flv.VP8, vp8, ""}, {flv.VP8, vp9, "from VP8 to VP9"}, {flv.VP9, av1, "from VP9 to AV1"},
		{flv.AV1, vp8, "from AV1 to VP8"}, {flv.H264, vp8, "from H264 to VP8"}, {flv.VP8, avc, "from VP8 to H264"}, {flv.H264, avc, ""},
	} {
		for _, encoding := range []bool{true, false} {
			f := newFeed(session(t), "", nil, slog.New(slog.DiscardHandler))
			f.started, f.pictures = true, &picture{codec: tc.was, width: 320, height: 180, order: ordered}
			f.video, f.layers = new(ingress.Track), []*layer{{write: func([]byte, time.Duration) error { return nil }}}
			if encoding {
				f.ffmpeg, f.encoding = frozen(t), true
				if err := f.startChild(ffmpeg.Job{Pictures: true, PicturesAs: f.pictures.stream(), Layers: []ffmpeg.Layer{{Bitrate: 300_000}}}); err != nil {
					t.Fatal(err)
				}
			}
			if err := f.take(t.Context(), flv.TypeVideo, 0, tc.body); (err == nil) != (tc.want == "") || err != nil && !strings.Contains(err.Error(), tc.want) {
				t.Errorf("%s: %v, want %q", tc.was, err, tc.want)
			}
			f.close(true)
		}
	}
}

// A source that never says what it has is not kept whole.
func TestWhatIsGatheredIsBoundedInBytes(t *testing.T) {
	f := newFeed(nil, "", nil, slog.New(slog.DiscardHandler))
	body := append([]byte{0xaf, 1}, make([]byte, 8<<20)...) // AAC, without its configuration
	tag, err := flv.ParseAudio(body)
	if err != nil || tag.Kind != flv.Frame {
		t.Fatal(tag.Kind, err)
	}
	for n := range maxGathered {
		if err = f.gather(t.Context(), flv.TypeAudio, 0, body, tag); err != nil {
			break
		}
		if n > maxGatheredBytes/len(body) {
			t.Fatalf("%d tags of %d bytes are kept", n, len(body))
		}
	}
	if !errors.Is(err, errNothing) {
		t.Error(err)
	}
}
