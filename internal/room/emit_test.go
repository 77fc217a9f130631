package room

import (
	"log/slog"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/livekit/protocol/livekit"

	"github.com/rollcall-rtc/rollcall/event"
	"github.com/rollcall-rtc/rollcall/internal/eventlog"
	"github.com/rollcall-rtc/rollcall/internal/eventlog/pebble"
	"github.com/rollcall-rtc/rollcall/internal/sfu/peer"
)

// emitting returns a room and an event in it, as the room's loop has them.
func emitting(publish func(...event.Event) uint64) (*state, event.Event) {
	settings := &livekit.Room{Sid: "RM_emit", Name: "emit", Metadata: "some", EmptyTimeout: 300}
	opts := &Options{Publish: publish, Logger: slog.New(slog.DiscardHandler)}
	s := newState(&Room{name: settings.Name, sid: settings.Sid}, opts, settings, time.Now())
	p := &livekit.ParticipantInfo{Sid: "PA_emit", Identity: "identity", Metadata: "some", State: livekit.ParticipantInfo_ACTIVE}
	return s, event.Event{Name: event.ParticipantJoined, Participant: p, Actor: event.ActorClient}
}

func TestEmitAllocatesNothingBeyondThePayload(t *testing.T) {
	var kept event.Event
	s, e := emitting(func(events ...event.Event) uint64 { kept = events[0]; return 1 })
	turn := func() {
		s.emit(e)
		s.endTurn()
	}
	turn() // makes the snapshot of the room, which is payload
	if n := testing.AllocsPerRun(1000, turn); n != 0 {
		t.Errorf("%v allocations for an event", n)
	}
	if kept.Name != e.Name || kept.Room == nil || kept.Time.IsZero() {
		t.Errorf("published %+v", kept)
	}
}

func TestSpaceForEventsIsKeptOnlyForAFew(t *testing.T) {
	s, e := emitting(func(events ...event.Event) uint64 { return uint64(len(events)) })
	for range 10 * maxKept {
		s.emit(e)
	}
	s.endTurn()
	if s.lastSeq != 10*maxKept || cap(s.events) > maxKept {
		t.Errorf("published %d events, kept space for %d", s.lastSeq, cap(s.events))
	}
}

// BenchmarkEmit is what an event costs the room's goroutine, from emit to the end
// of the turn, while the log commits to a real disk: bursts of 8 events, 8,000 a
// second. The payload is there already. What it costs to wake the committer, once
// for each burst when everybody has their answers, is told apart.
func BenchmarkEmit(b *testing.B) {
	store, err := pebble.Open(pebble.Options{Dir: b.TempDir()})
	if err != nil {
		b.Fatal(err)
	}
	log, err := eventlog.Open(eventlog.Options{Store: store})
	if err != nil {
		b.Fatal(err)
	}
	s, e := emitting(log.Enqueue)
	s.opts.Commit = log.Commit
	const burst = 8
	took := make([]time.Duration, 0, b.N)
	commits := make([]time.Duration, 0, b.N/burst+1)
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	b.ReportAllocs()
	b.ResetTimer()
	for i := range b.N {
		if i%burst == 0 {
			<-tick.C
		}
		began := time.Now()
		s.emit(e)
		s.endTurn()
		took = append(took, time.Since(began))
		if i%burst == burst-1 {
			began = time.Now()
			s.commit()
			commits = append(commits, time.Since(began))
		}
	}
	b.StopTimer()
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Nanoseconds()), "p50-ns")
	b.ReportMetric(float64(took[len(took)*99/100].Nanoseconds()), "p99-ns")
	if slices.Sort(commits); len(commits) > 0 {
		b.ReportMetric(float64(commits[len(commits)/2].Nanoseconds()), "commit-p50-ns")
		b.ReportMetric(float64(commits[len(commits)*99/100].Nanoseconds()), "commit-p99-ns")
	}
	b.ReportMetric(0, "ns/op")
	if err := log.Close(b.Context()); err != nil {
		b.Fatal(err)
	}
}

func TestWhoOnlyConnectsIsCommittedWithOthers(t *testing.T) {
	var within atomic.Int64
	inBubble(t, Options{CommitWithin: func(d time.Duration) { within.Store(int64(d)) }}, func(tc *test) {
		want := func(why string, d time.Duration, uncommitted int) {
			t.Helper()
			synctest.Wait()
			tc.mu.Lock()
			defer tc.mu.Unlock()
			if got, told := len(tc.log)-tc.committed, time.Duration(within.Swap(0)); told != d || got != uncommitted {
				t.Errorf("%s: within %s, %d events uncommitted; want %s and %d", why, told, got, d, uncommitted)
			}
		}
		if _, _, err := tc.reg.roomFor(t.Context(), &livekit.CreateRoomRequest{Name: "demo"}, true); err != nil {
			t.Fatal(err)
		}
		want("a room begins", 20*time.Millisecond, 1)
		if _, _, err := tc.reg.roomFor(t.Context(), &livekit.CreateRoomRequest{
			Name: "desk", Agents: []*livekit.RoomAgentDispatch{{AgentName: "clerk"}},
		}, true); err != nil {
			t.Fatal(err)
		}
		want("a room begins that agents wait for", 0, 0)
		alice := tc.enter("demo", "alice")
		synctest.Wait()
		within.Store(0) // the loop may rest between her join and her transport, or not
		want("alice is there", 0, 0)
		bob := tc.accept(joinOf("demo", "bob"))
		want("bob connects", 100*time.Millisecond, 1)
		bob.transport(peer.Connected)
		want("bob is there", 0, 0)
		bob.leave()
		want("bob has left", 50*time.Millisecond, 2) // with the summary of his stay
		carol := tc.accept(joinOf("demo", "carol"))
		carol.leave()
		want("carol was not there", 100*time.Millisecond, 4)
		alice.leave()
		want("alice has left", 50*time.Millisecond, 6)
		tc.enter("demo", "dave")
		synctest.Wait()
		within.Store(0)
		want("dave is there", 0, 0)
	})
}
