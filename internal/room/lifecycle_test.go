package room

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/livekit/protocol/livekit"

	"github.com/rollcall-rtc/rollcall/event"
	"github.com/rollcall-rtc/rollcall/internal/sfu/peer"
)

func TestCallTellsItsWholeStoryInOrder(t *testing.T) {
	inBubble(t, Options{}, func(tc *test) {
		alice := tc.enter("demo", "alice")
		alice.wantHeard("join", "join others=0")
		bob := tc.enter("demo", "bob")
		bob.wantHeard("join", "join others=1")
		alice.wantHeard("bob's transport is up", "update bob:active/0")
		r := alice.publishCamera()
		bob.wantHeard("alice published", "update alice:active/1")
		alice.end(r)
		alice.leave()
		bob.wantHeard("alice unpublished and left", "update alice:active/0", "update alice:disconnected/0")
		bob.leave()
		sleep(21 * time.Second)
		tc.wantEvents("whole call",
			"room_started 0/0",
			"participant_joined alice 1/0",
			"participant_joined bob 2/0",
			"track_published alice 2/1",
			"track_unpublished alice 2/0",
			"participant_left alice 1/0",
			"participant_left bob 0/0",
			"room_finished 0/0")
	})
}

func TestNobodyHearsOfAParticipantBeforeItsTransportIsUp(t *testing.T) {
	inBubble(t, Options{}, func(tc *test) {
		alice := tc.enter("demo", "alice")
		alice.heard()
		bob := tc.accept(joinOf("demo", "bob"))
		alice.wantHeard("bob is only accepted")
		carol := tc.enter("demo", "carol")
		carol.wantHeard("bob is not among the others", "join others=1")
		bob.h.SignalLost(bob.sink)
		alice.wantHeard("bob went without a trace", "update carol:active/0")
		tc.wantEvents("bob aborted",
			"room_started 0/0", "participant_joined alice 1/0", "participant_joined carol 2/0",
			"participant_connection_aborted bob 2/0")
	})
}

func TestGoodbyeRightAfterTheClientSawItselfConnectedIsJoinedAndLeft(t *testing.T) {
	inBubble(t, Options{}, func(tc *test) {
		c := tc.accept(joinOf("demo", "quick"))
		c.transport(peer.Connecting)
		c.leave()
		tc.wantEvents("waits for the transport", "room_started 0/0")
		if sub := c.sub(); sub.looks != 1 {
			t.Errorf("what the client can have seen was looked for %d times", sub.looks)
		}
		c.transport(peer.Connected)
		tc.wantEvents("both", "room_started 0/0", "participant_joined quick 1/0", "participant_left quick 0/0")
	})
}

// The Go SDK sees itself connected before DTLS is.
func TestGoodbyeOfAReachableClientIsJoinedAndLeft(t *testing.T) {
	inBubble(t, Options{}, func(tc *test) {
		c := tc.accept(joinOf("demo", "quick"))
		c.transport(peer.Reachable)
		tc.wantEvents("not joined yet", "room_started 0/0")
		c.leave()
		tc.wantEvents("both", "room_started 0/0", "participant_joined quick 1/0", "participant_left quick 0/0")

		c = tc.accept(joinOf("demo", "quicker"))
		c.transport(peer.Connecting)
		c.leave()
		c.transport(peer.Reachable)
		tc.wantEvents("waited for it", "room_started 0/0", "participant_joined quick 1/0", "participant_left quick 0/0",
			"participant_joined quicker 1/0", "participant_left quicker 0/0")
	})
}

// Media and signalling come by different ways: the end of the one can overtake
// the goodbye on the other.
func TestGoodbyeAfterTheTransportWasClosedIsTheClientsOwn(t *testing.T) {
	inBubble(t, Options{}, func(tc *test) {
		c := tc.enter("demo", "quick")
		c.heard()
		c.transport(peer.Closed)
		sleep(goodbyeGrace / 2)
		c.wantHeard("nothing yet")
		c.leave()
		tc.wantEvents("at once", "room_started 0/0", "participant_joined quick 1/0", "participant_left quick 0/0")
		if left := tc.events[2]; left.Participant.DisconnectReason != livekit.DisconnectReason_CLIENT_INITIATED || left.Actor != event.ActorClient {
			t.Errorf("left for %v, by %s", left.Participant.DisconnectReason, left.Actor)
		}

		c = tc.enter("demo", "silent")
		sleep(time.Minute) // and told of everything
		c.heard()
		c.transport(peer.Closed)
		sleep(goodbyeGrace)
		c.wantHeard("asked to resume", "leave CONNECTION_TIMEOUT RESUME")
		sleep(time.Minute)
		if left := tc.events[4]; left.Name != event.ParticipantLeft || left.Participant.DisconnectReason != livekit.DisconnectReason_CONNECTION_TIMEOUT ||
			left.Actor != event.ActorServer {
			t.Errorf("%s for %v, by %s", left.Name, left.Participant.DisconnectReason, left.Actor)
		}
	})
}

