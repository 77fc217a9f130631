package agent

import (
	"testing"
	"time"

	"github.com/livekit/protocol/livekit"

	"github.com/rollcall-rtc/rollcall/event"
	"github.com/rollcall-rtc/rollcall/internal/token"
)

const (
	forRoom        = livekit.JobType_JT_ROOM
	forPublisher   = livekit.JobType_JT_PUBLISHER
	forParticipant = livekit.JobType_JT_PARTICIPANT
	success        = livekit.JobStatus_JS_SUCCESS
	failed         = livekit.JobStatus_JS_FAILED
)

func TestJobIsAssignedRunsAndEndsOnce(t *testing.T) {
	inWorld(t, func(w *world) {
		f := w.worker("helper", forRoom)
		f.last()
		r := w.opens("blue", "helper")
		job := f.wantOffer()
		if job.Room.Sid != r.Sid || job.Metadata != "for blue" || job.AgentName != "helper" {
			w.t.Errorf("offered %v", job)
		}
		f.accepts(job)
		a := f.wantAssignment()
		claims, err := token.Verify(a.Token, keys, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		if room, err := claims.CanJoin(""); err != nil || room != "blue" || claims.Identity != "helper" ||
			claims.Kind != livekit.ParticipantInfo_AGENT || claims.Attributes["a"] != "b" {
			w.t.Errorf("the agent's token: room %q, %v, %+v", room, err, claims)
		}
		if p := claims.Permission(); !p.CanPublish || !p.CanSubscribe || !p.Agent || p.CanPublishData {
			w.t.Errorf("the agent may %v", p)
		}
		f.reports(job, livekit.JobStatus_JS_RUNNING, "")
		f.reports(job, success, "")
		f.reports(job, failed, "late") // of a job that is over
		w.closes(r)
		w.wantStory("pending PENDING", "started RUNNING", "ended SUCCESS")
	})
}

func TestRoomWithoutDispatchGetsTheWorkersOfEveryRoom(t *testing.T) {
	inWorld(t, func(w *world) {
		w.opens("before")
		w.wantStory()
		every, named := w.worker("", forRoom), w.worker("helper", forRoom)
		every.last()
		named.last()
		w.opens("blue")
		if job := every.wantOffer(); job.Room.Name != "blue" {
			w.t.Errorf("offered %v", job)
		}
		w.opens("red", "helper")
		every.wantNothing()
		if job := named.wantOffer(); job.Room.Name != "red" {
			w.t.Errorf("offered %v", job)
		}
	})
}

func TestJobWaitsForAWorkerThatTakesIt(t *testing.T) {
	inWorld(t, func(w *world) {
		r := w.opens("blue", "helper")
		time.Sleep(time.Hour)
		first := w.worker("helper", forRoom)
		job := first.wantOffer()
		if job.State.Reason != livekit.JobStateReason_JSR_NO_CAPACITY {
			w.t.Errorf("while nobody took it: %v", job.State)
		}
		first.declines(job, false)
		first.wantNothing()
		second := w.worker("helper", forRoom)
		second.wantOffer()
		time.Sleep(offerTimeout + time.Second) // it says nothing
		second.says(&livekit.WorkerMessage{Message: &livekit.WorkerMessage_UpdateWorker{UpdateWorker: &livekit.UpdateWorkerStatus{Draining: true}}})
		time.Sleep(askAgain + time.Second)
		again := first.wantOffer()
		first.accepts(again)
		first.wantAssignment()
		second.accepts(job) // too late
		second.wantNothing()
		w.closes(r)
		first.reports(job, failed, "it broke")
		w.wantStory("pending PENDING", "started RUNNING", "ended FAILED")
	})
}

func TestRefusalForGoodEndsTheJob(t *testing.T) {
	inWorld(t, func(w *world) {
		f := w.worker("helper", forRoom)
		f.last()
		w.opens("blue", "helper")
		f.declines(f.wantOffer(), true)
		w.worker("helper", forRoom)
		w.wantStory("pending PENDING", "ended FAILED")
	})
}

func TestLeastBusyWorkerThatIsAvailableIsAsked(t *testing.T) {
	inWorld(t, func(w *world) {
		status := func(f *fake, load float32, s livekit.WorkerStatus) {
			f.last()
			f.says(&livekit.WorkerMessage{Message: &livekit.WorkerMessage_UpdateWorker{UpdateWorker: &livekit.UpdateWorkerStatus{Load: load, Status: &s}}})
		}
		full, busy, idle := w.worker("helper", forRoom), w.worker("helper", forRoom), w.worker("helper", forRoom)
		status(full, 0, livekit.WorkerStatus_WS_FULL)
		status(busy, 0.6, livekit.WorkerStatus_WS_AVAILABLE)
		status(idle, 0.1, livekit.WorkerStatus_WS_AVAILABLE)
		w.opens("blue", "helper")
		idle.declines(idle.wantOffer(), false)
		busy.declines(busy.wantOffer(), false)
		full.wantNothing()
		status(full, 0.9, livekit.WorkerStatus_WS_AVAILABLE)
		full.wantOffer()
	})
}

func TestWorkerThatComesBackKeepsItsJobs(t *testing.T) {
	inWorld(t, func(w *world) {
		f := w.worker("helper", forRoom)
		f.last()
		w.opens("blue", "helper")
		job := f.wantOffer()
		f.accepts(job)
		f.vanishes()
		time.Sleep(adoptTimeout / 2)
		back := w.worker("helper", forRoom)
		back.last()
		back.claims(job)
		time.Sleep(time.Hour)
		back.wantNothing()
		back.reports(job, success, "")
		w.wantStory("pending PENDING", "started RUNNING", "ended SUCCESS")
	})
}

func TestJobOfALostWorkerIsGivenToAnother(t *testing.T) {
	inWorld(t, func(w *world) {
		f := w.worker("helper", forRoom)
		f.last()
		w.opens("blue", "helper")
		job := f.wantOffer()
		f.accepts(job)
		f.vanishes()
		other := w.worker("helper", forRoom)
		other.last()
		time.Sleep(adoptTimeout + time.Second)
		again := other.wantOffer()
		if again.Id != job.Id {
			w.t.Errorf("offered %s in place of %s", again.Id, job.Id)
		}
		other.accepts(again)
		other.wantAssignment()
		back := w.worker("helper", forRoom)
		back.last()
		back.claims(job) // the job is another's by now
		back.wantNothing()
		other.reports(job, success, "")
		w.wantStory("pending PENDING", "started RUNNING", "pending PENDING RETRYING", "started RUNNING", "ended SUCCESS")
	})
}

func TestJobThatLosesEveryWorkerFails(t *testing.T) {
	inWorld(t, func(w *world) {
		w.opens("blue", "helper")
		for range maxAttempts {
			f := w.worker("helper", forRoom)
			f.accepts(f.wantOffer())
			f.vanishes()
			time.Sleep(adoptTimeout + time.Second)
		}
		f := w.worker("helper", forRoom)
		if m := f.last(); m.GetRegister() == nil {
			w.t.Errorf("offered once more: %v", m)
		}
		w.turn(func(s *state) {
			if len(s.jobs) != 0 {
				w.t.Errorf("%d jobs are left", len(s.jobs))
			}
		})
	})
}

func TestJobIsTerminatedWhenItsAgentOrRoomIsGone(t *testing.T) {
	inWorld(t, func(w *world) {
		f := w.worker("helper", forRoom)
		f.last()
		r := w.opens("blue", "helper")
		job := f.wantOffer()
		f.accepts(job)
		f.wantAssignment()
		agent := person("helper")
		agent.Kind = livekit.ParticipantInfo_AGENT
		w.happens(event.ParticipantJoined, r, agent)
		w.happens(event.ParticipantLeft, r, agent)
		w.happens(event.ParticipantJoined, r, agent) // it has reconnected
		time.Sleep(time.Hour)
		f.wantNothing()
		w.closes(r)
		time.Sleep(rejoinTimeout + time.Second)
		f.wantTermination(job.Id)
		time.Sleep(terminateTimeout + time.Second)
		w.wantStory("pending PENDING", "started RUNNING", "ended SUCCESS")
	})
}

func TestJobThatNobodyHasEndsWithItsRoom(t *testing.T) {
	inWorld(t, func(w *world) {
		w.closes(w.opens("blue", "helper"))
		f := w.worker("helper", forRoom)
		if m := f.last(); m.GetRegister() == nil {
			w.t.Errorf("offered %v", m)
		}
		w.wantStory("pending PENDING", "ended FAILED ROOM_CLOSED")
	})
}

func TestEachParticipantAndPublisherGetsItsJob(t *testing.T) {
	inWorld(t, func(w *world) {
		people, publishers := w.worker("", forParticipant), w.worker("", forPublisher)
		people.last()
		publishers.last()
		r := w.opens("blue")
		people.wantNothing()
		ana, bot := person("ana"), person("bot")
		bot.Kind = livekit.ParticipantInfo_AGENT
		w.happens(event.ParticipantJoined, r, bot)
		w.happens(event.TrackPublished, r, bot)
		people.wantNothing()
		w.happens(event.ParticipantJoined, r, ana)
		forAna := people.wantOffer()
		if forAna.Participant.Identity != "ana" || forAna.Type != forParticipant {
			w.t.Errorf("offered %v", forAna)
		}
		people.accepts(forAna)
		people.wantAssignment()
		publishers.wantNothing()
		w.happens(event.TrackPublished, r, ana)
		w.happens(event.TrackPublished, r, ana)
		if job := publishers.wantOffer(); job.Participant.Identity != "ana" || job.Type != forPublisher {
			w.t.Errorf("offered %v", job)
		}
		w.happens(event.ParticipantLeft, r, ana)
		people.wantTermination(forAna.Id)
		people.reports(forAna, success, "")
		w.wantStory("pending PENDING", "started RUNNING", "pending PENDING", "ended FAILED", "ended SUCCESS")
	})
}
