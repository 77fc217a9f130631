package eventlog_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/livekit/protocol/livekit"

	"github.com/rollcall-rtc/rollcall/event"
	"github.com/rollcall-rtc/rollcall/internal/eventlog"
	"github.com/rollcall-rtc/rollcall/internal/eventlog/memory"
	"github.com/rollcall-rtc/rollcall/internal/eventlog/pebble"
)

// typical returns a participant_joined with a body of about 1 KB.
func typical(room int) event.Event {
	sid := fmt.Sprintf("RM_%012d", room)
	return event.Event{
		Name: event.ParticipantJoined, Time: time.Unix(1_700_000_000, 0),
		Room: &livekit.Room{
			Sid: sid, Name: fmt.Sprintf("room-%d", room), EmptyTimeout: 300, DepartureTimeout: 20, CreationTime: 1_700_000_000,
			CreationTimeMs: 1_700_000_000_123, NumParticipants: 3, NumPublishers: 2, Metadata: strings.Repeat("m", 100),
			EnabledCodecs: []*livekit.Codec{{Mime: "audio/opus"}, {Mime: "video/VP8"}, {Mime: "video/H264"}},
		},
		Participant: &livekit.ParticipantInfo{
			Sid: "PA_" + sid, Identity: "identity", Name: "A Name", State: livekit.ParticipantInfo_ACTIVE,
			JoinedAt: 1_700_000_000, JoinedAtMs: 1_700_000_000_123, Metadata: strings.Repeat("m", 300),
			Permission: &livekit.ParticipantPermission{CanPublish: true, CanSubscribe: true, CanPublishData: true},
			Attributes: map[string]string{"plan": "free", "team": "red"}, IsPublisher: true,
		},
	}
}

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
	e := typical(1)
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
		l.Append(typical(1))
		<-h.beginc
	}
	e := typical(1)
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
	e := typical(1)
	var last uint64
	for b.Loop() {
		last = l.Append(e)
	}
	if err := l.Sync(b.Context(), last); err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(last)/b.Elapsed().Seconds(), "events/s")
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
			e := typical(1)
			frozen, err := e.Body("018bcfe5-6800-7000-8000-000000000001")
			if err != nil {
				b.Fatal(err)
			}
			b.SetBytes(int64(len(frozen)))
			b.ResetTimer()
			var wg sync.WaitGroup
			for w := range writers {
				wg.Go(func() {
					e := typical(w)
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
			b.ReportMetric(float64(l.Last())/b.Elapsed().Seconds(), "events/s")
			b.ReportMetric(float64(l.Last())/float64(l.Stats().Groups), "events/sync")
			if err := l.Close(b.Context()); err != nil {
				b.Fatal(err)
			}
		})
	}
}
