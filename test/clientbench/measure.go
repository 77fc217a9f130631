package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

const (
	idleClients    = 50
	joinClients    = 200
	receivedTracks = 20

	settle = 3 * time.Second
	window = 10 * time.Second
)

// sdk is a client library, as far as it is measured.
type sdk interface {
	// join joins a room and receives nothing.
	join(ctx context.Context, url, room, identity string) (leave func(), err error)
	// receive joins a room, and calls packet for each packet of each track.
	receive(ctx context.Context, url, room, identity string, track, packet func()) (leave func(), err error)
}

// measure does one work with one library, in this process.
func measure(ctx context.Context, name, work, url string) ([]float64, error) {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Minute)
	defer cancel()
	s, ok := map[string]sdk{"livekit": liveKit{}, "rollcall": rollcall{}}[name]
	if !ok {
		return nil, fmt.Errorf("no SDK %q", name)
	}
	switch work {
	case "idle":
		return idle(ctx, s, url)
	case "join":
		return join(ctx, s, url)
	case "receive":
		return receive(ctx, s, url)
	}
	return nil, fmt.Errorf("no work %q", work)
}

func idle(ctx context.Context, s sdk, url string) ([]float64, error) {
	// What the first one brings is the library's, not the client's.
	leave, err := s.join(ctx, url, "idle-first", "first")
	if err != nil {
		return nil, err
	}
	defer leave()
	time.Sleep(settle)
	before := now()
	for i := range idleClients {
		leave, err := s.join(ctx, url, fmt.Sprintf("idle-%d", i), "idle")
		if err != nil {
			return nil, err
		}
		defer leave()
	}
	time.Sleep(settle)
	after := now()
	time.Sleep(window)
	end := now()
	return []float64{
		(after.memory - before.memory) / 1000 / idleClients,
		(after.resident - before.resident) / 1000 / idleClients,
		float64((end.cpu - after.cpu).Milliseconds()) / window.Seconds() / (idleClients + 1),
	}, nil
}

func join(ctx context.Context, s sdk, url string) ([]float64, error) {
	before := now()
	var group sync.WaitGroup
	var mu sync.Mutex
	var took []time.Duration
	var failed error
	for i := range joinClients {
		group.Go(func() {
			began := time.Now()
			leave, err := s.join(ctx, url, fmt.Sprintf("join-%d", i), "join")
			d := time.Since(began)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				failed = errors.Join(failed, err)
				return
			}
			took = append(took, d)
			_ = leave // they stay until the end of the process
		})
	}
	group.Wait()
	if failed != nil {
		return nil, failed
	}
	after := now()
	slices.Sort(took)
	ms := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
	return []float64{ms(took[len(took)/2]), ms(took[len(took)*99/100]), ms(after.cpu-before.cpu) / joinClients}, nil
}

func receive(ctx context.Context, s sdk, url string) ([]float64, error) {
	leave, err := s.join(ctx, url, "receive-first", "first")
	if err != nil {
		return nil, err
	}
	defer leave()
	time.Sleep(settle)
	empty := now()
	var tracks, packets atomic.Int64
	leave, err = s.receive(ctx, url, room, "receiver-"+strconv.Itoa(os.Getpid()),
		func() { tracks.Add(1) }, func() { packets.Add(1) })
	if err != nil {
		return nil, err
	}
	defer leave()
	for tracks.Load() < receivedTracks {
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("%d of %d tracks came", tracks.Load(), receivedTracks)
		case <-time.After(50 * time.Millisecond):
		}
	}
	time.Sleep(settle)
	before, first := now(), packets.Load()
	time.Sleep(window)
	after, n := now(), float64(packets.Load()-first)
	if n == 0 {
		return nil, errors.New("no packets came")
	}
	return []float64{
		// With that of a client, which is idle's.
		(before.memory - empty.memory) / 1000 / receivedTracks,
		float64((after.cpu - before.cpu).Microseconds()) / n,
		float64(after.mallocs-before.mallocs) / n,
		n / window.Seconds(),
	}, nil
}

// state is what this process has used.
type state struct {
	memory, resident float64 // bytes
	mallocs          uint64
	cpu              time.Duration
}

func now() (s state) {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	s.memory, s.mallocs = float64(m.HeapAlloc+m.StackInuse), m.Mallocs
	if raw, err := os.ReadFile("/proc/self/statm"); err == nil {
		if f := strings.Fields(string(raw)); len(f) > 1 {
			pages, _ := strconv.ParseFloat(f[1], 64)
			s.resident = pages * float64(os.Getpagesize())
		}
	}
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) == nil {
		s.cpu = time.Duration(u.Utime.Nano() + u.Stime.Nano())
	}
	return s
}
