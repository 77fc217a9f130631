package eventlog_test

import (
	"fmt"
	"testing"

	"github.com/rollcall-rtc/rollcall/internal/eventlog"
	"github.com/rollcall-rtc/rollcall/internal/eventlog/memory"
	"github.com/rollcall-rtc/rollcall/internal/eventlog/storetest"
)

// searched counts how often a session is looked for in the past of its room.
type searched struct {
	*memory.Store
	times int
}

func (s *searched) RoomSeq(room, sid string) (uint64, uint64, error) {
	s.times++
	return s.Store.RoomSeq(room, sid)
}

// A name that thousands of sessions had would cost the committer, and so every
// room, a walk through all their events.
func TestNewSessionIsNotLookedForAmongOlderOnes(t *testing.T) {
	store := &searched{Store: memory.New()}
	l := open(t, eventlog.Options{Store: store})
	var last uint64
	for i := range 20 {
		room := storetest.NewRoom("room", fmt.Sprintf("RM_%d", i))
		last = l.Append(room.Start(), room.Join())
	}
	if err := l.Sync(t.Context(), last); err != nil {
		t.Fatal(err)
	}
	closeLog(t, l)
	if store.times > 0 {
		t.Errorf("looked %d times", store.times)
	}
}

// After a restart an open session goes on where it was, whatever comes next.
func TestOpenSessionGoesOnCountingAfterARestart(t *testing.T) {
	store := memory.New()
	room := storetest.NewRoom("room", "RM_1")
	start := room.Start()
	l := open(t, eventlog.Options{Store: store})
	if err := l.Sync(t.Context(), l.Append(start, room.Join())); err != nil {
		t.Fatal(err)
	}
	closeLog(t, l)

	again := open(t, eventlog.Options{Store: store})
	if err := again.Sync(t.Context(), again.Append(start)); err != nil {
		t.Fatal(err)
	}
	records, err := again.ReadRoom(t.Context(), "room", 2, 1)
	if err != nil || len(records) != 1 || records[0].RoomSeq != 3 {
		t.Errorf("got %+v, %v", records, err)
	}
	closeLog(t, again)
}
