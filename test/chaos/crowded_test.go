package chaos

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
)

// roomful is a room with so many people, of whom some have their microphone on, and of
// these some talk at one time; program is the server's.
type roomful struct {
	people, speakers, talking int
	program                   string
}

// Everybody in a crowded room hears everybody who speaks, all of it, and when they have
// gone nothing is left of them. For the larger rooms the server is not under the race
// detector: of the second are four thousand streams, and there is one machine for all.
func TestEverybodyInACrowdedRoomHearsEverySpeaker(t *testing.T) {
	takesTurns(t)
	sizes, window := []roomful{{40, 8, 2, raced}, {200, 20, 2, program}}, time.Second
	if *long {
		sizes, window = append(sizes, roomful{1000, 3, 1, program}), 20*time.Second
	}
	for _, size := range sizes {
		t.Run(fmt.Sprintf("%d,%d", size.people, size.speakers), func(t *testing.T) {
			wantFiles(t, 2*size.people+1000)
			m := newMeetingOf(t, size.program)
			if size.people > 200 {
				m.spare += keeps
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
			wheel := wheel{talking: all[:size.talking], silent: all[size.talking:size.speakers]}
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
			before := lookAround(m.s, all)
			time.Sleep(window)
			after := lookAround(m.s, all)
			received, missed, ours := after.received-before.received, int64(after.missed)-int64(before.missed), after.ours-before.ours
			t.Logf("%d packets heard in %v, %d missed; %d had no room at the callers' sockets", received, after.at.Sub(before.at).Round(time.Millisecond), missed, ours)
			if received == 0 || (missed-int64(ours))*1000 > int64(received) {
				t.Errorf("%d packets of %d were missed", missed, int64(received)+missed)
			}
			now := m.s.usage()
			// Go keeps the descriptors of goroutines that have ended, some 440 bytes each.
			m.spare += 512 * uint64(now.goroutines)
			t.Logf("%d people: %d KiB of heap and %.1f goroutines for each", size.people,
				(int(now.heap)-int(m.before.heap))/size.people/1024, float64(now.goroutines-m.before.goroutines)/float64(size.people))
		})
	}
}

// lookAround is what all have heard until now.
func lookAround(s *server, all []*caller) sight {
	s.t.Helper()
	now := sight{at: time.Now()}
	for _, c := range all {
		received, missed := c.counted()
		now.received += received
		now.missed += missed
	}
	var err error
	if now.theirs, now.ours, err = dropped(s.udpPort); err != nil {
		s.t.Fatal(err)
	}
	return now
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

// Fifty people a second come in, and each gets in, in a moment.
func TestFiftyJoinsASecondAllGetIn(t *testing.T) {
	takesTurns(t)
	const (
		rate     = 50
		together = 8
		// What a machine with little time for it stays far below.
		slow = 10 * time.Second // for one in ten
	)
	seconds := 2
	if *long {
		seconds = 60
	}
	m := newMeeting(t)
	m.idle += kept(rate * seconds / together)
	cs, err := newCallers(m.s)
	m.must(err)
	ctx, cancel := context.WithTimeout(context.Background(), 5*patience)
	defer cancel()
	took := make([]time.Duration, rate*seconds)
	var coming errgroup.Group
	began := time.Now()
	for i := range took {
		// Not by a ticker, which leaves out what it is late for.
		time.Sleep(time.Until(began.Add(time.Duration(i) * time.Second / rate)))
		coming.Go(func() error {
			began := time.Now()
			c, err := cs.join(ctx, fmt.Sprintf("room-%d", i/together), fmt.Sprintf("caller-%d", i), false)
			if err == nil {
				defer c.leave()
				err = c.connect(ctx)
			}
			if err != nil {
				return fmt.Errorf("caller %d: %w", i, err)
			}
			took[i] = time.Since(began)
			return nil
		})
	}
	came := time.Since(began)
	m.must(coming.Wait())
	all := time.Since(began)
	slices.Sort(took)
	at := func(percent int) time.Duration { return took[len(took)*percent/100].Round(time.Millisecond) }
	t.Logf("%d came in %v, and were all in after %v: half of them within %v, nine of ten within %v, all within %v",
		len(took), came.Round(time.Millisecond), all.Round(time.Millisecond), at(50), at(90), took[len(took)-1].Round(time.Millisecond))
	if due := time.Duration(seconds) * time.Second; came > 2*due+slow || at(90) > slow || all > 2*due+2*slow {
		t.Errorf("that is no %d in a second", rate)
	}
}
