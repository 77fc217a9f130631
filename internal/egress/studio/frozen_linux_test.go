package studio

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rollcall-rtc/rollcall/internal/egress/wire"
)

// children are the processes that this one has started with an argument.
func children(t *testing.T, argument string) (pids []int) {
	t.Helper()
	all, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range all {
		stat, err := os.ReadFile(path)
		if err != nil {
			continue // it is gone
		}
		fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
		line, err := os.ReadFile(filepath.Join(filepath.Dir(path), "cmdline"))
		if err != nil || fields[1] != strconv.Itoa(os.Getpid()) || !strings.Contains(string(line), "\x00"+argument+"\x00") {
			continue
		}
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		if err != nil {
			t.Fatal(err)
		}
		pids = append(pids, pid)
	}
	return pids
}

// An encoder that gets no processor costs a recording the pictures of that time, which it
// says. Sound goes on, all that there is has its time, and segments keep their promise.
func TestEncoderThatStandsStillCostsPicturesOfThatTime(t *testing.T) {
	const frozen = 1500 * time.Millisecond
	dir := t.TempDir()
	s := newLive(t, wire.Job{Audio: true, Video: true, Encoding: &small, Outputs: []wire.Output{
		{Kind: wire.File, Path: dir + "/room"},
		{Kind: wire.Segments, Path: dir + "/seg", Playlist: dir + "/list.m3u8", Length: time.Second, TS: true},
	}})
	s.rounds = 3
	s.publish(vp8, 0, wire.Track{Identity: "a", Name: "A", Source: "camera", Width: 320, Height: 180})
	s.publish(opus, 0, wire.Track{Identity: "a", Name: "A", Source: "microphone"})
	froze := make(chan time.Time, 1)
	go func() {
		defer close(froze)
		for { // until media comes out
			if stat, err := os.Stat(dir + "/room.mp4"); err == nil && stat.Size() > 10_000 {
				break
			}
			<-time.After(20 * time.Millisecond)
		}
		at := time.Now()
		for _, pid := range children(t, "libx264") {
			_ = syscall.Kill(pid, syscall.SIGSTOP)
			<-time.After(frozen)
			_ = syscall.Kill(pid, syscall.SIGCONT)
			froze <- at
		}
	}()
	done, _ := s.run()
	at, ok := <-froze
	if !ok {
		t.Fatal("no encoder of pictures was frozen")
	}
	step := time.Second / time.Duration(small.Framerate)
	// A machine that has much else to do begins late: what is after the end waits.
	live := min(s.began.Add(6*time.Second).Sub(at), frozen)
	if least := int64((live - 600*time.Millisecond) / step); done.Dropped < least || (done.Missing-time.Duration(done.Dropped)*step).Abs() > time.Millisecond {
		t.Errorf("%d pictures were left out, and %v are missing; %v it stood still", done.Dropped, done.Missing, frozen)
	}
	made := done.Made[0][0]
	all := int64(math.Round(made.Plays.Seconds() * float64(small.Framerate)))
	pictures, _ := strconv.ParseInt(probe(t, made.Path, "v")["nb_read_frames"], 10, 64)
	if sum := pictures + done.Dropped; sum < all-3 || sum > all+3 {
		t.Errorf("%d pictures are there, and %d left out, of %d", pictures, done.Dropped, all)
	}
	sound, _ := strconv.Atoi(probe(t, made.Path, "a")["nb_read_frames"])
	if heard := float64(sound) * 1024 / float64(small.AudioFrequency); math.Abs(heard-made.Plays.Seconds()) > 0.15 {
		t.Errorf("%.2f s are heard of %v", heard, made.Plays)
	}
	list, err := os.ReadFile(dir + "/list.m3u8")
	if err != nil {
		t.Fatal(err)
	}
	if whole, _ := strconv.ParseInt(probe(t, dir+"/list.m3u8", "v")["nb_read_frames"], 10, 64); whole != pictures {
		t.Errorf("%d pictures are in segments, %d in the file", whole, pictures)
	}
	played := 0.0
	for i, m := range regexp.MustCompile(`#EXTINF:([\d.]+),`).FindAllSubmatch(list, -1) {
		plays, err := strconv.ParseFloat(string(m[1]), 64)
		if err != nil || math.Round(plays) > 1 {
			t.Errorf("segment %d plays %s s: %s", i, m[1], list)
		}
		played += plays
	}
	if math.Abs(played-made.Plays.Seconds()) > 0.2 {
		t.Errorf("the segments play %.2f s, the file %v", played, made.Plays)
	}
	probe(t, fmt.Sprintf("%s/seg_%05d.ts", dir, 0), "a")
}
