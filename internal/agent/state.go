package agent

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/livekit/protocol/livekit"
	"google.golang.org/protobuf/proto"

	"github.com/rollcall-rtc/rollcall/event"
)

// state is what the loop owns; everything in it is loop only.
type state struct {
	d       *Dispatcher
	now     time.Time
	workers map[string]*worker // by id
	rooms   map[string]*room   // by sid: those with dispatches
	jobs    map[string]*job    // by id: those that have not ended
}

// room is a live room that wants agents.
type room struct {
	info       *livekit.Room
	dispatches []*dispatch
	present    map[string]*attendee // by identity: those that agents may be for

	awaited int            // dispatches that are about to be made
	asked   bool           // who is there is yet to come
	held    []event.Record // what happened since it was asked
}

// dispatch says that a room wants an agent.
type dispatch struct {
	info  *livekit.AgentDispatch // State holds times and trigger only
	made  map[string]bool        // the jobs made for it, see jobFor
	ended []*livekit.Job         // the last maxEnded of them that are over
}

// maxEnded is how many jobs that are over a dispatch tells of.
const maxEnded = 64

// attendee is a participant that is no agent itself.
type attendee struct {
	info      *livekit.ParticipantInfo
	published bool
}

func newState(d *Dispatcher) *state {
	return &state{
		d: d, now: time.Now(),
		workers: make(map[string]*worker), rooms: make(map[string]*room), jobs: make(map[string]*job),
	}
}

// alarm is when tick is due next.
func (s *state) alarm() time.Time {
	next := s.now.Add(time.Hour)
	for _, j := range s.jobs {
		if !j.deadline.IsZero() && j.deadline.Before(next) {
			next = j.deadline
		}
	}
	return next
}

func (s *state) tick() {
	for _, j := range s.oldestFirst() {
		if !j.deadline.IsZero() && !s.now.Before(j.deadline) && s.jobs[j.info.Id] == j {
			s.expire(j)
		}
	}
}

// oldestFirst returns the jobs in the order in which they were made.
func (s *state) oldestFirst() []*job {
	jobs := slices.Collect(maps.Values(s.jobs))
	slices.SortFunc(jobs, func(a, b *job) int {
		return cmp.Or(cmp.Compare(a.info.CreatedAt, b.info.CreatedAt), cmp.Compare(a.info.Id, b.info.Id))
	})
	return jobs
}

// roomStarted makes the dispatches that the room was made with, or, if it was
// made without, one for the workers that are for every room.
func (s *state) roomStarted(rec *event.Record) {
	wanted := s.d.takeWanted(rec.RoomSID)
	if len(wanted) == 0 {
		if !s.known("") {
			return
		}
		wanted = []*livekit.RoomAgentDispatch{{}}
	}
	w, err := rec.Webhook()
	if err != nil || w.Room == nil {
		s.d.opts.Logger.Error("dispatch agents: unreadable record", "seq", rec.Seq, "error", err)
		return
	}
	trigger := livekit.AgentDispatchTrigger_ADT_JOIN
	if rec.Actor == event.ActorAPI {
		trigger = livekit.AgentDispatchTrigger_ADT_ROOM_API
	}
	for _, a := range wanted {
		s.dispatch(w.Room, &livekit.AgentDispatch{
			Id: newID("AD_"), AgentName: a.AgentName, Room: w.Room.Name, Metadata: a.Metadata,
			RestartPolicy: a.RestartPolicy, Deployment: a.Deployment, Attributes: a.Attributes, ThreadId: a.ThreadId,
			State: &livekit.AgentDispatchState{CreatedAt: s.now.UnixNano(), Trigger: trigger},
		})
	}
}

// roomOf returns the room, which from now on wants agents.
func (s *state) roomOf(info *livekit.Room) *room {
	r := s.rooms[info.Sid]
	if r == nil {
		r = &room{info: info, present: make(map[string]*attendee)}
		s.rooms[info.Sid] = r
	}
	return r
}

// dispatch keeps a dispatch and makes its jobs for the room and who is in it.
func (s *state) dispatch(info *livekit.Room, ad *livekit.AgentDispatch) *dispatch {
	r := s.roomOf(info)
	dp := &dispatch{info: ad, made: make(map[string]bool)}
	r.dispatches = append(r.dispatches, dp)
	s.keep(r, dp)
	s.d.opts.Logger.Info("agent dispatched", "room", info.Name, "room_sid", info.Sid, "dispatch", ad.Id, "agent", ad.AgentName)
	s.makeJobs(r, dp)
	return dp
}

