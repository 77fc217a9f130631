package eventlog_test

import (
	"errors"
	"sync"
	"testing"

	"github.com/rollcall-rtc/rollcall/internal/eventlog"
	"github.com/rollcall-rtc/rollcall/internal/eventlog/memory"
	"github.com/rollcall-rtc/rollcall/internal/eventlog/storetest"
)

// void is a store that keeps nothing, to measure the Log alone.
type void struct{ *memory.Store }

func (void) Apply(*eventlog.Batch) error { return nil }

// held is a store whose writes wait, so that the committer does nothing.
type held struct {
	*memory.Store
	begun   sync.Once
	beginc  chan struct{}
	release chan struct{}
	err     error
}

var errHeld = errors.New("held for long enough")

func (h *held) Apply(*eventlog.Batch) error {
	h.begun.Do(func() { close(h.beginc) })
	<-h.release
	return h.err
}

func TestAppendAllocatesNothing(t *testing.T) {
	h := &held{Store: memory.New(), beginc: make(chan struct{}), release: make(chan struct{})}
	l := open(t, eventlog.Options{Store: h})
	e := storetest.Typical(1)
	l.Append(e)
	<-h.beginc
	if n := testing.AllocsPerRun(1000, func() { l.Append(e) }); n != 0 {
		t.Errorf("Append allocates %v times", n)
	}
	close(h.release)
	closeLog(t, l)
}

// BenchmarkAppend is what an event costs the goroutine that it happens on. The
// committer is held, so that it takes no part; a full ring is replaced.
func BenchmarkAppend(b *testing.B) {
	const ring = 1 << 16
	var l *eventlog.Log
	var h *held
	renew := func() {
		if l != nil {
			close(h.release)
			if err := l.Close(b.Context()); !errors.Is(err, errHeld) {
				b.Fatal(err)
			}
		}
		h = &held{Store: memory.New(), beginc: make(chan struct{}), release: make(chan struct{}), err: errHeld}
		var err error
		if l, err = eventlog.Open(eventlog.Options{Store: h, Ring: ring}); err != nil {
			b.Fatal(err)
		}
		l.Append(storetest.Typical(1))
		<-h.beginc
	}
	e := storetest.Typical(1)
	b.ReportAllocs()
	for n := 0; b.Loop(); n++ {
		if n%ring == 0 {
			b.StopTimer()
			renew()
			b.StartTimer()
		}
		l.Append(e)
	}
}

// BenchmarkCommit is what the committer can do when nothing waits for a disk.
func BenchmarkCommit(b *testing.B) {
	l, err := eventlog.Open(eventlog.Options{Store: void{memory.New()}})
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close(b.Context())
	e := storetest.Typical(1)
	var last uint64
	for b.Loop() {
		last = l.Append(e)
	}
	if err := l.Sync(b.Context(), last); err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(last)/b.Elapsed().Seconds(), "events/s")
}
