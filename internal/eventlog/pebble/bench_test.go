package pebble_test

import (
	"fmt"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/rollcall-rtc/rollcall/event"
	"github.com/rollcall-rtc/rollcall/internal/eventlog"
	"github.com/rollcall-rtc/rollcall/internal/eventlog/pebble"
	"github.com/rollcall-rtc/rollcall/internal/eventlog/storetest"
)

// cpuTime is what this process has used of all cores.
func cpuTime(b *testing.B) time.Duration {
	var ru syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &ru); err != nil {
		b.Fatal(err)
	}
	return time.Duration(ru.Utime.Nano() + ru.Stime.Nano())
}

// BenchmarkDurable has writers that each wait for their event to be synced to a
// real disk, the one that holds the temporary directory.
func BenchmarkDurable(b *testing.B) {
	for _, writers := range []int{1, 16, 256} {
		b.Run(fmt.Sprint("writers=", writers), func(b *testing.B) {
			store, err := pebble.Open(pebble.Options{Dir: b.TempDir()})
			if err != nil {
				b.Fatal(err)
			}
			l, err := eventlog.Open(eventlog.Options{Store: store})
			if err != nil {
				b.Fatal(err)
			}
			e := storetest.Typical(1)
			frozen, err := e.Body("018bcfe5-6800-7000-8000-000000000001")
			if err != nil {
				b.Fatal(err)
			}
			b.SetBytes(int64(len(frozen)))
			b.ResetTimer()
			busy := cpuTime(b)
			var wg sync.WaitGroup
			for w := range writers {
				wg.Go(func() {
					e := storetest.Typical(w)
					for range (b.N + writers - 1 - w) / writers {
						if err := l.Sync(b.Context(), l.Append(e)); err != nil {
							b.Error(err)
							return
						}
					}
				})
			}
			wg.Wait()
			b.StopTimer()
			b.ReportMetric(float64((cpuTime(b)-busy).Microseconds())/float64(l.Last()), "cpu-µs/event")
			b.ReportMetric(float64(l.Last())/b.Elapsed().Seconds(), "events/s")
			b.ReportMetric(float64(l.Last())/float64(l.Stats().Groups), "events/sync")
			if err := l.Close(b.Context()); err != nil {
				b.Fatal(err)
			}
		})
	}
}

// BenchmarkCloseOpen is what a crash costs the next start: rooms of five, each of
// whom publishes, are found open and closed.
func BenchmarkCloseOpen(b *testing.B) {
	for _, rooms := range []int{100, 2000} {
		b.Run(fmt.Sprint("rooms=", rooms), func(b *testing.B) {
			for range b.N {
				b.StopTimer()
				dir := b.TempDir()
				store, err := pebble.Open(pebble.Options{Dir: dir})
				if err != nil {
					b.Fatal(err)
				}
				l, err := eventlog.Open(eventlog.Options{Store: store})
				if err != nil {
					b.Fatal(err)
				}
				for i := range rooms {
					room := storetest.NewRoom(fmt.Sprint("room-", i), fmt.Sprint("RM_", i))
					events := []event.Event{room.Start()}
					for p := range 5 {
						events = append(events, room.Join(), room.Publish(p))
					}
					l.Append(events...)
				}
				if err := l.Close(b.Context()); err != nil {
					b.Fatal(err)
				}
				b.StartTimer()
				if store, err = pebble.Open(pebble.Options{Dir: dir}); err != nil {
					b.Fatal(err)
				}
				if l, err = eventlog.Open(eventlog.Options{Store: store}); err != nil {
					b.Fatal(err)
				}
				n, err := l.CloseOpen(b.Context(), time.Now())
				if err != nil || n != rooms*11 {
					b.Fatalf("closed with %d events, %v", n, err)
				}
				b.StopTimer()
				if err := l.Close(b.Context()); err != nil {
					b.Fatal(err)
				}
				b.StartTimer()
			}
		})
	}
}
