package storetest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-rtc/rollcall/event"
	"github.com/rollcall-rtc/rollcall/internal/eventlog"
)

// Sessions returns what a log lists, page by page, the newest first.
func Sessions(t *testing.T, l *eventlog.Log, page int) []event.Session {
	t.Helper()
	var all []event.Session
	for before := uint64(0); ; {
		found, cursor, done, err := l.Sessions(context.Background(), before, page, nil)
		if err != nil {
			t.Fatal("list sessions:", err)
		}
		all = append(all, found...)
		if before = cursor; done {
			return all
		}
	}
}

// sessionsOf folds records of a whole log into what the list has to say.
func sessionsOf(records []event.Record) []event.Session {
	bySID := make(map[string]*event.Session)
	for _, r := range records {
		s := bySID[r.RoomSID]
		if s == nil {
			s = &event.Session{Room: r.Room, SID: r.RoomSID, First: r.Seq, Started: r.Time}
			bySID[r.RoomSID] = s
		}
		s.Events++
		switch r.Name {
		case event.ParticipantJoined:
			s.Participants++
		case event.RoomFinished:
			s.Last, s.Ended, s.Actor, s.Reason, s.Synthesized = r.Seq, r.Time, r.Actor, r.Reason, r.Synthesized
		}
	}
	all := make([]event.Session, 0, len(bySID))
	for _, s := range slices.SortedFunc(maps.Values(bySID), func(a, b *event.Session) int { return int(int64(b.First - a.First)) }) {
		all = append(all, *s)
	}
	return all
}

func wantSessions(t *testing.T, l *eventlog.Log) {
	t.Helper()
	want := sessionsOf(ReadAll(t, l))
	if diff := cmp.Diff(want, Sessions(t, l, 7)); diff != "" {
		t.Errorf("the list is not what the events tell (-want +got):\n%s", diff)
	}
	for _, s := range want {
		if got, err := l.Session(context.Background(), s.SID); err != nil || got != s {
			t.Errorf("session %s is %+v, %v", s.SID, got, err)
		}
	}
}

// testHistory lists sessions while they go on, across a crash, and after the
// list was lost.
func testHistory(t *testing.T, d Disk) {
	l := openLog(t, open(t, d), 0)
	var last uint64
	for i := range 30 {
		room := NewRoom(fmt.Sprintf("room-%d", i%4), fmt.Sprintf("RM_%d", i))
		l.Append(room.Start(), room.Join(), room.Join(), room.Publish(1))
		last = l.Append(room.Leave(0)...)
		if i%3 > 0 {
			end := room.Finish()
			end[len(end)-1].Actor, end[len(end)-1].Reason = event.ActorServer, "departure_timeout"
			last = l.Append(end...)
		}
	}
	wantSync(t, l, last)
	wantSessions(t, l)
	only, _, done, err := l.Sessions(context.Background(), 0, 10, func(s *event.Session) bool { return s.Room == "room-2" && s.Last == 0 })
	if err != nil || !done || len(only) != 2 || only[0].SID != "RM_18" || only[1].SID != "RM_6" {
		t.Errorf("open sessions of room-2: %+v, done %t, %v", only, done, err)
	}
	if _, err := l.Session(context.Background(), "RM_unknown"); !errors.Is(err, eventlog.ErrNotFound) {
		t.Errorf("an unknown session: %v", err)
	}
	closeLog(t, l)

	l = openLog(t, open(t, d.PowerCut(1)), 0)
	if _, err := l.CloseOpen(context.Background(), time.Now()); err != nil {
		t.Fatal(err)
	}
	wantSessions(t, l)
	closeLog(t, l)

	// A log of a time when there was no list.
	store := open(t, d)
	values, err := store.Values("", "", 0)
	if err != nil {
		t.Fatal(err)
	}
	lost := &eventlog.Batch{Cursors: make(map[string][]byte)}
	for _, v := range values {
		lost.Cursors[v.Key] = nil
	}
	if err := store.Apply(lost); err != nil {
		t.Fatal(err)
	}
	closeStore(t, store)
	l = openLog(t, open(t, d), 0)
	wantSessions(t, l)
	if _, err := l.CloseOpen(context.Background(), time.Now()); err != nil {
		t.Fatal(err)
	}
	wantSessions(t, l)
	closeLog(t, l)
	l = openLog(t, open(t, d), 0)
	wantSessions(t, l)
	closeLog(t, l)
}
