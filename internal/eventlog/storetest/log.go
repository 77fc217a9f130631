package storetest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/livekit/protocol/livekit"

	"github.com/rollcall-rtc/rollcall/event"
	"github.com/rollcall-rtc/rollcall/internal/eventlog"
)

func openLog(t *testing.T, s eventlog.Store, ring int) *eventlog.Log {
	t.Helper()
	l, err := eventlog.Open(eventlog.Options{Store: s, Ring: ring})
	if err != nil {
		t.Fatal("open log:", err)
	}
	return l
}

func closeLog(t *testing.T, l *eventlog.Log) {
	t.Helper()
	if err := l.Close(context.Background()); err != nil {
		t.Fatal("close log:", err)
	}
}

func wantSync(t *testing.T, l *eventlog.Log, seq uint64) {
	t.Helper()
	if err := l.Sync(context.Background(), seq); err != nil {
		t.Fatalf("sync %d: %v", seq, err)
	}
}

// live appends n random events of the room, which it then finishes if finish
// says so, and calls appended with each and its Seq.
func live(l *eventlog.Log, rng *rand.Rand, room *Room, n int, finish bool, appended func(event.Event, uint64)) {
	add := func(events ...event.Event) {
		last := l.Append(events...)
		for i, e := range events {
			appended(e, last-uint64(len(events)-1-i))
		}
	}
	add(room.Start())
	for range n {
		switch people := len(room.present); {
		case people == 0 || people < 5 && rng.IntN(3) == 0:
			add(room.Join())
		case rng.IntN(3) > 0:
			add(room.Publish(rng.IntN(people)))
		default:
			add(room.Leave(rng.IntN(people))...)
		}
	}
	if finish {
		add(room.Finish()...)
	}
}

// ledger notes what was appended where.
type ledger struct {
	mu     sync.Mutex
	events map[uint64]event.Event // by Seq
	synced uint64
}

func newLedger() *ledger { return &ledger{events: make(map[uint64]event.Event)} }

func (g *ledger) note(e event.Event, seq uint64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.events[seq] = e
}

func (g *ledger) durable(seq uint64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.synced = max(g.synced, seq)
}

func (g *ledger) lastDurable() uint64 {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.synced
}

// check compares the records that the log did not synthesize with what was
// appended at their places.
func (g *ledger) check(t *testing.T, records []event.Record) {
	t.Helper()
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, r := range records {
		if r.Synthesized {
			continue
		}
		e, ok := g.events[r.Seq]
		if !ok {
			t.Fatalf("event %d (%s) was never appended there", r.Seq, r.Name)
		}
		body, err := e.Body(r.ID)
		if err != nil {
			t.Fatal(err)
		}
		if r.Committed.IsZero() {
			t.Fatalf("event %d was committed at no time", r.Seq)
		}
		want := event.Record{
			Seq: r.Seq, RoomSeq: r.RoomSeq, ID: r.ID, Name: e.Name, Room: e.Room.Name, RoomSID: e.Room.Sid,
			ParticipantSID: e.Participant.GetSid(), Identity: e.Participant.GetIdentity(), TrackSID: e.Track.GetSid(),
			Time: e.Time.Truncate(time.Microsecond).UTC(), Committed: r.Committed, Actor: e.Actor, Reason: e.Reason, Body: body,
		}
		if d := diff(want, r); d != "" {
			t.Fatalf("event %d (-appended +read):\n%s", r.Seq, d)
		}
	}
}

func testAppenders(t *testing.T, d Disk) {
	l := openLog(t, open(t, d), 64)
	const appenders, each = 16, 60
	appended := newLedger()
	var wg sync.WaitGroup
	for i := range appenders {
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(uint64(i), 1))
			room := NewRoom(fmt.Sprintf("room-%d", i%5), fmt.Sprintf("RM_%d", i))
			var before uint64
			live(l, rng, room, each, true, func(e event.Event, seq uint64) {
				if seq <= before {
					t.Errorf("appender %d: Seq %d after %d", i, seq, before)
				}
				before = seq
				appended.note(e, seq)
			})
		})
	}
	wg.Wait()
	wantSync(t, l, uint64(len(appended.events)))
	all := ReadAll(t, l)
	if len(all) != len(appended.events) {
		t.Fatalf("read %d events, appended %d", len(all), len(appended.events))
	}
	CheckOrder(t, all)
	CheckClosed(t, all)
	appended.check(t, all)
	for i := range 5 {
		name := fmt.Sprintf("room-%d", i)
		var want []event.Record
		for _, r := range all {
			if r.Room == name {
				want = append(want, r)
			}
		}
		got, err := l.ReadRoom(context.Background(), name, 0, eventlog.MaxRead)
		if err != nil {
			t.Fatal(err)
		}
		if d := diff(want, got); d != "" {
			t.Fatalf("ReadRoom %s (-want +got):\n%s", name, d)
		}
	}
	closeLog(t, l)
}

func testContinue(t *testing.T, d Disk) {
	room := NewRoom("room", "RM_1")
	appended := newLedger()
	add := func(l *eventlog.Log, events ...event.Event) {
		last := l.Append(events...)
		for i, e := range events {
			appended.note(e, last-uint64(len(events)-1-i))
		}
	}
	l := openLog(t, open(t, d), 0)
	add(l, room.Start(), room.Join(), room.Publish(0))
	l.SaveCursors(map[string][]byte{"c/1": []byte("old"), "c/2": []byte("x")}, nil)
	closeLog(t, l)

	l = openLog(t, open(t, d), 0)
	if l.Last() != 3 {
		t.Fatalf("Last after reopening = %d, want 3", l.Last())
	}
	add(l, room.Join())
	l.SaveCursors(map[string][]byte{"c/1": []byte("new")}, []string{"c/2"})
	closeLog(t, l)

	l = openLog(t, open(t, d), 0)
	add(l, room.Finish()...)
	// An egress outlives its room, and its end has a place in the session.
	late := event.Event{Name: event.EgressEnded, Time: time.Now(), Room: &livekit.Room{Sid: "RM_1", Name: "room"}}
	add(l, late)
	closeLog(t, l)

	l = openLog(t, open(t, d), 0)
	add(l, late)
	next := NewRoom("room", "RM_2")
	add(l, next.Start())
	add(l, next.Finish()...)
	wantSync(t, l, uint64(len(appended.events)))
	all := ReadAll(t, l)
	CheckOrder(t, all)
	CheckClosed(t, all)
	appended.check(t, all)
	cursors, err := l.LoadCursors("c/")
	if d := diff(map[string][]byte{"c/1": []byte("new")}, cursors); d != "" || err != nil {
		t.Fatalf("cursors after reopening, %v (-want +got):\n%s", err, d)
	}
	closeLog(t, l)
}
