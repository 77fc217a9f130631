package ingress

import (
	"flag"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/livekit/protocol/livekit"
)

// figures has TestFigures measure: go test ./test/ingress -run Figures -figures -v
var figures = flag.Bool("figures", false, "measure what docs/performance-media.md says of ingress")

// TestFigures measures what streams cost, and how long they take, with a server in a
// process of its own and its children. It asserts nothing.
func TestFigures(t *testing.T) {
	if !*figures {
		t.Skip("it measures: run it with -figures")
	}
	dir := t.TempDir()
	binary := build(t)
	file := filepath.Join(dir, "film.mp4")
	makeFile(t, file, "-f", "lavfi", "-i", "testsrc2=s=1280x720:r=30,noise=alls=12:allf=t", "-f", "lavfi", "-i", "sine=440:r=48000", "-t", "30",
		"-c:v", "libx264", "-preset", "superfast", "-pix_fmt", "yuv420p", "-bf", "0", "-g", "60", "-b:v", "3M", "-maxrate", "3M", "-bufsize", "3M", "-c:a", "aac", "-b:a", "128k")
	for _, tc := range []struct {
		name   string
		change func(*livekit.CreateIngressRequest)
	}{
		{"passed through, AAC to Opus", func(*livekit.CreateIngressRequest) {}},
		{"720p30 in three layers, and Opus", func(r *livekit.CreateIngressRequest) {
			r.Video = &livekit.IngressVideoOptions{EncodingOptions: &livekit.IngressVideoOptions_Preset{Preset: livekit.IngressVideoEncodingPreset_H264_720P_30FPS_3_LAYERS}}
		}},
		{"720p30 in three layers of VP8, and Opus", func(r *livekit.CreateIngressRequest) {
			r.Video = &livekit.IngressVideoOptions{EncodingOptions: &livekit.IngressVideoOptions_Options{Options: &livekit.IngressVideoEncodingOptions{VideoCodec: livekit.VideoCodec_VP8}}}
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			p := process(t, binary)
			var first []time.Duration
			for i := range 7 {
				room := fmt.Sprint("first", i)
				first = append(first, p.first(t, file, room, tc.change))
			}
			slices.Sort(first)
			t.Logf("connection to first picture at a subscriber: median %v, worst of %d %v", first[len(first)/2], len(first), first[len(first)-1])

			info := p.create(tc.change)
			push := p.push(info, "-re", "-i", file, "-c", "copy")
			eventually(t, "it publishes", func() bool { return p.state(info.IngressId).Status == livekit.IngressState_ENDPOINT_PUBLISHING })
			time.Sleep(3 * time.Second)
			server, children := p.cpu()
			began := time.Now()
			time.Sleep(20 * time.Second)
			serverThen, childrenThen := p.cpu()
			percent := 100 / time.Since(began).Seconds()
			server, children = serverThen-server, childrenThen-children
			t.Logf("CPU of server and children: %.2f %% of a core (%.2f and %.2f), nobody watching",
				percent*(server+children).Seconds(), percent*server.Seconds(), percent*children.Seconds())
			_ = push.cmd.Process.Kill()
		})
	}
}

// first is how long it takes from the connection of an encoder to the first picture
// at somebody who is in the room.
func (p *served) first(t *testing.T, file, room string, change func(*livekit.CreateIngressRequest)) time.Duration {
	t.Helper()
	v := p.view(room)
	info := p.create(change, func(r *livekit.CreateIngressRequest) { r.RoomName, r.ParticipantIdentity = room, "encoder-"+room })
	through, connected := relay(t, strings.TrimSuffix(strings.TrimPrefix(info.Url, "rtmp://"), "/live"))
	info.Url = "rtmp://" + through + "/live"
	push := p.push(info, "-re", "-i", file, "-c", "copy")
	eventually(t, "a picture", func() bool { return v.got(video).frames > 0 })
	took := v.got(video).first.Sub(<-connected)
	_ = push.cmd.Process.Kill()
	_ = v.room.Disconnect(t.Context()) // who watches costs, too
	return took
}

// relay stands before a server, and says when it is connected to.
func relay(t *testing.T, to string) (addr string, connected <-chan time.Time) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	at := make(chan time.Time, 1)
	var both sync.WaitGroup
	go func() {
		near, err := l.Accept()
		if err != nil {
			return
		}
		at <- time.Now()
		far, err := net.Dial("tcp", to)
		if err != nil {
			near.Close()
			return
		}
		both.Go(func() { _, _ = io.Copy(far, near); far.Close() })
		both.Go(func() { _, _ = io.Copy(near, far); near.Close() })
	}()
	t.Cleanup(func() { l.Close() })
	return l.Addr().String(), at
}
