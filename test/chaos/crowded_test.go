package chaos

import (
	"context"
	"fmt"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
)

// roomful is a room with so many people, of whom some speak.
type roomful struct{ people, speakers int }

// Everybody in a crowded room hears everybody who speaks, and when they have
// gone nothing is left of them.
func TestEverybodyInACrowdedRoomHearsEverySpeaker(t *testing.T) {
	takesTurns(t)
	sizes := []roomful{{200, 20}}
	if *long {
		sizes = append(sizes, roomful{1000, 3})
	} else if raceDetector {
		// Of the first are four thousand streams, and there is one machine for all.
		sizes = []roomful{{60, 8}}
	}
	for _, size := range sizes {
		t.Run(fmt.Sprintf("%d,%d", size.people, size.speakers), func(t *testing.T) {
			wantFiles(t, 2*size.people+1000)
			m := newMeeting(t)
			if size.people > 200 {
				// Webhooks keep up to 16 MiB of the newest events, and the log has a cache.
				m.spare = 48 << 20
			}
			cs, err := newCallers(m.s)
			m.must(err)
			ctx, cancel := context.WithTimeout(context.Background(), 10*patience)
			defer cancel()
			all := make([]*caller, size.people)
			defer func() { hangUp(all) }()
			enter := func(from, to int) {
				t.Helper()
				group, ctx := errgroup.WithContext(ctx)
				group.SetLimit(workers)
				for i := from; i < to; i++ {
					group.Go(func() (err error) {
						if all[i], err = cs.join(ctx, "crowd", fmt.Sprintf("caller-%d", i), i < size.speakers); err == nil {
							err = all[i].connect(ctx)
						}
						if err != nil {
							return fmt.Errorf("caller %d: %w", i, err)
						}
						return nil
					})
				}
				m.must(group.Wait())
			}
			enter(0, size.speakers)
			wheel := wheel{silent: all[:size.speakers]}
			speaking, hush := context.WithCancel(ctx)
			var running sync.WaitGroup
			defer running.Wait()
			defer hush()
			running.Go(func() { wheel.turn(speaking) })
			enter(size.speakers, size.people)
			m.s.poll("everybody to hear every speaker", func() error {
				for i, c := range all {
					want := size.speakers
					if i < size.speakers {
						want--
					}
					select {
					case <-c.done:
						t.Fatalf("caller %d: %v", i, c.err)
					default:
					}
					if n := c.hears(3); n < want {
						return fmt.Errorf("caller %d hears %d of %d", i, n, want)
					}
				}
				return nil
			})
			m.wantAlive()
			now := m.s.usage()
			// Go keeps the descriptors of goroutines that have ended, some 440 bytes each.
			m.spare += 512 * uint64(now.goroutines)
			t.Logf("%d people: %d KiB of heap and %.1f goroutines for each", size.people,
				(int(now.heap)-int(m.before.heap))/size.people/1024, float64(now.goroutines-m.before.goroutines)/float64(size.people))
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