// makeJobs makes the jobs of the dispatch that were not made yet. Which types of
// job it stands for, the workers of its agent say; without any it is one for the
// room.
func (s *state) makeJobs(r *room, dp *dispatch) {
	for _, t := range []livekit.JobType{livekit.JobType_JT_ROOM, livekit.JobType_JT_PUBLISHER, livekit.JobType_JT_PARTICIPANT} {
		if !s.serves(dp.info, t) && (t != livekit.JobType_JT_ROOM || s.known(dp.info.AgentName)) {
			continue
		}
		if t == livekit.JobType_JT_ROOM {
			s.makeJob(r, dp, t, nil)
			continue
		}
		for _, identity := range slices.Sorted(maps.Keys(r.present)) {
			if a := r.present[identity]; t == livekit.JobType_JT_PARTICIPANT || a.published {
				s.makeJob(r, dp, t, a.info)
			}
		}
	}
}

// jobFor names a job among those of its dispatch.
func jobFor(t livekit.JobType, p *livekit.ParticipantInfo) string {
	return t.String() + " " + p.GetSid()
}

// makeJob makes one job unless it was made before.
func (s *state) makeJob(r *room, dp *dispatch, t livekit.JobType, p *livekit.ParticipantInfo) {
	name := jobFor(t, p)
	if dp.made[name] {
		return
	}
	dp.made[name] = true
	s.keep(r, dp)
	s.begin(r, dp, t, p)
}

func (s *state) participantJoined(r *room, p *livekit.ParticipantInfo) {
	if !wantsAgents(p) {
		return
	}
	r.present[p.Identity] = &attendee{info: p}
	for _, dp := range r.dispatches {
		if s.serves(dp.info, livekit.JobType_JT_PARTICIPANT) {
			s.makeJob(r, dp, livekit.JobType_JT_PARTICIPANT, p)
		}
	}
}

func (s *state) participantPublished(r *room, identity string) {
	a := r.present[identity]
	if a == nil || a.published {
		return
	}
	a.published = true
	for _, dp := range r.dispatches {
		if s.serves(dp.info, livekit.JobType_JT_PUBLISHER) {
			s.makeJob(r, dp, livekit.JobType_JT_PUBLISHER, a.info)
		}
	}
}

// participantLeft ends the jobs that were for the participant alone.
func (s *state) participantLeft(r *room, identity, sid string) {
	if a := r.present[identity]; a != nil && a.info.Sid == sid {
		delete(r.present, identity)
	}
	for _, j := range s.oldestFirst() {
		if j.info.Participant.GetSid() == sid && j.info.Room.Sid == r.info.Sid {
			s.withdraw(j, livekit.JobStateReason_JSR_UNSPECIFIED, "the participant left")
		}
	}
	for _, dp := range r.dispatches {
		for name := range dp.made {
			if strings.HasSuffix(name, " "+sid) {
				delete(dp.made, name) // the sid does not come again
			}
		}
	}
}

// roomFinished ends the jobs that no worker has, and lets the others end.
func (s *state) roomFinished(r *room) {
	for _, j := range s.oldestFirst() {
		if j.info.Room.Sid != r.info.Sid {
			continue
		}
		if j.phase == running {
			s.wind(j, rejoinTimeout)
		} else {
			s.withdraw(j, livekit.JobStateReason_JSR_ROOM_CLOSED, "the room closed before a worker took the job")
		}
	}
	for _, dp := range r.dispatches {
		s.forget(dispatchKey(dp.info.Id))
	}
	delete(s.rooms, r.info.Sid)
}

// wantsAgents says whether agents may be for p: it is a person or stands for one.
func wantsAgents(p *livekit.ParticipantInfo) bool {
	switch p.Kind {
	case livekit.ParticipantInfo_AGENT, livekit.ParticipantInfo_EGRESS:
		return false
	}
	return !p.Permission.GetAgent() && !p.Permission.GetRecorder() && !p.Permission.GetHidden() //nolint:staticcheck // what older tokens carry
}

// snapshot is the dispatch with the state of its jobs.
func (s *state) snapshot(dp *dispatch) *livekit.AgentDispatch {
	ad := proto.CloneOf(dp.info)
	for _, j := range dp.ended {
		ad.State.Jobs = append(ad.State.Jobs, proto.CloneOf(j))
	}
	for _, j := range s.oldestFirst() {
		if j.info.DispatchId == ad.Id {
			ad.State.Jobs = append(ad.State.Jobs, proto.CloneOf(j.info))
		}
	}
	return ad
}
