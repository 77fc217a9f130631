package agent

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/livekit/protocol/livekit"
)

func (w *world) dispatch(room, agentName string) *livekit.AgentDispatch {
	w.t.Helper()
	ad, err := w.d.CreateDispatch(w.t.Context(), &livekit.CreateAgentDispatchRequest{Room: room, AgentName: agentName, Metadata: "m"})
	if err != nil {
		w.t.Fatal(err)
	}
	w.settle()
	return ad
}

func TestDispatchIsMadeListedAndDeleted(t *testing.T) {
	inWorld(t, func(w *world) {
		w.lobby.people["blue"] = []*livekit.ParticipantInfo{person("ana")}
		people := w.worker("helper", forParticipant)
		people.last()
		ad := w.dispatch("blue", "helper")
		if ad.Id == "" || ad.Metadata != "m" || ad.State.CreatedAt == 0 || len(ad.State.Jobs) != 1 {
			w.t.Errorf("made %v", ad)
		}
		job := people.wantOffer()
		people.accepts(job)
		people.last()
		list, err := w.d.ListDispatch(w.t.Context(), &livekit.ListAgentDispatchRequest{Room: "blue"})
		if err != nil || len(list.AgentDispatches) != 1 || list.AgentDispatches[0].State.Jobs[0].State.Status != livekit.JobStatus_JS_RUNNING {
			w.t.Errorf("list %v, %v", list, err)
		}
		_, err = w.d.DeleteDispatch(w.t.Context(), &livekit.DeleteAgentDispatchRequest{Room: "red", DispatchId: ad.Id})
		if !errors.Is(err, ErrDispatchNotFound) {
			w.t.Errorf("deleted from another room: %v", err)
		}
		gone, err := w.d.DeleteDispatch(w.t.Context(), &livekit.DeleteAgentDispatchRequest{Room: "blue", DispatchId: ad.Id})
		if err != nil || gone.State.DeletedAt == 0 {
			w.t.Errorf("deleted %v, %v", gone, err)
		}
		people.wantTermination(job.Id)
		people.reports(job, success, "")
		if list, err := w.d.ListDispatch(w.t.Context(), &livekit.ListAgentDispatchRequest{Room: "blue"}); err != nil || len(list.AgentDispatches) != 0 {
			w.t.Errorf("list %v, %v", list, err)
		}
		w.wantStory("pending PENDING", "started RUNNING", "ended SUCCESS")
	})
}

func TestPendingJobOfADeletedDispatchIsCancelled(t *testing.T) {
	inWorld(t, func(w *world) {
		ad := w.dispatch("blue", "helper")
		if _, err := w.d.DeleteDispatch(w.t.Context(), &livekit.DeleteAgentDispatchRequest{Room: "blue", DispatchId: ad.Id}); err != nil {
			w.t.Error(err)
		}
		w.wantStory("pending PENDING", "ended FAILED DISPATCH_DELETED")
	})
}

func TestDispatchBeyondTheLimitIsRefused(t *testing.T) {
	inWorld(t, func(w *world) {
		for _, req := range []*livekit.CreateAgentDispatchRequest{
			{Room: "blue", Metadata: strings.Repeat("x", 64<<10+1)},
			{Room: "blue", Attributes: map[string]string{"x": strings.Repeat("x", 64<<10)}},
		} {
			_, err := w.d.CreateDispatch(w.t.Context(), req)
			if e, ok := errors.AsType[*Error](err); !ok || e.ErrorCode() != "invalid_argument" || !strings.Contains(err.Error(), "limit") {
				w.t.Errorf("got %v", err)
			}
		}
		w.wantStory()
	})
}

func TestRestartTakesDispatchesAndJobsUpAgain(t *testing.T) {
	inWorld(t, func(w *world) {
		f := w.worker("helper", forRoom)
		f.last()
		blue, red, gone := w.opens("blue", "helper"), (*livekit.Room)(nil), (*livekit.Room)(nil)
		running := f.wantOffer()
		f.accepts(running)
		over := w.opens("over", "helper")
		done := f.wantOffer()
		f.accepts(done)
		f.reports(done, success, "")
		f.vanishes()
		red = w.opens("red", "helper")   // waits
		gone = w.opens("gone", "helper") // waits, and its room does not come back
		w.stop()
		delete(w.lobby.rooms, gone.Name)
		w.start()
		w.wantStory("pending PENDING", "started RUNNING", "pending PENDING", "started RUNNING", "ended SUCCESS",
			"pending PENDING", "pending PENDING", "ended FAILED ROOM_CLOSED")

		back := w.worker("helper", forRoom)
		if job := back.wantOffer(); job.Room.Sid != red.Sid {
			w.t.Errorf("offered %v", job)
		}
		back.claims(running)
		time.Sleep(time.Hour)
		back.reports(running, success, "")
		list, err := w.d.ListDispatch(w.t.Context(), &livekit.ListAgentDispatchRequest{Room: blue.Name})
		if err != nil || len(list.AgentDispatches) != 1 {
			w.t.Errorf("list %v, %v", list, err)
		}
		// The job of a room that had it is not made again.
		if list, err := w.d.ListDispatch(w.t.Context(), &livekit.ListAgentDispatchRequest{Room: over.Name}); err != nil || len(list.AgentDispatches) != 1 {
			w.t.Errorf("list %v, %v", list, err)
		}
		w.closes(red)
		w.stop()
		w.start() // nothing is left to be ended twice
		w.wantStory("pending PENDING", "started RUNNING", "pending PENDING", "started RUNNING", "ended SUCCESS",
			"pending PENDING", "pending PENDING", "ended FAILED ROOM_CLOSED", "ended SUCCESS", "ended FAILED ROOM_CLOSED")
	})
}
