package eventlog_test

import (
	"context"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/livekit/protocol/livekit"

	"github.com/rollcall-rtc/rollcall/event"
	"github.com/rollcall-rtc/rollcall/internal/eventlog"
	"github.com/rollcall-rtc/rollcall/internal/eventlog/memory"
)

// Who reports an event of a room need not know the room's tags.
func TestEventsOfASessionHaveItsTags(t *testing.T) {
	store := memory.New()
	room := &livekit.Room{Sid: "RM_1", Name: "den"}
	tags := map[string]string{"tenant": "acme"}
	job := event.Event{Name: event.AgentJobStarted, Room: room}
	write := func(events ...event.Event) {
		t.Helper()
		l := open(t, eventlog.Options{Store: store})
		if err := l.Sync(context.Background(), l.Append(events...)); err != nil {
			t.Fatal(err)
		}
		store = store.Clone() // a crash
	}
	write(event.Event{Name: event.RoomStarted, Room: room, Tags: tags}, job)
	write(job, event.Event{Name: event.RoomStarted, Room: &livekit.Room{Sid: "RM_2", Name: "den"}})
	l := open(t, eventlog.Options{Store: store})
	defer closeLog(t, l)
	if _, err := l.CloseOpen(context.Background(), time.Now()); err != nil {
		t.Fatal(err)
	}
	records, err := l.Read(context.Background(), 0, 100)
	if err != nil || len(records) != 6 {
		t.Fatalf("%d records, %v", len(records), err)
	}
	for _, r := range records {
		want := tags
		if r.RoomSID == "RM_2" {
			want = nil
		}
		if d := cmp.Diff(want, r.Tags); d != "" {
			t.Errorf("event %d, %s of %s (-want +got):\n%s", r.Seq, r.Name, r.RoomSID, d)
		}
	}
}
