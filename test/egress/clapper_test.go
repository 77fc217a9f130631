package egress

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/livekit/protocol/livekit"

	"github.com/rollcall-rtc/rollcall/client"
	"github.com/rollcall-rtc/rollcall/client/mediafile"
	"github.com/rollcall-rtc/rollcall/internal/token"
)

// The clip: ten seconds, with a flash and a beep of a tenth of a second in the middle
// of each second. It is repeated.
const (
	clipFlash = "color=black:s=320x180:r=30,drawbox=c=white:t=fill:enable='lt(mod(t+0.5,1),0.1)'"
	clipBeep  = "aevalsrc='0.8*sin(2*PI*1000*t)*lt(mod(t+0.5,1),0.1)':s=48000"
	clipTime  = 10 * time.Second
)

// clapper is a participant who flashes and beeps at once.
type clapper struct {
	room   *client.Room
	sids   map[livekit.TrackType]string
	stop   context.CancelFunc
	played sync.WaitGroup

	mu   sync.Mutex
	late time.Duration // the most that a sample was sent after its time
}

// clip makes the frames of a track, for clipTime.
func clip(t *testing.T, name, source string, args ...string) (frames []client.Sample, codec mediafile.Track) {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	args = append([]string{"-v", "error", "-f", "lavfi", "-i", source, "-t", "10"}, args...)
	if out, err := exec.Command("ffmpeg", append(args, path)...).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	tracks, err := mediafile.Open(path, mediafile.Options{FrameRate: 30})
	if err != nil {
		t.Fatal(err)
	}
	defer tracks[0].Close()
	for length := time.Duration(0); length < clipTime-time.Millisecond; {
		s, err := tracks[0].Next()
		if errors.Is(err, io.EOF) {
			t.Fatalf("%s ends after %v", name, length)
		}
		if err != nil {
			t.Fatal(err)
		}
		frames = append(frames, client.Sample{Data: bytes.Clone(s.Data), Duration: s.Duration})
		length += s.Duration
	}
	return frames, mediafile.Track{Codec: tracks[0].Codec, Width: 320, Height: 180}
}

// clap has somebody join, and flash and beep until the test ends.
func (s *site) clap(name string) *clapper {
	t := s.t
	t.Helper()
	pictures, h264 := clip(t, "clip.h264", clipFlash, "-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency", "-profile:v", "baseline", "-pix_fmt", "yuv420p", "-g", "30")
	sound, opus := clip(t, "clip.ogg", clipBeep, "-c:a", "libopus", "-b:a", "64k", "-frame_duration", "20")
	room, err := client.Connect(t.Context(), s.url, mint(t, "clapper", token.VideoGrant{RoomJoin: true, Room: name}), client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	c := &clapper{room: room, sids: make(map[livekit.TrackType]string), stop: stop}
	t.Cleanup(c.leave)
	lanes := []*lane{{frames: pictures, track: client.NewLocalTrack(h264.Codec)}, {frames: sound, track: client.NewLocalTrack(opus.Codec)}}
	for i, l := range lanes {
		o := client.PublishOptions{}
		if i == 0 {
			o.Width, o.Height = 320, 180
		}
		pub, err := room.Local().Publish(t.Context(), o, l.track)
		if err != nil {
			t.Fatal(err)
		}
		c.sids[pub.Kind()] = pub.SID()
	}
	c.played.Go(func() { c.play(ctx, lanes) })
	return c
}

// lane is a track that is played.
type lane struct {
	frames []client.Sample
	track  *client.LocalTrack
	n      int
	at     time.Duration // of the next frame
}

// play sends each frame at its time.
func (c *clapper) play(ctx context.Context, lanes []*lane) {
	epoch := time.Now()
	for {
		next := lanes[0]
		for _, l := range lanes {
			if l.at < next.at {
				next = l
			}
		}
		due := epoch.Add(next.at)
		select {
		case <-ctx.Done():
			return
		case <-time.After(time.Until(due)):
		}
		c.mu.Lock()
		c.late = max(c.late, time.Since(due))
		c.mu.Unlock()
		frame := next.frames[next.n%len(next.frames)]
		_ = next.track.WriteSample(frame) // dropped while it reconnects
		next.n++
		// Not the sum of durations, which are rounded.
		next.at = time.Duration(next.n) * clipTime / time.Duration(len(next.frames))
	}
}

// lateness is how late a frame was sent at most, until now.
func (c *clapper) lateness() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.late
}

func (c *clapper) leave() {
	c.stop()
	c.played.Wait()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	_ = c.room.Disconnect(ctx)
}

// clapsOf are when the picture of a recording flashes and its sound beeps.
func clapsOf(t *testing.T, path string) (flashes, beeps []time.Duration) {
	t.Helper()
	run := func(args ...string) string {
		cmd := exec.Command("ffmpeg", append(append([]string{"-hide_banner", "-nostats", "-i", path}, args...), "-f", "null", "-")...)
		var out, said bytes.Buffer
		cmd.Stdout, cmd.Stderr = &out, &said
		if err := cmd.Run(); err != nil {
			t.Fatalf("%v\n%s", err, said.String())
		}
		return out.String() + said.String()
	}
	seconds := func(text string) time.Duration {
		f, err := strconv.ParseFloat(strings.Fields(text)[0], 64)
		if err != nil {
			t.Fatal(err)
		}
		return time.Duration(f * float64(time.Second))
	}
	var at time.Duration
	lit := true
	for lines := bufio.NewScanner(strings.NewReader(run("-an", "-vf", "signalstats,metadata=mode=print:key=lavfi.signalstats.YAVG:file=-"))); lines.Scan(); {
		if _, rest, ok := strings.Cut(lines.Text(), "pts_time:"); ok {
			at = seconds(rest)
		}
		if _, rest, ok := strings.Cut(lines.Text(), "signalstats.YAVG="); ok {
			bright, err := strconv.ParseFloat(rest, 64)
			if err != nil {
				t.Fatal(err)
			}
			if bright > 128 && !lit {
				flashes = append(flashes, at)
			}
			lit = bright > 128
		}
	}
	for lines := bufio.NewScanner(strings.NewReader(run("-vn", "-af", "silencedetect=noise=0.1:duration=0.2"))); lines.Scan(); {
		if _, rest, ok := strings.Cut(lines.Text(), "silence_end: "); ok {
			beeps = append(beeps, seconds(rest))
		}
	}
	return flashes, beeps
}
