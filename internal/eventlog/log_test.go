package eventlog_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/livekit/protocol/livekit"

	"github.com/rollcall-rtc/rollcall/event"
	"github.com/rollcall-rtc/rollcall/internal/eventlog"
	"github.com/rollcall-rtc/rollcall/internal/eventlog/memory"
	"github.com/rollcall-rtc/rollcall/internal/eventlog/storetest"
)

// gate is a store whose writes reach the memory at once, where an engine may
// show them, but end only when let through.
type gate struct {
	*memory.Store
	through chan error // the result of one Apply

	mu      sync.Mutex
	batches []eventlog.Batch
}

func newGate() *gate { return &gate{Store: memory.New(), through: make(chan error)} }

func (g *gate) Apply(b *eventlog.Batch) error {
	g.mu.Lock()
	g.batches = append(g.batches, *b)
	g.mu.Unlock()
	if err := g.Store.Apply(b); err != nil {
		return err
	}
	return <-g.through
}

func (g *gate) applied() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.batches)
}

// pass lets the write that is under way end.
func (g *gate) pass() {
	g.through <- nil
	synctest.Wait()
}

func open(t *testing.T, opts eventlog.Options) *eventlog.Log {
	t.Helper()
	l, err := eventlog.Open(opts)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func closeLog(t *testing.T, l *eventlog.Log) {
	t.Helper()
	if err := l.Close(t.Context()); err != nil {
		t.Fatal("close:", err)
	}
}

// joins returns n events of one room.
func joins(n int) []event.Event {
	room := storetest.NewRoom("room", "RM_1")
	events := []event.Event{room.Start()}
	for len(events) < n {
		events = append(events, room.Join())
	}
	return events
}

func TestReadersSeeOnlyWhatIsDurable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate()
		l := open(t, eventlog.Options{Store: g})
		waited := make(chan error, 2)
		seq := l.Append(joins(3)...)
		go func() { waited <- l.Wait(t.Context(), 0) }()
		go func() { waited <- l.Sync(t.Context(), seq) }()
		synctest.Wait()
		for _, read := range []func() ([]event.Record, error){
			func() ([]event.Record, error) { return l.Read(t.Context(), 0, 10) },
			func() ([]event.Record, error) { return l.ReadRoom(t.Context(), "room", 0, 10) },
		} {
			if rs, err := read(); len(rs) > 0 || err != nil {
				t.Errorf("read %d events that are not durable, %v", len(rs), err)
			}
		}
		if l.Last() != 0 || len(waited) > 0 {
			t.Errorf("Last = %d, %d waits have ended, before the sync", l.Last(), len(waited))
		}
		g.pass()
		if rs, err := l.Read(t.Context(), 0, 10); len(rs) != 3 || err != nil {
			t.Errorf("read %d events, %v; want 3", len(rs), err)
		}
		if rs, err := l.ReadRoom(t.Context(), "room", 1, 1); len(rs) != 1 || rs[0].Seq != 2 || err != nil {
			t.Errorf("read %v of the room, %v; want event 2", rs, err)
		}
		for range 2 {
			if err := <-waited; err != nil {
				t.Error(err)
			}
		}
		closeLog(t, l)
	})
}

func TestWhatIsEnqueuedIsWrittenAtTheNextCommit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := open(t, eventlog.Options{Store: memory.New()})
		events := joins(6)
		for round := range 3 {
			synctest.Wait() // the committer is idle
			l.Enqueue(events[2*round])
			seq := l.Enqueue(events[2*round+1])
			synctest.Wait()
			if got := l.Last(); got != seq-2 {
				t.Errorf("%d durable before the commit, want %d", got, seq-2)
			}
			l.Commit()
			l.Commit() // nothing more to do
			synctest.Wait()
			if got := l.Last(); got != seq {
				t.Errorf("%d durable after the commit, want %d", got, seq)
			}
		}
		l.Enqueue(joins(1)...)
		closeLog(t, l)
		if got := l.Last(); got != 7 {
			t.Errorf("%d durable after the end, want 7", got)
		}
	})
}

func TestWhatIsInNoHurryRidesWithOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := open(t, eventlog.Options{Store: memory.New()})
		events := joins(7)
		wantLast := func(why string, want uint64) {
			t.Helper()
			synctest.Wait()
			if got := l.Last(); got != want {
				t.Errorf("%s: %d durable, want %d", why, got, want)
			}
		}
		synctest.Wait()                       // the committer is idle
		l.CommitWithin(20 * time.Millisecond) // nothing is there
		l.Enqueue(events[0])
		l.CommitWithin(20 * time.Millisecond)
		time.Sleep(10 * time.Millisecond)
		l.Enqueue(events[1])
		l.CommitWithin(15 * time.Millisecond)
		wantLast("before the delay", 0)
		time.Sleep(10 * time.Millisecond)
		wantLast("after the delay of the first", 2)

		l.Enqueue(events[2])
		l.CommitWithin(time.Hour)
		wantLast("again", 2)
		l.Append(events[3])
		wantLast("with another", 4)

		l.Enqueue(events[4])
		l.CommitWithin(time.Hour)
		l.Enqueue(events[5])
		l.CommitWithin(5 * time.Millisecond)
		time.Sleep(5 * time.Millisecond)
		wantLast("after the delay of the second", 6)

		seq := l.Enqueue(events[6])
		l.CommitWithin(20 * time.Millisecond)
		began := time.Now()
		if err := l.Sync(t.Context(), seq); err != nil || !time.Now().Equal(began) {
			t.Errorf("who waits for an event waits for others: %v, after %s", err, time.Since(began))
		}
		l.Enqueue(joins(1)...)
		l.CommitWithin(20 * time.Millisecond)
		closeLog(t, l)
		wantLast("closed", 8)
	})
}

// What comes while a group is written has the time that it was given, too.
func TestWhatMayWaitDoesNotGoWithTheNextTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate()
		l := open(t, eventlog.Options{Store: g})
		events := joins(8)
		want := func(when string, groups int, last uint64) {
			t.Helper()
			synctest.Wait()
			if got := g.applied(); got != groups || l.Last() != last {
				t.Errorf("%s: %d groups, %d durable; want %d, %d", when, got, l.Last(), groups, last)
			}
		}
		during := func(e event.Event, d time.Duration) { // a group that is written
			synctest.Wait()
			l.Enqueue(e)
			l.CommitWithin(d)
			g.pass()
		}
		l.Append(events[0])
		during(events[1], 20*time.Millisecond)
		want("the first is written", 1, 1)
		time.Sleep(20 * time.Millisecond)
		g.pass()
		want("the time is over", 2, 2)

		l.Append(events[2])
		during(events[3], time.Hour)
		want("the third is written", 3, 3)
		l.Append(events[4])
		g.pass()
		want("with another", 4, 5)

		l.Append(events[5])
		during(events[6], time.Hour)
		l.Enqueue(events[7])
		want("the sixth is written", 5, 6)
		go func() { g.through <- nil }()
		closeLog(t, l)
		want("closed", 6, 8)
	})
}

func TestWhoNeedsTheRingHasItEmptied(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := open(t, eventlog.Options{Store: memory.New(), Ring: 4})
		events := joins(10)
		synctest.Wait() // the committer is idle
		l.Enqueue(events[0])
		l.CommitWithin(time.Hour)
		began := time.Now()
		l.Enqueue(events[1:5]...)
		l.Enqueue(events[5])
		l.Enqueue(events[6:]...) // more than the ring takes after that
		l.Commit()
		synctest.Wait()
		if got := l.Last(); got != 10 || !time.Now().Equal(began) {
			t.Errorf("%d durable after %s, want 10 at once", got, time.Since(began))
		}
		closeLog(t, l)
	})
}

func TestWhatGathersIsCommittedWithOneSync(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate()
		l := open(t, eventlog.Options{Store: g})
		events := joins(200)
		l.Append(events[0])
		synctest.Wait() // the first is being written
		for _, e := range events[1:] {
			l.Append(e)
		}
		g.pass()
		g.pass()
		if got := g.applied(); got != 2 || l.Last() != 200 {
			t.Errorf("200 events in %d writes, %d durable; want 2, 200", got, l.Last())
		}
		closeLog(t, l)
	})
}

func TestFullRingMakesAppendWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate()
		l := open(t, eventlog.Options{Store: g, Ring: 4})
		events := joins(13)
		order := []uint64{l.Append(events[0])}
		synctest.Wait() // it is being written
		done := make(chan struct{})
		go func() {
			defer close(done)
			events := events[1:]
			for len(events) > 6 {
				order = append(order, l.Append(events[0]))
				events = events[1:]
			}
			order = append(order, l.Append(events...)) // more than the ring holds
		}()
		synctest.Wait()
		if s := l.Stats(); s.Waits != 1 || s.Waiting != 4 {
			t.Errorf("%d waits, %d in the ring; want 1, 4", s.Waits, s.Waiting)
		}
		time.Sleep(time.Second)
		for l.Last() < 13 {
			g.pass()
		}
		<-done
		if d := cmp.Diff([]uint64{1, 2, 3, 4, 5, 6, 7, 13}, order); d != "" {
			t.Errorf("Seqs (-want +got):\n%s", d)
		}
		if s := l.Stats(); s.WaitTime < time.Second || s.Appended != 13 || s.Refused != 0 {
			t.Errorf("stats %+v", s)
		}
		storetest.CheckOrder(t, storetest.ReadAll(t, l))
		closeLog(t, l)
	})
}

// wantFailed checks that every call of a failed log says so.
func wantFailed(t *testing.T, l *eventlog.Log, cause error) {
	t.Helper()
	<-l.Failed()
	ctx := t.Context()
	refused := l.Append(joins(2)...)
	_, read := l.Read(ctx, 0, 1)
	_, room := l.ReadRoom(ctx, "room", 0, 1)
	_, cursors := l.LoadCursors("")
	_, closing := l.CloseOpen(ctx, time.Now())
	for call, err := range map[string]error{
		"Sync": l.Sync(ctx, refused), "Wait": l.Wait(ctx, refused), "Read": read, "ReadRoom": room,
		"LoadCursors": cursors, "CloseOpen": closing, "Err": l.Err(),
	} {
		if !errors.Is(err, eventlog.ErrFailed) || !errors.Is(err, cause) {
			t.Errorf("%s: %v, want ErrFailed and %v", call, err, cause)
		}
	}
	l.SaveCursors(map[string][]byte{"c": nil}, nil) // and does not block
	if s := l.Stats(); s.Refused < 2 {
		t.Errorf("%d events refused, want 2", s.Refused)
	}
}

func TestFailedWriteIsNeverRepeated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate()
		l := open(t, eventlog.Options{Store: g})
		broken := errors.New("sync failed")
		seq := l.Append(joins(1)...)
		g.through <- broken
		if err := l.Sync(t.Context(), seq); !errors.Is(err, broken) {
			t.Errorf("Sync: %v", err)
		}
		wantFailed(t, l, broken)
		if err := l.Close(t.Context()); !errors.Is(err, broken) {
			t.Errorf("Close: %v", err)
		}
		if g.applied() != 1 {
			t.Errorf("%d writes, want 1", g.applied())
		}
	})
}

func TestStalledStoreFailsTheLogAndFreesItsCallers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate()
		l := open(t, eventlog.Options{Store: g, Ring: 2, StallTimeout: 10 * time.Second})
		freed := make(chan uint64)
		go func() { freed <- l.Append(joins(9)...) }()
		begun := time.Now()
		err := l.Sync(t.Context(), <-freed)
		if !errors.Is(err, eventlog.ErrStalled) || time.Since(begun) != 10*time.Second {
			t.Errorf("Sync after %s: %v", time.Since(begun), err)
		}
		wantFailed(t, l, eventlog.ErrStalled)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := l.Close(ctx); !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, eventlog.ErrStalled) {
			t.Errorf("Close: %v", err)
		}
		g.pass() // the late success changes nothing
		if !errors.Is(l.Err(), eventlog.ErrStalled) {
			t.Errorf("Err after the late success: %v", l.Err())
		}
	})
}

func TestClosedLogRefusesEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := memory.New()
		l := open(t, eventlog.Options{Store: store})
		l.Append(joins(5)...)
		closeLog(t, l)
		if last, err := store.Last(); last.Seq != 5 || err != nil {
			t.Errorf("after Close the store ends at %d, %v; want 5", last.Seq, err)
		}
		seq := l.Append(joins(1)...)
		if err := l.Sync(t.Context(), seq); seq != 6 || !errors.Is(err, eventlog.ErrClosed) {
			t.Errorf("Append = %d, Sync: %v", seq, err)
		}
		if _, err := l.Read(t.Context(), 0, 1); !errors.Is(err, eventlog.ErrClosed) {
			t.Errorf("Read: %v", err)
		}
		closeLog(t, l)
	})
}

func TestWaitEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := open(t, eventlog.Options{Store: memory.New()})
		defer closeLog(t, l)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := l.Wait(ctx, 0); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Wait: %v", err)
		}
	})
}

func TestTextThatIsNotUTF8DoesNotWedgeTheLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := open(t, eventlog.Options{Store: memory.New()})
		defer closeLog(t, l)
		bad := "caf\xe9"
		p := &livekit.ParticipantInfo{Sid: "PA_1", Identity: bad, Attributes: map[string]string{bad: bad, "k": bad},
			Permission: &livekit.ParticipantPermission{CanPublish: true}}
		room := &livekit.Room{Sid: "RM_1", Name: bad, EnabledCodecs: []*livekit.Codec{{Mime: bad}}}
		l.Append(
			event.Event{Name: event.RoomStarted, Room: room},
			event.Event{Name: event.ParticipantJoined, Room: room, Participant: p},
			event.Event{Name: event.EgressEnded, Egress: &livekit.EgressInfo{Error: bad}},
		)
		if err := l.Sync(t.Context(), 3); err != nil {
			t.Fatal(err)
		}
		if p.Identity != bad || room.Name != bad {
			t.Error("the caller's messages were changed")
		}
		rs, err := l.ReadRoom(t.Context(), bad, 0, 10)
		if err != nil || len(rs) != 2 {
			t.Fatalf("read %d events of the room, %v; want 2", len(rs), err)
		}
		w, err := rs[1].Webhook()
		if err != nil {
			t.Fatal(err)
		}
		const good = "caf\uFFFD"
		if rs[1].Room != good || rs[1].Identity != good || w.Room.Name != good || w.Participant.Attributes[good] != good ||
			w.Participant.Attributes["k"] != good || w.Room.EnabledCodecs[0].Mime != good || !w.Participant.Permission.CanPublish {
			t.Errorf("record %+v, body %s", rs[1], rs[1].Body)
		}
		if s := l.Stats(); s.Sanitized != 3 {
			t.Errorf("%d events sanitized, want 3", s.Sanitized)
		}
	})
}

func TestClosureDescribesThingsAsTheyWereLast(t *testing.T) {
	l := open(t, eventlog.Options{Store: memory.New()})
	defer closeLog(t, l)
	room := &livekit.Room{Sid: "RM_1", Name: "room", Metadata: "old", NumParticipants: 2}
	later := &livekit.Room{Sid: "RM_1", Name: "room", Metadata: "new", NumParticipants: 2, ActiveRecording: true}
	anna := &livekit.ParticipantInfo{Sid: "PA_1", Identity: "anna", Metadata: "old", State: livekit.ParticipantInfo_ACTIVE}
	renamed := &livekit.ParticipantInfo{Sid: "PA_1", Identity: "anna", Metadata: "new", IsPublisher: true, State: livekit.ParticipantInfo_ACTIVE}
	agent := &livekit.ParticipantInfo{Sid: "PA_2", Identity: "agent", Kind: livekit.ParticipantInfo_AGENT, State: livekit.ParticipantInfo_ACTIVE}
	early := &livekit.ParticipantInfo{Sid: "PA_3", Identity: "early"}
	muted := &livekit.TrackInfo{Sid: "TR_1", Muted: true}
	l.Append(
		event.Event{Name: event.RoomStarted, Room: room},
		event.Event{Name: event.TrackPublished, Room: room, Participant: early, Track: &livekit.TrackInfo{Sid: "TR_0"}},
		event.Event{Name: event.ParticipantJoined, Room: room, Participant: anna},
		event.Event{Name: event.ParticipantJoined, Room: room, Participant: agent},
		event.Event{Name: event.TrackPublished, Room: room, Participant: anna, Track: &livekit.TrackInfo{Sid: "TR_1"}},
		event.Event{Name: event.TrackMuted, Room: room, Participant: anna, Track: muted},
		event.Event{Name: event.ParticipantMetadataChanged, Room: room, Participant: renamed},
		event.Event{Name: event.RoomMetadataChanged, Room: later},
		event.Event{Name: event.SubscriptionFailed, Room: later, Participant: agent, Track: muted},
	)
	n, err := l.CloseOpen(t.Context(), time.Now())
	if err != nil || n != 5 {
		t.Fatalf("CloseOpen = %d, %v; want 5 events", n, err)
	}
	rs, err := l.Read(t.Context(), 9, 10)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, r := range rs {
		w, err := r.Webhook()
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, fmt.Sprintf("%s %s %s %q muted=%t %q %d recording=%t", w.Event, r.Identity, r.TrackSID,
			w.Participant.GetMetadata(), w.Track.GetMuted(), w.Room.Metadata, w.Room.NumParticipants, w.Room.ActiveRecording))
	}
	// One who never joined had published: its track ends, and nobody leaves.
	want := []string{
		`track_unpublished early TR_0 "" muted=false "" 0 recording=false`,
		`track_unpublished anna TR_1 "" muted=true "" 0 recording=false`,
		`participant_left anna  "new" muted=false "new" 0 recording=false`,
		`participant_left agent  "" muted=false "new" 0 recording=false`,
		`room_finished   "" muted=false "new" 0 recording=false`,
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("closure (-want +got):\n%s", d)
	}
}

