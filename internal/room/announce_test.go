package room

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/livekit/protocol/livekit"

	"github.com/rollcall-rtc/rollcall/internal/sfu/peer"
)

func (tc *test) crowd(room string) []*client {
	var all []*client
	for i := range crowded + 1 {
		all = append(all, tc.enter(room, fmt.Sprintf("guest-%d", i)))
	}
	sleep(2 * time.Second)
	for _, c := range all {
		c.heard()
	}
	return all
}

func TestArrivalsInACrowdAreToldTogether(t *testing.T) {
	inBubble(t, Options{}, func(tc *test) {
		guests := tc.crowd("hall")
		ann := tc.enter("hall", "ann")
		bea := tc.enter("hall", "bea")
		bea.leave()
		guests[0].wantHeard("nothing yet")
		sleep(2 * crowded * crowdDelay)
		guests[0].wantHeard("one message of all", "update ann:active/0 bea:disconnected/0")
		if got := ann.heard(); slices.Contains(got, "update ann:active/0") {
			t.Errorf("ann heard of herself alone: %q", got)
		}
		cid := tc.enter("hall", "cid")
		cid.heard()
		cid.publishCamera()
		if got := guests[0].heard(); !slices.Contains(got, "update cid:active/1") {
			t.Errorf("a publisher is told at once; heard %q", got)
		}
		sleep(2 * crowded * crowdDelay)
		if got := guests[0].heard(); slices.Contains(got, "update cid:active/0") {
			t.Errorf("an old state was told after a newer one: %q", got)
		}
	})
}

func TestCountsAreToldLessOftenInACrowd(t *testing.T) {
	inBubble(t, Options{}, func(tc *test) {
		guests := tc.crowd("hall")
		tc.enter("hall", "ann")
		sleep(countsDelay)
		tc.enter("hall", "bea")
		for _, heard := range guests[0].heard() {
			if strings.HasPrefix(heard, "room ") {
				t.Errorf("told already: %q", heard)
			}
		}
		sleep(crowdCounts)
		want := fmt.Sprintf("room participants=%d publishers=0 metadata=\"\"", crowded+3)
		if got := guests[0].heard(); !slices.Contains(got, want) {
			t.Errorf("heard %q, without %q", got, want)
		}
	})
}

func TestDataInACrowdComesFromSomebodyKnown(t *testing.T) {
	inBubble(t, Options{}, func(tc *test) {
		guests := tc.crowd("hall")
		ann := tc.enter("hall", "ann")
		ann.h.berth.post(func(s *state, p *participant) {
			s.forwardData(p, peer.Reliable, &livekit.DataPacket{Value: &livekit.DataPacket_User{User: &livekit.UserPacket{}}})
		})
		guests[0].wantHeard("who speaks is introduced first", "update ann:active/0")
	})
}

// view is what a client believes, as the SDKs do: a departure is of the
// identity, whichever session it names.
type view map[string]string // sid by identity

func (v view) apply(self string, m *livekit.SignalResponse) {
	infos := m.GetUpdate().GetParticipants()
	if join := m.GetJoin(); join != nil {
		infos = join.OtherParticipants
	}
	for _, info := range infos {
		switch {
		case info.Identity == self:
		case info.State == livekit.ParticipantInfo_DISCONNECTED:
			delete(v, info.Identity)
		default:
			v[info.Identity] = info.Sid
		}
	}
}

// Whatever order people come and go in, everybody ends up knowing who is there.
func TestEverybodyInACrowdKnowsWhoIsThere(t *testing.T) {
	for seed := range uint64(20) {
		inBubble(t, Options{}, func(tc *test) {
			rng := rand.New(rand.NewPCG(seed, 1))
			present := map[string]*client{}
			for i, c := range tc.crowd("hall") { // the room gets above the limit and below
				if i < crowded-3 {
					present[c.join.Identity] = c
				} else {
					c.leave()
				}
			}
			watcher := tc.enter("hall", "watcher")
			present["watcher"] = watcher
			for range 60 {
				identity := fmt.Sprintf("visitor-%d", rng.IntN(6))
				c := present[identity]
				switch rng.IntN(6) {
				case 0, 1: // also replaces who is there
					present[identity] = tc.enter("hall", identity)
				case 2:
					if c != nil {
						c.leave()
						delete(present, identity)
					}
				case 3:
					if c != nil {
						c.say(&livekit.SignalRequest{Message: &livekit.SignalRequest_UpdateMetadata{UpdateMetadata: &livekit.UpdateParticipantMetadata{Metadata: fmt.Sprint(rng.Int())}}})
					}
				case 4:
					if c != nil && len(c.p().tracks) == 0 {
						c.publishCamera()
					}
				case 5:
					sleep(time.Duration(rng.IntN(80)) * time.Millisecond)
				}
			}
			sleep(2 * time.Second)
			synctest.Wait()
			want := map[string]string{}
			watcher.h.berth.post(func(s *state, _ *participant) {
				for identity, p := range s.participants {
					want[identity] = p.sid
				}
			})
			synctest.Wait()
			for identity, c := range present {
				got := view{}
				for _, m := range c.sink.messages {
					got.apply(identity, m)
				}
				got[identity] = c.h.SID()
				if identity != "watcher" && len(c.sink.messages) > 0 && c.sink.messages[0].GetJoin() == nil {
					continue // of the crowd, whose first messages were thrown away
				}
				for i, sid := range want {
					if got[i] != sid {
						t.Errorf("seed %d: %s takes %s for %q, it is %q", seed, identity, i, got[i], sid)
					}
				}
				for i := range got {
					if want[i] == "" {
						t.Errorf("seed %d: %s sees %s, who is gone", seed, identity, i)
					}
				}
			}
		})
	}
}
