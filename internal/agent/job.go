package agent

import (
	"slices"
	"time"

	"github.com/livekit/protocol/livekit"
	"google.golang.org/protobuf/proto"

	"github.com/rollcall-rtc/rollcall/event"
)

// phase is where a job is on its way.
type phase uint8

// The phases. A job goes from waiting to offered to running; a worker that
// declines or does not answer sends it back to waiting, one that vanishes while
// the job runs makes it lost, and running again when it comes back in time.
// winding is a running job of which nothing is left in its room, terminating one
// whose worker was told to end it.
const (
	waiting phase = iota
	offered
	running
	lost
	winding
	terminating
)

// neverRan is the status of a job that ended before a worker had it; reason and
// error say why. The protocol has JS_CANCELLED for it, a name that the receivers
// of many SDKs do not know yet: some would refuse the webhook.
const neverRan = livekit.JobStatus_JS_FAILED

// job is one that has not ended.
type job struct {
	info     *livekit.Job // replaced, never changed: events hold it
	phase    phase
	worker   *worker         // that it is offered to, or that runs it
	declined map[string]bool // ids of workers that would not take it
	deadline time.Time       // when expire is due; zero: never
}

// begin makes a job, tells of it and looks for a worker.
func (s *state) begin(r *room, dp *dispatch, t livekit.JobType, p *livekit.ParticipantInfo) {
	ad := dp.info
	j := &job{
		info: &livekit.Job{
			Id: newID("AJ_"), DispatchId: ad.Id, Type: t, Room: r.info, Participant: p,
			Metadata: ad.Metadata, AgentName: ad.AgentName, Deployment: ad.Deployment,
			Attributes: ad.Attributes, ThreadId: ad.ThreadId, CreatedAt: s.now.UnixNano(),
			State: &livekit.JobState{Status: livekit.JobStatus_JS_PENDING, UpdatedAt: s.now.UnixNano()},
		},
		declined: make(map[string]bool),
	}
	s.jobs[j.info.Id] = j
	s.save(map[string][]byte{jobKey(j.info.Id): encodeMark(jobMark{Room: r.info.Name, After: s.d.opts.Log.Last()})})
	s.tell(event.AgentJobPending, j)
	s.offer(j)
}

// change replaces the job's state.
func (s *state) change(j *job, fn func(*livekit.JobState)) {
	j.info = proto.CloneOf(j.info)
	fn(j.info.State)
	j.info.State.UpdatedAt = s.now.UnixNano()
}

// tell appends an event of the job.
func (s *state) tell(name event.Name, j *job) {
	s.d.opts.Log.Append(event.Event{Name: name, Time: s.now, Room: j.info.Room, Job: j.info, Actor: event.ActorServer})
}

// offer asks the best worker that has not declined, or waits for one.
func (s *state) offer(j *job) {
	j.phase, j.worker = waiting, nil
	w := s.pick(j)
	if w == nil {
		j.deadline = time.Time{}
		if len(j.declined) > 0 {
			j.deadline = s.now.Add(askAgain)
		}
		if j.info.State.Reason == livekit.JobStateReason_JSR_UNSPECIFIED {
			s.change(j, func(st *livekit.JobState) { st.Reason = livekit.JobStateReason_JSR_NO_CAPACITY })
			s.d.opts.Logger.Warn("agent job waits: no worker takes it", "job", j.info.Id, "agent", j.info.AgentName, "room", j.info.Room.Name)
		}
		return
	}
	j.phase, j.worker, j.deadline = offered, w, s.now.Add(offerTimeout)
	s.change(j, func(st *livekit.JobState) { st.WorkersAsked++ })
	w.send(&livekit.ServerMessage{Message: &livekit.ServerMessage_Availability{
		Availability: &livekit.AvailabilityRequest{Job: j.info, Resuming: j.info.State.Attempts > 0},
	}})
}