func TestGoodbyeBeforeAnyTransportIsAborted(t *testing.T) {
	aborted := []string{"room_started 0/0", "participant_connection_aborted quick 0/0"}
	inBubble(t, Options{}, func(tc *test) {
		c := tc.accept(joinOf("demo", "quick"))
		c.leave()
		tc.wantEvents("who has not answered cannot have been there", aborted...)
	})
	for name, st := range map[string]peer.State{"new": peer.New, "connecting": peer.Connecting} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, Options{}, func(tc *test) {
				c := tc.accept(joinOf("demo", "quick"))
				c.transport(peer.Connecting)
				c.transport(st)
				c.leave()
				tc.wantEvents("it may have been there", "room_started 0/0")
				sleep(leaveGrace)
				tc.wantEvents("aborted", aborted...)
			})
		})
	}
}

func TestTransportThatNeverComesUpIsAborted(t *testing.T) {
	inBubble(t, Options{}, func(tc *test) {
		c := tc.accept(joinOf("demo", "mute"))
		c.heard()
		sleep(59 * time.Second)
		tc.wantEvents("still waiting", "room_started 0/0")
		sleep(2 * time.Second)
		c.wantHeard("told why", "leave JOIN_FAILURE DISCONNECT")
		tc.wantEvents("aborted", "room_started 0/0", "participant_connection_aborted mute 0/0")
	})
}

func TestDuplicateIdentityReplacesSession(t *testing.T) {
	inBubble(t, Options{}, func(tc *test) {
		watcher := tc.enter("demo", "watcher")
		first := tc.enter("demo", "bob")
		first.publishCamera()
		watcher.heard()
		first.heard()
		second := tc.enter("demo", "bob")
		first.wantHeard("the old session is told", "leave DUPLICATE_IDENTITY DISCONNECT")
		watcher.wantHeard("old out, new in", "update bob:disconnected/0", "update bob:active/0")
		if first.h.SID() == second.h.SID() {
			t.Error("the new session has the old sid")
		}
		tc.wantEvents("old session closes first",
			"room_started 0/0", "participant_joined watcher 1/0", "participant_joined bob 2/0", "track_published bob 2/1",
			"track_unpublished bob 2/0", "participant_left bob 1/0", "participant_joined bob 2/0")
	})
}

func TestRoomClosesByItsTimeouts(t *testing.T) {
	inBubble(t, Options{}, func(tc *test) {
		if _, err := tc.reg.Create(context.Background(), &livekit.CreateRoomRequest{Name: "empty", EmptyTimeout: 10}); err != nil {
			t.Fatal(err)
		}
		sleep(9 * time.Second)
		tc.wantEvents("open", "room_started 0/0")
		c := tc.enter("empty", "alice")
		sleep(time.Minute)
		tc.wantEvents("kept by alice", "room_started 0/0", "participant_joined alice 1/0")
		c.leave()
		sleep(19 * time.Second)
		back := tc.enter("empty", "alice")
		sleep(time.Minute)
		back.leave()
		sleep(21 * time.Second)
		tc.wantEvents("closed once",
			"room_started 0/0", "participant_joined alice 1/0", "participant_left alice 0/0",
			"participant_joined alice 1/0", "participant_left alice 0/0", "room_finished 0/0")
		if rooms, _ := tc.reg.List(context.Background(), nil); len(rooms) != 0 {
			t.Errorf("still listed: %v", rooms)
		}
	})
}

