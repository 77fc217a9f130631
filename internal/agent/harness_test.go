package agent

import (
	"context"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/livekit/protocol/livekit"

	"github.com/rollcall-rtc/rollcall/event"
	"github.com/rollcall-rtc/rollcall/internal/eventlog"
	"github.com/rollcall-rtc/rollcall/internal/eventlog/memory"
	"github.com/rollcall-rtc/rollcall/internal/token"
)

var keys = token.Keys{"devkey": "secret"}

// lobby is the rooms of a test; the test says who is in them.
type lobby struct {
	rooms  map[string]*livekit.Room
	people map[string][]*livekit.ParticipantInfo
	made   func() // called when a room has been found or made
	asked  func() // called when who is in a room has been found out
	fails  error  // of that
}

func (l *lobby) Create(_ context.Context, req *livekit.CreateRoomRequest) (*livekit.Room, error) {
	if l.rooms[req.Name] == nil {
		l.rooms[req.Name] = &livekit.Room{Sid: "RM_" + req.Name, Name: req.Name}
	}
	r := l.rooms[req.Name]
	if l.made != nil {
		l.made()
	}
	return r, nil
}

func (l *lobby) List(_ context.Context, names []string) ([]*livekit.Room, error) {
	var all []*livekit.Room
	for name, r := range l.rooms {
		if len(names) == 0 || slices.Contains(names, name) {
			all = append(all, r)
		}
	}
	return all, nil
}

func (l *lobby) ListParticipants(_ context.Context, room string) ([]*livekit.ParticipantInfo, error) {
	there := l.people[room]
	if l.asked != nil {
		l.asked()
	}
	return there, l.fails
}

// world is a dispatcher on a real log in memory, in virtual time.
type world struct {
	t     *testing.T
	log   *eventlog.Log
	lobby *lobby
	d     *Dispatcher
}

func inWorld(t *testing.T, f func(w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		log, err := eventlog.Open(eventlog.Options{Store: memory.New()})
		if err != nil {
			t.Fatal(err)
		}
		w := &world{t: t, log: log, lobby: &lobby{
			rooms: make(map[string]*livekit.Room), people: make(map[string][]*livekit.ParticipantInfo),
		}}
		w.start()
		defer func() { // also when the test ends early
			w.stop()
			if err := log.Close(t.Context()); err != nil {
				t.Error(err)
			}
		}()
		f(w)
	})
}

func (w *world) start() {
	w.t.Helper()
	d, err := Start(w.t.Context(), Options{Log: w.log, Rooms: w.lobby, Keys: keys, AutoCreate: true})
	if err != nil {
		w.t.Fatal(err)
	}
	w.d = d
}

func (w *world) stop() {
	w.t.Helper()
	if err := w.d.Close(w.t.Context()); err != nil {
		w.t.Error(err)
	}
}

// settle lets everything happen that can happen now.
func (w *world) settle() {
	w.t.Helper()
	if err := w.log.Sync(w.t.Context(), w.log.Append()); err != nil {
		w.t.Fatal(err)
	}
	synctest.Wait()
}

// opens starts a room that wants these agents.
func (w *world) opens(name string, agents ...string) *livekit.Room {
	r, _ := w.lobby.Create(w.t.Context(), &livekit.CreateRoomRequest{Name: name})
	var wanted []*livekit.RoomAgentDispatch
	for _, a := range agents {
		wanted = append(wanted, &livekit.RoomAgentDispatch{AgentName: a, Metadata: "for " + name})
	}
	w.d.Wants(r.Sid, wanted)
	w.log.Append(event.Event{Name: event.RoomStarted, Time: time.Now(), Room: r})
	w.settle()
	return r
}

func (w *world) closes(r *livekit.Room) {
	delete(w.lobby.rooms, r.Name)
	w.log.Append(event.Event{Name: event.RoomFinished, Time: time.Now(), Room: r})
	w.settle()
}

func person(identity string) *livekit.ParticipantInfo {
	return &livekit.ParticipantInfo{
		Sid: "PA_" + identity, Identity: identity, State: livekit.ParticipantInfo_ACTIVE,
		Permission: &livekit.ParticipantPermission{CanPublish: true},
	}
}

func (w *world) happens(name event.Name, r *livekit.Room, p *livekit.ParticipantInfo) {
	e := event.Event{Name: name, Time: time.Now(), Room: r, Participant: p}
	if d, _ := event.Lookup(name); d.Scope == event.ScopeTrack {
		e.Track = &livekit.TrackInfo{Sid: "TR_" + p.Identity}
	}
	w.log.Append(e)
	w.settle()
}

