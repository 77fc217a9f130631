package ingress

import (
	"bytes"
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/livekit/protocol/livekit"
)

const (
	video = livekit.TrackType_VIDEO
	audio = livekit.TrackType_AUDIO
)

// decoded is how many pictures of a stream in a format of ffmpeg's decode, and how large
// they are.
func decoded(t *testing.T, format string, stream []byte) (n int, size string) {
	t.Helper()
	cmd := exec.Command("ffprobe", "-v", "error", "-f", format, "-count_frames", "-select_streams", "v", "-show_entries", "stream=nb_read_frames,width,height", "-of", "csv=p=0", "-i", "pipe:0")
	cmd.Stdin = bytes.NewReader(stream)
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("ffprobe: %v", err)
	}
	var w, h int
	if _, err := fmt.Sscanf(strings.ReplaceAll(strings.TrimSpace(string(out)), ",", " "), "%d %d %d", &w, &h, &n); err != nil {
		t.Fatalf("ffprobe said %q", out)
	}
	return n, fmt.Sprintf("%dx%d", w, h)
}

// card and tone are what is pushed.
func card(size string, b int, seconds int) []string {
	return []string{
		"-re", "-f", "lavfi", "-i", "testsrc2=s=" + size + ":r=30", "-f", "lavfi", "-i", "sine=440:r=44100", "-t", fmt.Sprint(seconds),
		"-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-bf", fmt.Sprint(b), "-g", "30", "-c:a", "aac",
	}
}

// oneGroup is the card with one key frame. What comes after the last one is kept for a
// viewer who is late on a busy machine, so that nothing is missed.
func oneGroup(size string, b, seconds int) []string {
	return append(card(size, b, seconds), "-g", "300")
}

func TestWhatIsPushedIsSeenAndHeard(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name, size, seen string
		b                int
		channels         string
	}{
		{"passed through", "320x180", "320x180", 0, "2"},
		{"of an odd size, mono", "322x182", "322x182", 0, "1"},
		{"with B-frames", "322x182", "322x182", 2, "1"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			s := start(t)
			info := s.create()
			v := s.view("show")
			p := s.push(info, append(oneGroup(tc.size, tc.b, 4), "-ac", tc.channels)...)
			eventually(t, "it publishes", func() bool { return s.state(info.IngressId).Status == livekit.IngressState_ENDPOINT_PUBLISHING })
			state := s.state(info.IngressId)
			if state.Video.GetMimeType() != "video/H264" || state.Audio.GetMimeType() != "audio/aac" || fmt.Sprintf("%dx%d", state.Video.GetWidth(), state.Video.GetHeight()) != tc.size {
				t.Errorf("%+v", state)
			}
			p.wait()
			eventually(t, "it ends", func() bool { return s.state(info.IngressId).Status == livekit.IngressState_ENDPOINT_INACTIVE })
			pictures, sound := v.got(video), v.got(audio)
			n, size := decoded(t, "h264", pictures.bytes)
			if pictures.frames < 115 || n < 115 || size != tc.seen {
				t.Errorf("%d pictures came, %d of %s decode", pictures.frames, n, size)
			}
			// When sound begins depends on how soon a busy machine has a child decode it:
			// what it has to catch up with is left out.
			wantSteps(t, "sound", sound.stamps, 48_000, 100)
			if sound.codec != "audio/opus" || sound.frames < 40 {
				t.Fatalf("%d packets of %s came", sound.frames, sound.codec)
			}
			const ticks = 960 // of 20 ms
			if want := int(sound.all[sound.frames-1].Timestamp-sound.all[0].Timestamp)/ticks + 1; sound.frames < want*98/100 {
				t.Errorf("of %d packets of sound %d came", want, sound.frames)
			}
			for _, kind := range v.people {
				if kind != livekit.ParticipantInfo_INGRESS {
					t.Errorf("the participant is a %s", kind)
				}
			}
		})
	}
}