func TestAgentsAloneDoNotKeepARoom(t *testing.T) {
	inBubble(t, Options{}, func(tc *test) {
		agent := joinOf("demo", "agent")
		agent.Kind = livekit.ParticipantInfo_AGENT
		a := tc.accept(agent)
		a.transport(peer.Connected)
		alice := tc.enter("demo", "alice")
		alice.leave()
		a.heard()
		sleep(21 * time.Second)
		a.wantHeard("counts, then the end", `room participants=0 publishers=0 metadata=""`, "quality agent=EXCELLENT", "leave ROOM_CLOSED DISCONNECT")
		tc.wantEvents("agent is not counted and does not hold the room",
			"room_started 0/0", "participant_joined agent 0/0", "participant_joined alice 1/0", "participant_left alice 0/0",
			"participant_left agent 0/0", "room_finished 0/0")
	})
}

func TestResumeKeepsTheSessionAndNobodyNotices(t *testing.T) {
	inBubble(t, Options{}, func(tc *test) {
		alice, bob := tc.enter("demo", "alice"), tc.enter("demo", "bob")
		alice.publishCamera()
		carol := tc.enter("demo", "carol")
		alice.heard()
		bob.heard()
		alice.h.SignalLost(alice.sink)
		sleep(5 * time.Second)
		carol.leave()
		alice.sink = &recorder{}
		h, err := tc.reg.Resume(context.Background(), alice.join, alice.h.SID(), alice.sink)
		if err != nil {
			t.Fatal(err)
		}
		if h.SID() != alice.h.SID() {
			t.Errorf("resumed as %s, was %s", h.SID(), alice.h.SID())
		}
		alice.wantHeard("what a resume consists of", "reconnect", "update carol:disconnected/0",
			"update bob:active/0 alice:active/1", `room participants=2 publishers=1 metadata=""`)
		if n := alice.sub().restarts; n != 1 {
			t.Errorf("%d ICE restarts, want 1", n)
		}
		if got := bob.heard(); len(got) == 0 || got[0] != "update carol:disconnected/0" && got[0][:4] != "room" {
			t.Errorf("bob heard %v", got)
		}
	})
}

func TestSessionThatEndedOnPurposeCannotBeResumed(t *testing.T) {
	ctx := context.Background()
	for name, tt := range map[string]struct {
		end  func(tc *test, c *client)
		want Gone
	}{
		"room deleted": {func(tc *test, _ *client) { _ = tc.reg.Delete(ctx, "demo") },
			Gone{livekit.DisconnectReason_ROOM_DELETED, livekit.LeaveRequest_DISCONNECT}},
		"removed": {func(tc *test, _ *client) { _ = tc.reg.RemoveParticipant(ctx, "demo", "bob", time.Time{}) },
			Gone{livekit.DisconnectReason_PARTICIPANT_REMOVED, livekit.LeaveRequest_DISCONNECT}},
		"replaced": {func(tc *test, _ *client) { tc.enter("demo", "bob") },
			Gone{livekit.DisconnectReason_DUPLICATE_IDENTITY, livekit.LeaveRequest_DISCONNECT}},
		"declined": {func(_ *test, c *client) {
			c.say(&livekit.SignalRequest{Message: &livekit.SignalRequest_Leave{Leave: &livekit.LeaveRequest{Reason: livekit.DisconnectReason_USER_REJECTED}}})
		},
			Gone{livekit.DisconnectReason_USER_REJECTED, livekit.LeaveRequest_DISCONNECT}},
		"server forgot it": {func(_ *test, c *client) { c.h = &Participant{newBerth(c.room(), &participant{sid: "PA_unknown"})} },
			Gone{livekit.DisconnectReason_STATE_MISMATCH, livekit.LeaveRequest_RECONNECT}},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, Options{}, func(tc *test) {
				c := tc.enter("demo", "bob")
				c.h.SignalLost(c.sink)
				tt.end(tc, c)
				before := tc.reg.Stats().Rooms
				_, err := tc.reg.Resume(ctx, c.join, c.h.SID(), &recorder{})
				var gone *Gone
				if !errors.As(err, &gone) || *gone != tt.want {
					t.Errorf("resume: %v, want %v", err, &tt.want)
				}
				if after := tc.reg.Stats().Rooms; after != before {
					t.Errorf("resume changed the rooms from %d to %d", before, after)
				}
			})
		})
	}
}