func TestClosureAbortsWhoWasStillConnecting(t *testing.T) {
	l := open(t, eventlog.Options{Store: memory.New()})
	defer closeLog(t, l)
	room := &livekit.Room{Sid: "RM_1", Name: "room"}
	connecting := &livekit.ParticipantInfo{Sid: "PA_1", Identity: "anna", State: livekit.ParticipantInfo_JOINED}
	named := &livekit.ParticipantInfo{Sid: "PA_1", Identity: "anna", Name: "Anna", State: livekit.ParticipantInfo_JOINED}
	aborted := &livekit.ParticipantInfo{Sid: "PA_2", Identity: "ben", State: livekit.ParticipantInfo_DISCONNECTED}
	l.Append(
		event.Event{Name: event.RoomStarted, Room: room},
		event.Event{Name: event.ParticipantConnecting, Room: room, Participant: connecting},
		event.Event{Name: event.ParticipantNameChanged, Room: room, Participant: named},
		event.Event{Name: event.ParticipantConnecting, Room: room, Participant: aborted},
		event.Event{Name: event.ParticipantConnectionAborted, Room: room, Participant: aborted},
	)
	if _, err := l.CloseOpen(t.Context(), time.Now()); err != nil {
		t.Fatal(err)
	}
	rs, err := l.Read(t.Context(), 5, 10)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, r := range rs {
		got = append(got, fmt.Sprintf("%s %s", r.Name, r.Identity))
	}
	want := []string{"participant_connection_aborted anna", "room_finished "}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("closure (-want +got):\n%s", d)
	}
}

func TestManyFinishedSessionsAreForgottenAndContinueRight(t *testing.T) {
	l := open(t, eventlog.Options{Store: memory.New()})
	defer closeLog(t, l)
	const sessions = 3000 // more than are remembered
	for i := range sessions {
		room := storetest.NewRoom("room", fmt.Sprint("RM_", i))
		l.Append(room.Start(), room.Join())
		l.Append(room.Finish()...)
	}
	for _, i := range []int{0, sessions - 1} {
		l.Append(event.Event{Name: event.EgressEnded, Room: &livekit.Room{Sid: fmt.Sprint("RM_", i), Name: "room"}})
	}
	if err := l.Sync(t.Context(), 4*sessions+2); err != nil {
		t.Fatal(err)
	}
	storetest.CheckOrder(t, storetest.ReadAll(t, l))
}

func TestTimeIsKeptInMicroseconds(t *testing.T) {
	l := open(t, eventlog.Options{Store: memory.New()})
	defer closeLog(t, l)
	at := time.Date(2026, 1, 2, 3, 4, 5, 678_901_234, time.FixedZone("", 3600))
	e := joins(1)[0]
	e.Time = at
	if err := l.Sync(t.Context(), l.Append(e)); err != nil {
		t.Fatal(err)
	}
	rs, err := l.Read(t.Context(), 0, 1)
	if err != nil {
		t.Fatal(err)
	}
	if want := time.Date(2026, 1, 2, 2, 4, 5, 678_901_000, time.UTC); rs[0].Time != want {
		t.Errorf("time %v, want %v", rs[0].Time, want)
	}
}
