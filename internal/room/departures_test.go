package room

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/livekit/protocol/livekit"
)

// told resumes, and returns what the client is told of who has left, or why it cannot.
func (c *client) told() string {
	c.tc.t.Helper()
	c.resumes()
	heard := c.heard()
	if len(heard) < 2 {
		return fmt.Sprint(heard)
	}
	return heard[1]
}

// The answer to a resume may be lost like anything else.
func TestWhoHasToResumeTwiceIsToldOfTheFirstLossToo(t *testing.T) {
	inBubble(t, Options{}, func(tc *test) {
		alice, bob := tc.enter("demo", "alice"), tc.enter("demo", "bob")
		tc.enter("demo", "carol")
		alice.h.SignalLost(alice.sink)
		synctest.Wait()
		bob.leave()
		for range 4 {
			sleep(departureSlack - time.Second)
			if got := alice.told(); got != "update bob:disconnected/0" {
				t.Errorf("alice was told %q", got)
			}
		}
		sleep(2 * departureSlack) // a connection that lives for so long has brought it
		if got := alice.told(); got != "update carol:active/0 alice:active/0" {
			t.Errorf("alice, who knows it, was told %q", got)
		}
	})
}

func TestWhoWasAwayForLongerThanDeparturesAreKeptStartsOver(t *testing.T) {
	inBubble(t, Options{}, func(tc *test) {
		alice, bob, carol := tc.enter("demo", "alice"), tc.enter("demo", "bob"), tc.enter("demo", "carol")
		alice.h.SignalLost(alice.sink)
		sleep(time.Second)
		bob.leave()
		sleep(departureKept)
		carol.leave()
		dave := tc.enter("demo", "dave")
		if got := alice.told(); got != "[leave STATE_MISMATCH RECONNECT]" {
			t.Errorf("alice was told %q", got)
		}
		if there := dave.room().names(t); !slices.Equal(there, []string{"dave"}) {
			t.Errorf("in the room are %v", there)
		}
	})
}

func TestWhoCameAfterwardsNeedNotKnowWhoHasLeft(t *testing.T) {
	inBubble(t, Options{}, func(tc *test) {
		alice, bob := tc.enter("demo", "alice"), tc.enter("demo", "bob")
		sleep(time.Second)
		bob.leave()
		alice.room().post(func(s *state) { s.departures.forgotten = s.now })
		sleep(time.Second)
		carol := tc.enter("demo", "carol")
		if got := carol.told(); got != "update bob:disconnected/0" {
			t.Errorf("carol was told %q", got)
		}
		if got := alice.told(); got != "[leave STATE_MISMATCH RECONNECT]" {
			t.Errorf("alice was told %q", got)
		}
	})
}

func TestDeparturesAreBounded(t *testing.T) {
	var d departures
	begin := time.Now()
	at := func(i int) time.Time { return begin.Add(time.Duration(i) * time.Millisecond) }
	for i := range maxDepartures {
		d.add(&livekit.ParticipantInfo{Sid: fmt.Sprint(i), Metadata: "much"}, time.Time{}, at(i))
	}
	if !d.knows(begin.Add(-time.Hour)) {
		t.Error("something is forgotten")
	}
	d.add(&livekit.ParticipantInfo{Sid: "last"}, time.Time{}, at(maxDepartures))
	if len(d.kept) != maxDepartures || d.kept[0].info.Sid != "1" || d.kept[0].info.Metadata != "" {
		t.Errorf("%d are kept, first %v", len(d.kept), d.kept[0].info)
	}
	if d.knows(begin.Add(-time.Hour)) || !d.knows(at(0)) {
		t.Errorf("forgotten until %s", d.forgotten)
	}
	d.add(&livekit.ParticipantInfo{Sid: "later"}, time.Time{}, at(maxDepartures).Add(departureKept))
	if len(d.kept) != 1 || d.knows(at(maxDepartures-1)) {
		t.Errorf("%d are kept", len(d.kept))
	}
}
