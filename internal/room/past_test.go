package room

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/livekit/protocol/livekit"

	"github.com/rollcall-rtc/rollcall/event"
	"github.com/rollcall-rtc/rollcall/internal/sfu/peer"
)

// restart stops the registry with its rooms open and goes on with another one, as
// a server does that is restarted; it returns the past of each room, by name.
func (tc *test) restart() {
	tc.t.Helper()
	open := map[string]*livekit.Room{}
	for _, r := range tc.reg.all() {
		info, err := tc.reg.List(context.Background(), []string{r.name})
		if err != nil || len(info) != 1 {
			tc.t.Fatalf("list %s: %v, %v", r.name, info, err)
		}
		open[r.name] = info[0]
	}
	if err := tc.reg.Close(context.Background()); err != nil {
		tc.t.Fatal(err)
	}
	tc.reg = NewRegistry(tc.options)
	var left []*livekit.Room
	for _, r := range open {
		left = append(left, r)
	}
	tc.reg.Restore(left, func(r *livekit.Room) *Past {
		past := new(Past)
		for i := range tc.log {
			if tc.log[i].RoomSID != r.Sid {
				continue
			}
			if err := past.Add(&tc.log[i]); err != nil {
				tc.t.Fatal(err)
			}
		}
		return past
	})
	synctest.Wait()
}

// story is a call with a resume; between its halves somebody may restart the
// server. It returns what the room's summary says.
func story(t *testing.T, between func(tc *test)) (totals event.RoomTotals) {
	inBubble(t, Options{}, func(tc *test) {
		ctx := context.Background()
		alice := tc.accept(joinOf("demo", "alice"))
		sleep(2 * time.Second)
		alice.transport(peer.Connected)
		alice.publishCamera()
		bob := tc.enter("demo", "bob")
		tc.accept(joinOf("demo", "ghost")).h.SignalLost(nil)
		bob.h.SignalLost(bob.sink)
		if _, err := tc.reg.Resume(ctx, bob.join, bob.h.SID(), bob.sink); err != nil {
			t.Fatal(err)
		}
		sleep(30 * time.Second)
		between(tc)
		carol := tc.enter("demo", "carol")
		sleep(10 * time.Second)
		carol.leave()
		if err := tc.reg.Delete(ctx, "demo"); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		tc.mu.Lock()
		defer tc.mu.Unlock()
		for _, e := range tc.beyond {
			if d, ok := e.Detail.(*event.RoomTotals); ok {
				totals = *d
			}
		}
	})
	return totals
}

func TestSummaryOfARoomThatSawARestartIsOfItsWholeLife(t *testing.T) {
	leave := func(tc *test) {
		for _, who := range []string{"alice", "bob"} {
			if err := tc.reg.RemoveParticipant(context.Background(), "demo", who, time.Time{}); err != nil {
				tc.t.Fatal(err)
			}
		}
	}
	want := story(t, leave)
	got := story(t, func(tc *test) { tc.restart() })
	if want.Sessions != 3 || want.Peak != 2 || want.Resumes != 1 || want.Aborted != 1 || want.Published != 1 || want.FirstMediaMS != 1000 || want.Quality["excellent"] == 0 {
		t.Errorf("without a restart: %+v", want)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("with a restart (-without +with):\n%s", diff)
	}
}

func TestRestoredRoomThatNobodyCameToKeepsItsEmptyTimeout(t *testing.T) {
	inBubble(t, Options{}, func(tc *test) {
		if _, err := tc.reg.Create(context.Background(), &livekit.CreateRoomRequest{Name: "demo", EmptyTimeout: 300, DepartureTimeout: 20}); err != nil {
			t.Fatal(err)
		}
		tc.restart()
		sleep(200 * time.Second)
		tc.wantEvents("it waits for the first", "room_started 0/0")
		sleep(101 * time.Second)
		tc.wantEvents("nobody came", "room_started 0/0", "room_finished 0/0")
	})
}
