package client_test

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/rollcall-rtc/rollcall/client"
	"github.com/rollcall-rtc/rollcall/internal/testkit/serving"
	"github.com/rollcall-rtc/rollcall/internal/token"
)

// elsewhere is Rollcall in another process, so that what is counted in this one is
// the client's alone.
func elsewhere(t testing.TB) (url string) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self, "-test.run", "^TestServeAnotherProcess$", "-test.timeout", "0")
	cmd.Env = append(os.Environ(), "SERVE_ANOTHER_PROCESS=1")
	cmd.Stderr = os.Stderr
	stop, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	said, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(said)
	for url == "" && lines.Scan() {
		if at, is := strings.CutPrefix(lines.Text(), "serving "); is {
			url = at
		}
	}
	var rest sync.WaitGroup
	rest.Go(func() {
		for lines.Scan() {
		}
	})
	t.Cleanup(func() {
		_ = stop.Close()
		// What holds up one that does not end is in what it says then.
		late := time.AfterFunc(2*patience, func() {
			t.Error("the server does not end")
			_ = cmd.Process.Signal(syscall.SIGQUIT)
		})
		rest.Wait()
		late.Stop()
		if err := cmd.Wait(); err != nil {
			t.Errorf("server: %v", err)
		}
	})
	if url == "" {
		t.Fatal("the server does not say where it is")
	}
	return url
}

// TestServeAnotherProcess is that server, and nothing else. It ends with its input.
func TestServeAnotherProcess(t *testing.T) {
	if os.Getenv("SERVE_ANOTHER_PROCESS") == "" {
		return
	}
	s := serving.Start(t, options())
	fmt.Printf("serving ws://%s\n", s.Addr())
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
	}
	serving.Stop(t, s)
}

// usage is what the process holds.
type usage struct {
	goroutines int
	heap       uint64 // bytes
}

func using() usage {
	runtime.GC()
	runtime.GC() // what has a finalizer or is in a pool takes two
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return usage{runtime.NumGoroutine(), m.HeapAlloc}
}

func TestReconnectsLeaveNothingBehind(t *testing.T) {
	const (
		// What may differ without a leak: goodbyes to the server that take their
		// time, and the size of buffers. One forgotten connection is 15 goroutines
		// and a quarter of a megabyte.
		spareGoroutines = 50
		spareHeap       = 3 << 20
	)
	reconnects, rooms := 60, 10
	if *long {
		reconnects, rooms = 200, 2
	}
	for name, full := range map[string]bool{"resumed": false, "full": true} {
		t.Run(name, func(t *testing.T) {
			s := &site{t: t, url: elsewhere(t), key: testKey, secret: testSecret}
			var all []*record
			var who []*client.Room
			for i := range rooms {
				mode := single
				if i%4 < 2 {
					mode = func(*client.Options) {}
				}
				record, on := recording(t)
				// Two meet in each room.
				raw := s.token(fmt.Sprint("alice", i), func(c *token.Claims) { c.Video.Room = fmt.Sprint(t.Name(), i/2) })
				room := s.joinWith(raw, mode, quickly, on)
				track := client.NewLocalTrack(client.Opus)
				play(t, track, tone())
				if _, err := room.Local().Publish(s.context(), client.PublishOptions{}, track); err != nil {
					t.Fatal(err)
				}
				if err := room.Local().PublishData(s.context(), []byte("x"), client.DataOptions{}); err != nil {
					t.Fatal(err)
				}
				all, who = append(all, record), append(who, room)
			}
			var joined atomic.Int64 // how often anew
			again := func(times int) {
				t.Helper()
				var running sync.WaitGroup
				for i, room := range who {
					running.Go(func() {
						for range times {
							client.Restore(room, full)
							e, err := nextOr[client.Reconnected](all[i])
							if err != nil || full && !e.Full {
								t.Errorf("reconnected: %+v, %v", e, err)
								return
							}
							if e.Full {
								joined.Add(1)
							}
							if full {
								if _, err := nextOr[client.LocalTrackPublished](all[i]); err != nil {
									t.Error(err)
									return
								}
							}
						}
					})
				}
				running.Wait()
				if t.Failed() {
					t.FailNow()
				}
			}
			again(2)
			before := using()
			again(reconnects / rooms)
			// What ends does so in its own time.
			deadline := time.Now().Add(patience)
			after := using()
			for (after.goroutines > before.goroutines+spareGoroutines || after.heap > before.heap+spareHeap) && time.Now().Before(deadline) {
				time.Sleep(100 * time.Millisecond)
				after = using()
			}
			// On a busy machine a resume may come too late.
			if n := joined.Load(); !full && int(n) > reconnects/4 {
				t.Errorf("%d of the resumes were full reconnects", n)
			}
			t.Logf("%d reconnects: %+v before, %+v after", reconnects, before, after)
			if after.goroutines > before.goroutines+spareGoroutines || after.heap > before.heap+spareHeap {
				t.Errorf("%+v before, %+v after %d reconnects", before, after, reconnects)
				buf := make([]byte, 1<<20)
				t.Logf("%s", buf[:runtime.Stack(buf, true)])
			}
		})
	}
}