// wantStory compares the events of jobs, as "name status".
func (w *world) wantStory(want ...string) {
	w.t.Helper()
	w.settle()
	records, err := w.log.Read(w.t.Context(), 0, 1000)
	if err != nil {
		w.t.Fatal(err)
	}
	var got []string
	for i := range records {
		if !strings.HasPrefix(string(records[i].Name), "agent_job_") {
			continue
		}
		m, err := records[i].Webhook()
		if err != nil {
			w.t.Fatal(err)
		}
		word := strings.TrimPrefix(string(records[i].Name), "agent_job_") + " " + strings.TrimPrefix(m.Job.State.Status.String(), "JS_")
		if r := m.Job.State.Reason; r != livekit.JobStateReason_JSR_UNSPECIFIED {
			word += " " + strings.TrimPrefix(r.String(), "JSR_")
		}
		got = append(got, word)
	}
	if !slices.Equal(got, want) {
		w.t.Errorf("jobs:\n got %q\nwant %q", got, want)
	}
}

// fake is a worker of the test: it is told what the loop sends.
type fake struct {
	w   *world
	reg *worker
	got []*livekit.ServerMessage // loop only
}

func (f *fake) Send(m *livekit.ServerMessage) { f.got = append(f.got, m) }

func (w *world) worker(agentName string, kind livekit.JobType) *fake {
	w.t.Helper()
	f := &fake{w: w}
	w.turn(func(s *state) {
		f.reg = s.register(f, "devkey", &livekit.RegisterWorkerRequest{Type: kind, AgentName: agentName,
			AllowedPermissions: &livekit.ParticipantPermission{CanPublish: true, CanSubscribe: true}})
	})
	return f
}

func (w *world) turn(fn func(*state)) {
	w.t.Helper()
	if err := w.d.do(w.t.Context(), fn); err != nil {
		w.t.Fatal(err)
	}
	w.settle()
}

func (f *fake) says(m *livekit.WorkerMessage) {
	f.w.t.Helper()
	f.w.turn(func(s *state) { s.handle(f.reg, m) })
}

func (f *fake) vanishes() {
	f.w.t.Helper()
	f.w.turn(func(s *state) { s.unregister(f.reg) })
}

// last returns the last message, and takes all.
func (f *fake) last() (m *livekit.ServerMessage) {
	f.w.settle()
	f.w.turn(func(*state) {
		if n := len(f.got); n > 0 {
			m = f.got[n-1]
		}
		f.got = nil
	})
	return m
}

func (f *fake) wantOffer() *livekit.Job {
	f.w.t.Helper()
	m := f.last()
	if m.GetAvailability() == nil {
		f.w.t.Fatalf("want an offer, got %v", m)
	}
	return m.GetAvailability().Job
}

func (f *fake) wantAssignment() *livekit.JobAssignment {
	f.w.t.Helper()
	m := f.last()
	if m.GetAssignment() == nil {
		f.w.t.Fatalf("want an assignment, got %v", m)
	}
	return m.GetAssignment()
}

func (f *fake) wantTermination(id string) {
	f.w.t.Helper()
	if m := f.last(); m.GetTermination().GetJobId() != id {
		f.w.t.Errorf("want the termination of %s, got %v", id, m)
	}
}

func (f *fake) wantNothing() {
	f.w.t.Helper()
	if m := f.last(); m != nil {
		f.w.t.Errorf("want nothing, got %v", m)
	}
}

func (f *fake) accepts(job *livekit.Job) {
	f.w.t.Helper()
	f.says(&livekit.WorkerMessage{Message: &livekit.WorkerMessage_Availability{Availability: &livekit.AvailabilityResponse{
		JobId: job.Id, Available: true, ParticipantIdentity: "helper", ParticipantAttributes: map[string]string{"a": "b"},
	}}})
}

func (f *fake) declines(job *livekit.Job, forGood bool) {
	f.w.t.Helper()
	f.says(&livekit.WorkerMessage{Message: &livekit.WorkerMessage_Availability{Availability: &livekit.AvailabilityResponse{
		JobId: job.Id, Terminate: forGood,
	}}})
}

func (f *fake) reports(job *livekit.Job, status livekit.JobStatus, why string) {
	f.w.t.Helper()
	f.says(&livekit.WorkerMessage{Message: &livekit.WorkerMessage_UpdateJob{UpdateJob: &livekit.UpdateJobStatus{
		JobId: job.Id, Status: status, Error: why,
	}}})
}

func (f *fake) claims(job *livekit.Job) {
	f.w.t.Helper()
	f.says(&livekit.WorkerMessage{Message: &livekit.WorkerMessage_MigrateJob{MigrateJob: &livekit.MigrateJobRequest{JobIds: []string{job.Id}}}})
}
