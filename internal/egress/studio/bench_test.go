package studio

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/rollcall-rtc/rollcall/internal/egress/wire"
)

// cpu is what this process and the children that it waited for have used.
func cpu() (all time.Duration) {
	for _, who := range []int{syscall.RUSAGE_SELF, syscall.RUSAGE_CHILDREN} {
		var u syscall.Rusage
		if syscall.Getrusage(who, &u) == nil {
			all += time.Duration(u.Utime.Nano() + u.Stime.Nano())
		}
	}
	return all
}

// BenchmarkRoom records four people, or nine, at 720p30, and says how much of a core that
// takes: in "cores", of all processes together, and in "dropped" pictures.
func BenchmarkRoom(b *testing.B) {
	const seconds = 10
	for _, of := range []struct {
		people int
		source string
	}{{4, "640x360"}, {4, "1280x720"}, {9, "640x360"}} {
		source := of.source
		b.Run(fmt.Sprintf("people=%d/from=%s", of.people, source), func(b *testing.B) {
			path := filepath.Join(b.TempDir(), "card.ivf")
			if out, err := exec.Command("ffmpeg", "-v", "error", "-f", "lavfi", "-i", "testsrc2=s="+source+":r=30", "-t", strconv.Itoa(seconds),
				"-c:v", "libvpx", "-b:v", "1M", "-deadline", "realtime", "-cpu-used", "8", "-g", "90", path).CombinedOutput(); err != nil {
				b.Fatalf("%v %s", err, out)
			}
			card := vp8
			card.file = path
			var used, played time.Duration
			dropped := 0
			for b.Loop() {
				s := newScript(b, wire.Job{Audio: true, Video: true, Outputs: []wire.Output{{Kind: wire.File, Path: b.TempDir() + "/room"}}})
				s.began = time.Now().Add(-seconds * time.Second)
				for i := range of.people {
					id := string(rune('a' + i))
					s.publish(card, 0, wire.Track{Identity: id, Name: "Person " + id, Source: "camera", Width: 320, Height: 180})
					s.rounds = seconds / 2
					s.publish(opus, 0, wire.Track{Identity: id, Source: "microphone"})
					s.rounds = 0
				}
				before := cpu()
				done, _ := s.run()
				used += cpu() - before
				made := done.Made[0][0]
				played += made.Plays
				frames, _ := strconv.Atoi(probe(b, made.Path, "v")["nb_read_frames"])
				dropped += max(int(made.Plays.Seconds()*30)-frames, int(done.Dropped), 0)
			}
			b.ReportMetric(used.Seconds()/played.Seconds(), "cores")
			b.ReportMetric(float64(dropped), "dropped")
		})
	}
}