// Whose sound is loud speaks, and who is silent does not.
func TestLoudSourcesAreActiveSpeakers(t *testing.T) {
	t.Parallel()
	s := start(t)
	v := s.view("show")
	info := s.create()
	p := s.push(info, "-re", "-f", "lavfi", "-i", "aevalsrc='0.5*sin(2*PI*440*t)*between(t,2,4)':s=48000", "-t", "6", "-c:a", "aac")
	p.wait()
	eventually(t, "it ends", func() bool { return s.state(info.IngressId).Status == livekit.IngressState_ENDPOINT_INACTIVE })
	v.mu.Lock()
	defer v.mu.Unlock()
	spoke := slices.CompactFunc(v.spoke, slices.Equal) // levels change meanwhile
	if want := [][]string{{"encoder"}, nil}; !cmp.Equal(want, spoke, cmpopts.EquateEmpty()) {
		t.Errorf("speakers were %v", v.spoke)
	}
}

func TestPresetMakesLayers(t *testing.T) {
	t.Parallel()
	s := start(t)
	info := s.create(func(r *livekit.CreateIngressRequest) {
		r.Video = &livekit.IngressVideoOptions{EncodingOptions: &livekit.IngressVideoOptions_Preset{Preset: livekit.IngressVideoEncodingPreset_H264_540P_25FPS_2_LAYERS}}
	})
	v := s.view("show")
	p := s.push(info, card("640x360", 0, 4)...)
	p.wait()
	pictures := v.got(video)
	n, size := decoded(t, "h264", pictures.bytes)
	if n < 60 || size != "640x360" && size != "320x180" {
		t.Errorf("%d pictures of %s decode", n, size)
	}
}

func TestEncoderIsToldWhyItIsRefused(t *testing.T) {
	t.Parallel()
	s := start(t)
	info := s.create()
	info.StreamKey = "wrong"
	p := s.push(info, card("320x180", 0, 1)...)
	if err := p.cmd.Wait(); err == nil || !strings.Contains(p.out.String(), "there is no ingress with this stream key") {
		t.Errorf("%v: %s", err, p.out.String())
	}
}

// Without ffmpeg on the server, what needs it is refused by name, and the rest works.
func TestMissingProgramIsNamed(t *testing.T) {
	t.Parallel()
	s := start(t, "ingress: {rtmp: {port: -1}, ffmpeg: /nonexistent/ffmpeg}")
	info := s.create()
	p := s.push(info, card("320x180", 0, 5)...)
	eventually(t, "it fails", func() bool { return s.state(info.IngressId).Status == livekit.IngressState_ENDPOINT_ERROR })
	if e := s.state(info.IngressId).Error; !strings.Contains(e, "Debian package ffmpeg") {
		t.Error(e)
	}
	_ = p.cmd.Wait()

	v := s.view("show")
	p = s.push(info, append(oneGroup("320x180", 0, 3), "-an")...)
	p.wait()
	if n, _ := decoded(t, "h264", v.got(video).bytes); n < 80 {
		t.Errorf("%d pictures decode", n)
	}
}

// A source that stops for a while goes on in the same participant.
func TestStalledSourceComesBack(t *testing.T) {
	t.Parallel()
	s := start(t)
	info := s.create()
	v := s.view("show")
	p := s.push(info, card("320x180", 0, 30)...)
	status := func() livekit.IngressState_Status { return s.state(info.IngressId).Status }
	eventually(t, "pictures", func() bool { return v.got(video).frames > 10 })
	pause(t, p.cmd.Process)
	eventually(t, "it buffers", func() bool { return status() == livekit.IngressState_ENDPOINT_BUFFERING })
	before := v.got(video).frames
	resume(t, p.cmd.Process)
	eventually(t, "it goes on", func() bool {
		return status() == livekit.IngressState_ENDPOINT_PUBLISHING && v.got(video).frames > before+30
	})
	if k := v.got(video); k.tracks != 1 {
		t.Errorf("%d tracks", k.tracks)
	}
	if _, err := s.api.DeleteIngress(t.Context(), &livekit.DeleteIngressRequest{IngressId: info.IngressId}); err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() { _ = p.cmd.Wait(); close(done) }()
	select {
	case <-done:
	case <-time.After(patience):
		t.Error("the encoder is still connected")
	}
}