// answer is a worker's answer to an offer. One that comes too late is ignored:
// the worker gives up by itself when no assignment follows.
func (s *state) answer(w *worker, a *livekit.AvailabilityResponse) {
	j := s.jobs[a.GetJobId()]
	if j == nil || j.phase != offered || j.worker != w {
		return
	}
	switch {
	case a.Available:
		s.assign(j, w, a)
	case a.Terminate:
		s.end(j, neverRan, livekit.JobStateReason_JSR_UNSPECIFIED, "the worker refused the job for good")
	default:
		j.declined[w.id] = true
		s.offer(j)
	}
}

// assign gives the job to the worker that accepted it.
func (s *state) assign(j *job, w *worker, a *livekit.AvailabilityResponse) {
	identity := a.ParticipantIdentity
	if identity == "" {
		identity = "agent-" + j.info.Id
	}
	raw, err := s.d.agentToken(j.info, w, a, identity, s.now)
	if err != nil {
		s.d.opts.Logger.Error("mint token for agent", "job", j.info.Id, "error", err)
		j.declined[w.id] = true
		s.offer(j)
		return
	}
	j.phase, j.deadline = running, time.Time{}
	clear(j.declined)
	s.change(j, func(st *livekit.JobState) {
		st.Status, st.Reason, st.Error = livekit.JobStatus_JS_RUNNING, livekit.JobStateReason_JSR_UNSPECIFIED, ""
		st.StartedAt, st.AcceptedAt, st.AssignedAt = s.now.UnixNano(), s.now.UnixNano(), s.now.UnixNano()
		if st.FirstStartedAt == 0 {
			st.FirstStartedAt = st.StartedAt
		}
		st.Attempts++
		st.WorkerId, st.ParticipantIdentity = w.id, identity
	})
	s.tell(event.AgentJobStarted, j)
	w.send(&livekit.ServerMessage{Message: &livekit.ServerMessage_Assignment{
		Assignment: &livekit.JobAssignment{Job: j.info, Token: raw},
	}})
	s.d.opts.Logger.Info("agent job assigned", "job", j.info.Id, "worker", w.id, "room", j.info.Room.Name, "identity", identity)
}

// report is what a worker says of a job.
func (s *state) report(w *worker, u *livekit.UpdateJobStatus) {
	j := s.jobs[u.GetJobId()]
	if j == nil || j.worker != w || j.phase < running {
		return
	}
	switch u.Status {
	case livekit.JobStatus_JS_SUCCESS, livekit.JobStatus_JS_FAILED:
		s.end(j, u.Status, livekit.JobStateReason_JSR_UNSPECIFIED, u.Error)
	}
}

// workerGone lets its jobs wait for another worker, or for this one to come back.
func (s *state) workerGone(w *worker) {
	for _, j := range s.oldestFirst() {
		if j.worker != w {
			continue
		}
		switch j.phase {
		case offered:
			s.offer(j)
		case running:
			j.phase, j.worker, j.deadline = lost, nil, s.now.Add(adoptTimeout)
		default: // its room or agent is gone already
			j.worker = nil
		}
	}
}

// adopt gives a worker that came back the jobs that it says it runs. What the
// server thinks over it is told to end.
func (s *state) adopt(w *worker, ids []string) {
	for _, id := range ids {
		j := s.jobs[id]
		switch {
		case j == nil || j.phase == waiting || j.phase == offered:
			w.send(terminate(id))
		case j.worker == nil:
			j.worker = w
			s.change(j, func(st *livekit.JobState) { st.WorkerId = w.id })
			if j.phase == lost {
				j.phase, j.deadline = running, time.Time{}
			}
			s.d.opts.Logger.Info("agent job is back", "job", id, "worker", w.id)
		}
	}
}

// agentMoved follows the agents of running jobs into and out of their rooms. An
// agent that lost its connection may come back with a new one.
func (s *state) agentMoved(rec *event.Record) {
	if rec.Identity == "" || len(s.jobs) == 0 {
		return
	}
	for _, j := range s.jobs {
		if j.info.Room.Sid != rec.RoomSID || j.info.State.ParticipantIdentity != rec.Identity {
			continue
		}
		switch {
		case rec.Name == event.ParticipantJoined && j.phase == winding:
			j.phase, j.deadline = running, time.Time{}
			if j.worker == nil {
				j.phase, j.deadline = lost, s.now.Add(adoptTimeout)
			}
		case rec.Name == event.ParticipantLeft && j.phase == running:
			s.wind(j, rejoinTimeout)
		}
	}
}