func TestFailedTransportMayResumeForAWhile(t *testing.T) {
	inBubble(t, Options{}, func(tc *test) {
		c := tc.enter("demo", "bob")
		c.heard()
		c.transport(peer.Failed)
		c.wantHeard("asked to resume", "leave CONNECTION_TIMEOUT RESUME")
		sleep(4 * time.Second)
		c.sink = &recorder{}
		if _, err := tc.reg.Resume(context.Background(), c.join, c.h.SID(), c.sink); err != nil {
			t.Fatal(err)
		}
		c.transport(peer.Connected)
		sleep(2 * time.Minute)
		tc.wantEvents("still there", "room_started 0/0", "participant_joined bob 1/0")
		c.transport(peer.Failed)
		sleep(6 * time.Second)
		tc.wantEvents("gone", "room_started 0/0", "participant_joined bob 1/0", "participant_left bob 0/0")
	})
}

// A client that notices first resumes, and the server sees the old transport
// fail in the middle of that.
func TestTransportThatFailsDuringAResumeDoesNotUndoIt(t *testing.T) {
	inBubble(t, Options{}, func(tc *test) {
		c := tc.enter("demo", "bob")
		c.h.SignalLost(c.sink)
		c.sink = &recorder{}
		if _, err := tc.reg.Resume(context.Background(), c.join, c.h.SID(), c.sink); err != nil {
			t.Fatal(err)
		}
		sleep(time.Second)
		c.heard()
		c.transport(peer.Failed)
		c.wantHeard("not asked to do what it does")
		sleep(10 * time.Second)
		c.transport(peer.Connected)
		sleep(2 * time.Minute)
		tc.wantEvents("still there", "room_started 0/0", "participant_joined bob 1/0")

		// A resume that leads nowhere is the end.
		c.sink = &recorder{}
		if _, err := tc.reg.Resume(context.Background(), c.join, c.h.SID(), c.sink); err != nil {
			t.Fatal(err)
		}
		c.transport(peer.Failed)
		sleep(21 * time.Second)
		tc.wantEvents("gone", "room_started 0/0", "participant_joined bob 1/0", "participant_left bob 0/0")
	})
}

func TestFullRoomRefusesPeopleButNotAgents(t *testing.T) {
	inBubble(t, Options{Defaults: Defaults{MaxParticipants: 1}}, func(tc *test) {
		tc.enter("demo", "alice")
		if _, err := tc.reg.Join(context.Background(), joinOf("demo", "bob"), &recorder{}); !errors.Is(err, ErrRoomFull) {
			t.Errorf("bob: %v", err)
		}
		if err := tc.reg.CanJoin(context.Background(), joinOf("demo", "bob")); !errors.Is(err, ErrRoomFull) {
			t.Errorf("bob may ask: %v", err)
		}
		agent := joinOf("demo", "agent")
		agent.Kind = livekit.ParticipantInfo_AGENT
		tc.accept(agent).transport(peer.Connected)
		tc.enter("demo", "alice") // takes her own place
	})
}

func TestJoinWithoutAutoCreateNeedsARoom(t *testing.T) {
	inBubble(t, Options{Defaults: Defaults{NoAutoCreate: true}}, func(tc *test) {
		if _, err := tc.reg.Join(context.Background(), joinOf("demo", "alice"), &recorder{}); !errors.Is(err, ErrRoomNotFound) {
			t.Errorf("join: %v", err)
		}
		if _, err := tc.reg.Create(context.Background(), &livekit.CreateRoomRequest{Name: "demo"}); err != nil {
			t.Fatal(err)
		}
		tc.enter("demo", "alice")
	})
}

func TestStoppingServerSendsClientsIntoAReconnect(t *testing.T) {
	inBubble(t, Options{}, func(tc *test) {
		c := tc.enter("demo", "alice")
		c.publishCamera()
		c.heard()
		if err := tc.reg.Close(context.Background()); err != nil {
			t.Fatal(err)
		}
		tc.suspended = true
		c.wantHeard("told to come back", "leave SERVER_SHUTDOWN RESUME")
		tc.wantEvents("people have left, the room waits for the next run", "room_started 0/0", "participant_joined alice 1/0",
			"track_published alice 1/1", "track_unpublished alice 1/0", "participant_left alice 0/0")
		if _, err := tc.reg.Join(context.Background(), joinOf("demo", "late"), &recorder{}); !errors.Is(err, ErrStopping) {
			t.Errorf("late join: %v", err)
		}
	})
}

