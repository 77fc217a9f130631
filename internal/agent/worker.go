package agent

import (
	"crypto/rand"
	"maps"
	"slices"
	"time"

	"github.com/livekit/protocol/livekit"
	"google.golang.org/protobuf/proto"

	"github.com/rollcall-rtc/rollcall/internal/token"
)

// worker is a registered worker; loop only.
type worker struct {
	id          string
	link        sender
	apiKey      string
	kind        livekit.JobType
	agentName   string
	deployment  string
	permissions *livekit.ParticipantPermission
	available   bool
	load        float32
}

// sender is the way to a worker. Send does not block.
type sender interface {
	Send(m *livekit.ServerMessage)
}

func (w *worker) send(m *livekit.ServerMessage) { w.link.Send(m) }

// register adds a worker, answers it, and offers it what waits.
func (s *state) register(l sender, apiKey string, req *livekit.RegisterWorkerRequest) *worker {
	s.d.startWatching()
	w := &worker{
		id: newID("AW_"), link: l, apiKey: apiKey, kind: req.Type, agentName: req.AgentName,
		deployment: req.Deployment, permissions: req.AllowedPermissions, available: true,
	}
	s.workers[w.id] = w
	w.send(&livekit.ServerMessage{Message: &livekit.ServerMessage_Register{
		Register: &livekit.RegisterWorkerResponse{WorkerId: w.id, ServerInfo: s.d.opts.ServerInfo},
	}})
	s.d.opts.Logger.Info("agent worker registered", "worker", w.id, "agent", w.agentName, "jobs", w.kind.String(), "version", req.Version)
	for _, sid := range slices.Sorted(maps.Keys(s.rooms)) {
		for _, dp := range s.rooms[sid].dispatches {
			if w.takes(dp.info.AgentName, dp.info.Deployment, w.kind) {
				s.makeJobs(s.rooms[sid], dp)
			}
		}
	}
	s.offerWaiting()
	return w
}

// unregister takes a worker out whose connection ended.
func (s *state) unregister(w *worker) {
	delete(s.workers, w.id)
	s.d.opts.Logger.Info("agent worker gone", "worker", w.id, "agent", w.agentName)
	s.workerGone(w)
}

// update takes note of how busy a worker is.
func (s *state) update(w *worker, u *livekit.UpdateWorkerStatus) {
	was := w.available
	w.load = u.Load
	w.available = !u.Draining
	if u.Status != nil {
		w.available = w.available && *u.Status == livekit.WorkerStatus_WS_AVAILABLE
	}
	if w.available && !was {
		s.offerWaiting()
	}
}

func (s *state) offerWaiting() {
	for _, j := range s.oldestFirst() {
		if j.phase == waiting {
			s.offer(j)
		}
	}
}

// takes says whether the worker is for such jobs.
func (w *worker) takes(agentName, deployment string, t livekit.JobType) bool {
	return w.kind == t && w.agentName == agentName && w.deployment == deployment
}

// serves says whether there is a worker, busy or not, for such jobs of the dispatch.
func (s *state) serves(ad *livekit.AgentDispatch, t livekit.JobType) bool {
	for _, w := range s.workers {
		if w.takes(ad.AgentName, ad.Deployment, t) {
			return true
		}
	}
	return false
}

// known says whether there is a worker of that agent at all.
func (s *state) known(agentName string) bool {
	for _, w := range s.workers {
		if w.agentName == agentName {
			return true
		}
	}
	return false
}

// offerWeight is what an offer under way counts for, until the worker's next
// status has it in its load.
const offerWeight = 0.05

// pick returns the least busy worker for the job that is available and has not
// declined it, or nil.
func (s *state) pick(j *job) *worker {
	offers := make(map[*worker]int)
	for _, other := range s.jobs {
		if other.phase == offered || other.phase == running && s.now.UnixNano()-other.info.State.StartedAt < int64(askAgain) {
			offers[other.worker]++
		}
	}
	var best *worker
	var bestLoad float32
	for _, id := range slices.Sorted(maps.Keys(s.workers)) {
		w := s.workers[id]
		if !w.available || j.declined[id] || !w.takes(j.info.AgentName, j.info.Deployment, j.info.Type) {
			continue
		}
		if load := w.load + offerWeight*float32(offers[w]); best == nil || load < bestLoad {
			best, bestLoad = w, load
		}
	}
	return best
}

// agentToken mints the token with which the agent joins its room.
func (d *Dispatcher) agentToken(j *livekit.Job, w *worker, a *livekit.AvailabilityResponse, identity string, now time.Time) (string, error) {
	claims := &token.Claims{
		Identity: identity, Name: a.ParticipantName, Metadata: a.ParticipantMetadata, Attributes: a.ParticipantAttributes,
		Kind: livekit.ParticipantInfo_AGENT, Video: &token.VideoGrant{RoomJoin: true, Room: j.Room.Name, Agent: true},
	}
	if w.permissions != nil {
		p := proto.CloneOf(w.permissions)
		p.Agent = true //nolint:staticcheck // clients still read it
		claims = claims.WithPermission(p)
	}
	return token.Mint(w.apiKey, d.opts.Keys[w.apiKey], claims, now, tokenValidity)
}

// newID returns a random id with the prefix.
func newID(prefix string) string { return prefix + rand.Text()[:12] }