// wind gives a job of which nothing is left in the room the time to report its end.
func (s *state) wind(j *job, within time.Duration) {
	j.phase, j.deadline = winding, s.now.Add(within)
}

// withdraw ends a job that nobody wants any more: at once if no agent has it.
func (s *state) withdraw(j *job, reason livekit.JobStateReason, why string) {
	switch j.phase {
	case waiting, offered:
		if j.phase == offered {
			j.worker.send(terminate(j.info.Id))
		}
		s.end(j, neverRan, reason, why)
	case terminating:
	default:
		s.terminate(j)
	}
}

// terminate tells the worker to end the job, which reports that it has.
func (s *state) terminate(j *job) {
	if j.worker != nil {
		j.worker.send(terminate(j.info.Id))
	}
	j.phase, j.deadline = terminating, s.now.Add(terminateTimeout)
}

func terminate(id string) *livekit.ServerMessage {
	return &livekit.ServerMessage{Message: &livekit.ServerMessage_Termination{Termination: &livekit.JobTermination{JobId: id}}}
}

// expire is called at the job's deadline.
func (s *state) expire(j *job) {
	j.deadline = time.Time{}
	switch j.phase {
	case waiting:
		clear(j.declined)
		s.offer(j)
	case offered:
		j.declined[j.worker.id] = true
		s.d.opts.Logger.Warn("worker does not answer the offer of a job", "worker", j.worker.id, "job", j.info.Id)
		s.offer(j)
	case lost:
		s.retry(j)
	case winding:
		s.terminate(j)
	case terminating:
		if j.worker != nil {
			s.end(j, livekit.JobStatus_JS_SUCCESS, livekit.JobStateReason_JSR_UNSPECIFIED, "the worker did not report the end of the job")
		} else {
			s.end(j, livekit.JobStatus_JS_FAILED, livekit.JobStateReason_JSR_UNSPECIFIED, "the worker was lost")
		}
	}
}

// retry dispatches a job anew whose worker vanished, as often as makes sense.
func (s *state) retry(j *job) {
	r := s.rooms[j.info.Room.Sid]
	var dp *dispatch
	if r != nil {
		if i := slices.IndexFunc(r.dispatches, func(dp *dispatch) bool { return dp.info.Id == j.info.DispatchId }); i >= 0 {
			dp = r.dispatches[i]
		}
	}
	if dp == nil || dp.info.RestartPolicy == livekit.JobRestartPolicy_JRP_NEVER || j.info.State.Attempts >= maxAttempts {
		s.end(j, livekit.JobStatus_JS_FAILED, livekit.JobStateReason_JSR_UNSPECIFIED, "the worker was lost")
		return
	}
	s.change(j, func(st *livekit.JobState) {
		st.Status, st.Reason = livekit.JobStatus_JS_PENDING, livekit.JobStateReason_JSR_RETRYING
		st.WorkerId, st.ParticipantIdentity = "", ""
	})
	s.tell(event.AgentJobPending, j)
	s.offer(j)
}

// end ends the job.
func (s *state) end(j *job, status livekit.JobStatus, reason livekit.JobStateReason, why string) {
	s.change(j, func(st *livekit.JobState) {
		st.Status, st.Reason, st.Error, st.EndedAt = status, reason, why, s.now.UnixNano()
	})
	delete(s.jobs, j.info.Id)
	s.tell(event.AgentJobEnded, j)
	s.forget(jobKey(j.info.Id))
	if r := s.rooms[j.info.Room.Sid]; r != nil {
		for _, dp := range r.dispatches {
			if dp.info.Id == j.info.DispatchId {
				dp.ended = append(dp.ended, j.info)
				if len(dp.ended) > maxEnded {
					dp.ended = dp.ended[1:]
				}
			}
		}
	}
	s.d.opts.Logger.Info("agent job ended", "job", j.info.Id, "status", status.String(), "reason", reason.String(), "error", why)
}
