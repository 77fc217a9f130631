package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"time"

	"github.com/livekit/protocol/livekit"

	rtc "github.com/rollcall-rtc/rollcall/client"
	"github.com/rollcall-rtc/rollcall/client/mediafile"
	"github.com/rollcall-rtc/rollcall/internal/token"
)

// recordedRoom is a room whose participants, with camera and microphone each, are
// recorded in a grid at 1280×720 and 30 pictures a second: how soon media is on the
// disk. It needs ffmpeg.
type recordedRoom struct {
	people int
	starts int // recordings that are begun, one after the other
}

// cardSeconds is how long the media is that participants send over and over.
const cardSeconds = 10

func (r recordedRoom) run(ctx context.Context, b *bench) (o outcome, err error) {
	dir, err := os.MkdirTemp(b.dir, "server-*")
	if err != nil {
		return o, err
	}
	defer os.RemoveAll(dir)
	cards, err := makeCards(ctx, dir)
	if err != nil {
		return o, err
	}
	// Decoders and the encoder are the server's, and may use every core. On a busy
	// machine the figure is bad; to be refused is none.
	t, err := b.startOn(ctx, dir, "ROLLCALL_EGRESS_MAX_CPU=0")
	if err != nil {
		return o, err
	}
	defer t.stop()
	playing, stop := context.WithCancel(ctx)
	var people sync.WaitGroup
	defer people.Wait()
	defer stop()
	for i := range r.people {
		leave, err := attend(playing, t.url, fmt.Sprintf("person-%d", i), cards, &people)
		if err != nil {
			return o, err
		}
		defer leave()
	}
	egress, err := egressAt(t.url)
	if err != nil {
		return o, err
	}
	r0, err := t.read()
	if err != nil {
		return o, err
	}
	var soon []time.Duration
	for n := range r.starts {
		if err := sleep(ctx, b.scaled(apart)); err != nil {
			return o, err
		}
		took, err := take(ctx, egress, func() (*livekit.EgressInfo, error) {
			return egress.StartRoomCompositeEgress(ctx, &livekit.RoomCompositeEgressRequest{
				RoomName: "studio", Options: &livekit.RoomCompositeEgressRequest_Preset{Preset: livekit.EncodingOptionsPreset_H264_720P_30},
				FileOutputs: []*livekit.EncodedFileOutput{{Filepath: fmt.Sprintf("take-%d.mp4", n)}},
			})
		}, nil)
		if err != nil {
			return o, err
		}
		soon = append(soon, took)
	}
	o.addStarts(soon)
	r1, err := t.read()
	o.noise = r1.machine.since(r0.machine)
	return o, err
}

// makeCards makes files with a test picture that moves, as VP8, and with a tone.
func makeCards(ctx context.Context, dir string) (cards []string, err error) {
	if _, err := exec.LookPath("ffmpeg"); err != nil {
		return nil, errors.New("ffmpeg is not here; apt-get install ffmpeg")
	}
	picture, sound := filepath.Join(dir, "card.ivf"), filepath.Join(dir, "card.ogg")
	length := fmt.Sprint(cardSeconds)
	for _, args := range [][]string{
		{"testsrc2=s=640x360:r=30", "-t", length, "-c:v", "libvpx", "-b:v", "1M", "-deadline", "realtime", "-cpu-used", "8", "-g", "90", picture},
		{"sine=r=48000", "-t", length, "-c:a", "libopus", "-b:a", "32k", sound},
	} {
		out, err := exec.CommandContext(ctx, "ffmpeg", append([]string{"-v", "error", "-f", "lavfi", "-i"}, args...)...).CombinedOutput()
		if err != nil {
			return nil, fmt.Errorf("make what participants send: %w\n%s", err, out)
		}
	}
	return []string{picture, sound}, nil
}

// attend has a participant send files over and over, until ctx ends, and then leave.
func attend(ctx context.Context, url, identity string, files []string, sending *sync.WaitGroup) (leave func(), err error) {
	access, err := mint(identity, &token.VideoGrant{RoomJoin: true, Room: "studio"})
	if err != nil {
		return nil, err
	}
	room, err := rtc.Connect(ctx, url, access, rtc.Options{ManualSubscribe: true})
	if err != nil {
		return nil, err
	}
	leave = func() { _ = room.Disconnect(context.WithoutCancel(ctx)) }
	for _, path := range files {
		tracks, err := mediafile.Open(path, mediafile.Options{})
		if err != nil {
			leave()
			return nil, err
		}
		for _, source := range tracks {
			track := rtc.NewLocalTrack(source.Codec)
			if _, err := room.Local().Publish(ctx, rtc.PublishOptions{Width: source.Width, Height: source.Height}, track); err != nil {
				leave()
				return nil, errors.Join(err, source.Close())
			}
			sending.Go(func() {
				_ = mediafile.Play(ctx, source, track, true) // ends with ctx
				_ = source.Close()
			})
		}
	}
	return leave, nil
}
