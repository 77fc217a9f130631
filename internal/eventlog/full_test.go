package eventlog_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/livekit/protocol/livekit"

	"github.com/rollcall-rtc/rollcall/event"
	"github.com/rollcall-rtc/rollcall/internal/eventlog"
	"github.com/rollcall-rtc/rollcall/internal/eventlog/memory"
)

func TestTrackEventsAreFrozenInFullWhenSomebodyAsks(t *testing.T) {
	l := open(t, eventlog.Options{Store: memory.New()})
	defer l.Close(context.Background())
	room := &livekit.Room{Name: "blue", Sid: "RM_1", Metadata: "of the room"}
	ana := &livekit.ParticipantInfo{Sid: "PA_1", Identity: "ana", Metadata: "of \xff ana"}
	track := event.Event{Name: event.TrackPublished, Room: room, Participant: ana, Track: &livekit.TrackInfo{Sid: "TR_1"}}
	l.Append(track)
	l.KeepFullTracks(true)
	seq := l.Append(track, event.Event{Name: event.ParticipantLeft, Room: room, Participant: &livekit.ParticipantInfo{Sid: "PA_1"}})
	if err := l.Sync(context.Background(), seq); err != nil {
		t.Fatal(err)
	}
	recs, err := l.Read(context.Background(), 0, 10)
	if err != nil || len(recs) != 3 {
		t.Fatalf("%d records, %v", len(recs), err)
	}
	// The first may have been frozen before or after somebody asked.
	full := string(recs[1].FullBody)
	if !strings.Contains(full, `"metadata":"of the room"`) || !strings.Contains(full, "ana\"") || strings.Contains(string(recs[1].Body), "metadata") {
		t.Errorf("full body %s\nbody %s", full, recs[1].Body)
	}
	if recs[2].FullBody != nil {
		t.Errorf("%s has a full body of its own", recs[2].Name)
	}
}

func TestFlushReturnsWhenWhatWasSavedIsStored(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate()
		l := open(t, eventlog.Options{Store: g, CursorDelay: time.Hour})
		if err := l.FlushCursors(context.Background()); err != nil {
			t.Errorf("nothing to flush: %v", err)
		}
		l.SaveCursors(map[string][]byte{"a": []byte("1")}, nil)
		var flushed error = errors.New("not yet")
		go func() { flushed = l.FlushCursors(context.Background()) }()
		synctest.Wait()
		if g.applied() != 1 || flushed == nil {
			t.Fatalf("%d writes under way, flush says %v", g.applied(), flushed)
		}
		l.SaveCursors(map[string][]byte{"b": []byte("1")}, nil) // is nobody's to wait for
		g.pass()
		if flushed != nil {
			t.Errorf("flush: %v", flushed)
		}
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		if err := l.FlushCursors(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("flush of a store that hangs: %v", err)
		}
		g.pass()
		l.Close(context.Background())
		l.SaveCursors(map[string][]byte{"c": nil}, nil)
		if err := l.FlushCursors(context.Background()); err != nil {
			t.Errorf("flush of a closed log that took nothing: %v", err)
		}
	})
}
