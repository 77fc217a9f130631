package client_test

import (
	"runtime"
	"testing"
	"time"

	"github.com/rollcall-rtc/rollcall/client"
)

func TestReconnectsLeaveNothingBehind(t *testing.T) {
	s := anySite(t)
	record, on := recording(t)
	room := s.join("alice", quickly, on)
	watcher, also := recording(t)
	s.join("bob", quickly, also)
	track := client.NewLocalTrack(client.Opus)
	play(t, track, tone())
	if _, err := room.Local().Publish(s.context(), client.PublishOptions{}, track); err != nil {
		t.Fatal(err)
	}
	if err := room.Local().PublishData(s.context(), []byte("x"), client.DataOptions{}); err != nil {
		t.Fatal(err)
	}
	again := func(times int) {
		t.Helper()
		for range times {
			client.Restore(room, true)
			if e := next[client.Reconnected](record); !e.Full {
				t.Fatal("not joined anew")
			}
			next[client.LocalTrackPublished](record)
			next[client.TrackSubscribed](watcher)
		}
	}
	again(3)
	before := settled()
	again(40)
	// What ends does so in its own time: timers, and goodbyes to the server.
	deadline := time.Now().Add(patience)
	after := settled()
	for after > before+before/4 && time.Now().Before(deadline) {
		time.Sleep(100 * time.Millisecond)
		after = settled()
	}
	if after > before+before/4 {
		t.Errorf("%d goroutines, %d after 40 reconnects", before, after)
		buf := make([]byte, 1<<20)
		t.Logf("%s", buf[:runtime.Stack(buf, true)])
	}
}

// settled is how many goroutines there are.
func settled() int {
	runtime.GC()
	return runtime.NumGoroutine()
}
