package chaos

import (
	"context"
	"fmt"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/livekit/protocol/livekit"
	"golang.org/x/sync/errgroup"
)

// everybody is a number of rooms that are as full.
type everybody struct {
	rooms, people, publishers int
}

// Everybody in a crowded room hears everybody who speaks, and when they have
// gone nothing is left of them.
func TestEverybodyInACrowdedRoomHearsEverySpeaker(t *testing.T) {
	takesTurns(t)
	sizes := []everybody{{rooms: 1, people: 200, publishers: 20}}
	if *long {
		sizes = append(sizes, everybody{rooms: 1, people: 1000, publishers: 3})
	} else if raceDetector {
		// Of the first are four thousand streams, and there is one machine for all.
		sizes = []everybody{{rooms: 1, people: 60, publishers: 8}}
	}
	for _, size := range sizes {
		t.Run(fmt.Sprintf("%dx%d,%d", size.rooms, size.people, size.publishers), func(t *testing.T) {
			wantFiles(t, 3*size.rooms*size.people+1000)
			m := newMeeting(t)
			if size.rooms*size.people > 200 {
				// Webhooks keep up to 16 MiB of the newest events, and the log has a cache.
				m.spare = 48 << 20
			}
			ctx, cancel := context.WithTimeout(context.Background(), 10*patience)
			defer cancel()
			var running sync.WaitGroup
			defer running.Wait()
			speaking, silence := context.WithCancel(ctx)
			defer silence()

			var mu sync.Mutex
			var all []*guest
			enter := func(from, to int) {
				t.Helper()
				group, ctx := errgroup.WithContext(ctx)
				group.SetLimit(workers)
				for r := range size.rooms {
					for i := from; i < to; i++ {
						group.Go(func() error {
							targets := []livekit.SignalTarget{livekit.SignalTarget_SUBSCRIBER}
							if i < size.publishers {
								targets = append(targets, livekit.SignalTarget_PUBLISHER)
							}
							g, err := m.gs.dial(ctx, fmt.Sprintf("room-%d", r), fmt.Sprintf("guest-%d", i), targets...)
							if err != nil {
								return fmt.Errorf("guest %d of room %d: %w", i, r, err)
							}
							mu.Lock()
							all = append(all, g)
							mu.Unlock()
							if err := g.await(ctx, g.active); err != nil {
								return fmt.Errorf("guest %d of room %d: %w", i, r, err)
							}
							if i >= size.publishers {
								return nil
							}
							if err := g.publish(ctx); err != nil {
								return fmt.Errorf("guest %d of room %d publishes: %w", i, r, err)
							}
							running.Go(func() { g.speak(speaking, time.Second) })
							return nil
						})
					}
				}
				if err := group.Wait(); err != nil {
					t.Fatal(err)
				}
			}
			enter(0, size.publishers)
			enter(size.publishers, size.people)
			m.s.poll("everybody to hear every speaker", func() error {
				for _, g := range all {
					want := size.publishers
					if g.track != nil {
						want--
					}
					if n := g.hears(3); n < want {
						return fmt.Errorf("somebody hears %d of %d", n, want)
					}
				}
				return nil
			})
			m.wantAlive()
			now := m.s.usage()
			people := size.rooms * size.people
			// Go keeps the descriptors of goroutines that have ended, some 440 bytes each.
			m.spare += 512 * uint64(now.goroutines)
			t.Logf("%d people: %d KiB of heap and %.1f goroutines for each", people,
				(int(now.heap)-int(m.before.heap))/people/1024, float64(now.goroutines-m.before.goroutines)/float64(people))
			silence()
			var leaving errgroup.Group
			leaving.SetLimit(workers)
			for _, g := range all {
				leaving.Go(func() error {
					g.leave(true)
					return nil
				})
			}
			_ = leaving.Wait()
		})
	}
}

// wantFiles says that the clients need so many open files.
func wantFiles(t *testing.T, n int) {
	t.Helper()
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	if limit.Cur < uint64(n) {
		t.Fatalf("%d files may be open, and it takes %d: raise the limit (ulimit -n)", limit.Cur, n)
	}
}

// Fifty people a second come in, and each gets in.
func TestFiftyJoinsASecondAllGetIn(t *testing.T) {
	takesTurns(t)
	const rate = 50
	seconds := 2
	if *long {
		seconds = 60
	}
	m := newMeeting(t)
	const together = 8
	m.idle += kept(rate * seconds / together)
	cs, err := newCallers(m.s)
	m.must(err)
	ctx, cancel := context.WithTimeout(context.Background(), 5*patience)
	defer cancel()
	var coming errgroup.Group
	tick := time.NewTicker(time.Second / rate)
	defer tick.Stop()
	for i := range rate * seconds {
		<-tick.C
		coming.Go(func() error {
			c, err := cs.join(ctx, fmt.Sprintf("room-%d", i/together), fmt.Sprintf("caller-%d", i), false)
			if err == nil {
				defer c.leave()
				err = c.connect(ctx)
			}
			if err != nil {
				return fmt.Errorf("caller %d: %w", i, err)
			}
			return nil
		})
	}
	m.must(coming.Wait())
}