// TestEveryStoryIsWellFormed plays random lives; checkGrammar judges each, and
// wantVersions what clients hear of them.
func TestEveryStoryIsWellFormed(t *testing.T) {
	rounds := 150
	if testing.Short() {
		rounds = 20
	}
	for seed := range rounds {
		rng := rand.New(rand.NewPCG(uint64(seed), 7))
		inBubble(t, Options{}, func(tc *test) {
			names := []string{"a", "b", "c", "d"}
			rooms := []string{"x", "y"}
			var clients []*client
			for range 60 {
				if len(clients) == 0 || rng.IntN(4) == 0 {
					clients = append(clients, tc.accept(joinOf(rooms[rng.IntN(2)], names[rng.IntN(4)])))
				}
				c := clients[rng.IntN(len(clients))]
				switch rng.IntN(13) {
				case 0, 1:
					c.transport(peer.Connecting)
				case 2, 3, 4:
					c.transport(peer.Connected)
				case 5:
					c.transport([]peer.State{peer.Failed, peer.Closed, peer.Disconnected}[rng.IntN(3)])
				case 6:
					c.leave()
				case 7:
					c.h.SignalLost(c.sink)
				case 8:
					c.announce(names[rng.IntN(4)], livekit.TrackType_AUDIO, livekit.TrackSource_MICROPHONE)
				case 9:
					r := c.media(names[rng.IntN(4)], "audio")
					if rng.IntN(2) == 0 {
						c.end(r)
					}
				case 10:
					sleep(time.Duration(rng.IntN(30)) * time.Second)
				case 11:
					_, _ = tc.reg.Resume(context.Background(), c.join, c.h.SID(), c.sink)
				case 12:
					switch rng.IntN(3) {
					case 0:
						_ = tc.reg.Delete(context.Background(), c.join.Room)
					case 1:
						_ = tc.reg.RemoveParticipant(context.Background(), c.join.Room, c.join.Identity, time.Unix(1, 0))
					default:
						_, _ = tc.reg.UpdateParticipant(context.Background(), &livekit.UpdateParticipantRequest{
							Room: c.join.Room, Identity: c.join.Identity,
							Permission: &livekit.ParticipantPermission{CanSubscribe: rng.IntN(2) == 0, CanPublish: rng.IntN(2) == 0},
						})
					}
				}
			}
			synctest.Wait()
			for _, c := range clients {
				c.wantVersions()
			}
		})
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

func TestCallerOfTheLastTurnGetsItsAnswer(t *testing.T) {
	for range 200 {
		inBubble(t, Options{}, func(tc *test) {
			tc.enter("demo", "alice")
			if err := tc.reg.Delete(context.Background(), "demo"); err != nil {
				t.Fatalf("delete: %v", err)
			}
			if _, err := tc.reg.Create(context.Background(), &livekit.CreateRoomRequest{Name: "demo"}); err != nil {
				t.Fatalf("create right after: %v", err)
			}
		})
	}
}

func TestTagsAreOnEveryEventOfTheRoom(t *testing.T) {
	var mu sync.Mutex
	var got []string
	publish := func(events ...event.Event) uint64 {
		mu.Lock()
		defer mu.Unlock()
		for _, e := range events {
			got = append(got, fmt.Sprint(e.Name, e.Tags))
		}
		return uint64(len(got))
	}
	reg := NewRegistry(Options{Publish: publish})
	ctx := context.Background()
	for _, tags := range []map[string]string{{"a": "1"}, {"b": "2"}, nil} {
		if _, err := reg.Create(ctx, &livekit.CreateRoomRequest{Name: "den", Tags: tags, Metadata: fmt.Sprint(tags)}); err != nil {
			t.Fatal(err)
		}
	}
	if err := reg.Delete(ctx, "den"); err != nil {
		t.Fatal(err)
	}
	if err := reg.Close(ctx); err != nil {
		t.Fatal(err)
	}
	mu.Lock()
	defer mu.Unlock()
	first, last := got[0], got[len(got)-1]
	if first != "room_startedmap[a:1]" || !strings.HasSuffix(last, "map[b:2]") {
		t.Errorf("%v", got)
	}
	for _, tags := range []map[string]string{{"": "x"}, {"a": "\xff"}, {"a": strings.Repeat("x", maxTagBytes)}} {
		if _, err := reg.Create(ctx, &livekit.CreateRoomRequest{Name: "attic", Tags: tags}); err == nil {
			t.Errorf("%.40q is accepted", tags)
		}
	}
}
