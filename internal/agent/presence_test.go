package agent

import (
	"errors"
	"slices"
	"testing"

	"github.com/livekit/protocol/livekit"

	"github.com/rollcall-rtc/rollcall/event"
)

// meanwhile has things happen once, between the question who is in a room and its answer.
func (w *world) meanwhile(happens func()) {
	w.lobby.asked = func() {
		w.lobby.asked = nil
		happens()
	}
}

func (w *world) wantJobsFor(ad *livekit.AgentDispatch, identities ...string) {
	w.t.Helper()
	list, err := w.d.ListDispatch(w.t.Context(), &livekit.ListAgentDispatchRequest{Room: ad.Room, DispatchId: ad.Id})
	if err != nil || len(list.AgentDispatches) != 1 {
		w.t.Fatalf("dispatches: %v, %v", list, err)
	}
	var got []string
	for _, j := range list.AgentDispatches[0].State.Jobs {
		got = append(got, j.Participant.GetIdentity())
	}
	if slices.Sort(got); !slices.Equal(got, identities) {
		w.t.Errorf("jobs for %q, want %q", got, identities)
	}
}

func TestWhoComesAndGoesWhileADispatchIsMadeIsNeitherMissedNorTakenToBeThere(t *testing.T) {
	for name, kind := range map[string]livekit.JobType{"participant": forParticipant, "publisher": forPublisher} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(w *world) {
				w.worker("helper", kind)
				blue, _ := w.lobby.Create(w.t.Context(), &livekit.CreateRoomRequest{Name: "blue"})
				w.lobby.people["blue"] = []*livekit.ParticipantInfo{person("ana"), person("ben")}
				w.meanwhile(func() {
					w.happens(event.ParticipantLeft, blue, person("ana"))
					w.happens(event.TrackPublished, blue, person("ben"))
					w.happens(event.ParticipantJoined, blue, person("cem"))
					w.happens(event.TrackPublished, blue, person("cem"))
				})
				ad := w.dispatch("blue", "helper")
				w.wantJobsFor(ad, "ben", "cem")
				w.happens(event.ParticipantLeft, blue, person("ben"))
				w.happens(event.ParticipantLeft, blue, person("cem"))
				w.wantStory("pending PENDING", "pending PENDING", "ended FAILED", "ended FAILED")
			})
		})
	}
}

func TestDispatchIntoARoomThatEndsMeanwhileIsForItsSuccessor(t *testing.T) {
	for _, early := range []bool{true, false} { // the end is known before the dispatch was about to be made
		inWorld(t, func(w *world) {
			w.worker("helper", forParticipant)
			blue, _ := w.lobby.Create(w.t.Context(), &livekit.CreateRoomRequest{Name: "blue"})
			ends := func() {
				w.closes(blue)
				w.lobby.rooms["blue"] = &livekit.Room{Sid: "RM_next", Name: "blue"}
			}
			if early {
				w.lobby.made = func() { w.lobby.made = nil; ends() }
			} else {
				w.meanwhile(ends)
			}
			w.lobby.people["blue"] = []*livekit.ParticipantInfo{person("ana")}
			w.dispatch("blue", "helper")
			w.turn(func(s *state) {
				if len(s.rooms) != 1 || s.rooms["RM_next"] == nil {
					t.Errorf("early %t: rooms %v", early, s.rooms)
				}
				for _, j := range s.jobs {
					if j.info.Room.Sid != "RM_next" {
						t.Errorf("early %t: a job for %s", early, j.info.Room.Sid)
					}
				}
			})
		})
	}
}

func TestDispatchThatCannotBeMadeLeavesNothing(t *testing.T) {
	inWorld(t, func(w *world) {
		w.lobby.fails = errors.New("the room does not answer")
		if _, err := w.d.CreateDispatch(w.t.Context(), &livekit.CreateAgentDispatchRequest{Room: "blue"}); !errors.Is(err, w.lobby.fails) {
			t.Errorf("got %v", err)
		}
		w.turn(func(s *state) {
			if len(s.rooms) != 0 {
				t.Errorf("rooms %v", s.rooms)
			}
		})
		// The room may have started with an agent of its own meanwhile.
		var green *livekit.Room
		w.worker("helper", forParticipant)
		w.meanwhile(func() {
			green = w.opens("green", "helper")
			w.happens(event.ParticipantJoined, green, person("ana"))
		})
		if _, err := w.d.CreateDispatch(w.t.Context(), &livekit.CreateAgentDispatchRequest{Room: "green"}); !errors.Is(err, w.lobby.fails) {
			t.Errorf("got %v", err)
		}
		w.wantStory("pending PENDING")
		w.closes(green)
	})
}
