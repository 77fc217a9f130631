package egress

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/livekit/protocol/livekit"
	"google.golang.org/protobuf/proto"

	"github.com/rollcall-rtc/rollcall/event"
	"github.com/rollcall-rtc/rollcall/internal/egress/request"
	"github.com/rollcall-rtc/rollcall/internal/egress/wire"
	"github.com/rollcall-rtc/rollcall/internal/room"
)

// Service runs the recordings of a server.
type Service struct {
	opts Options // immutable

	mu       sync.Mutex
	jobs     map[string]*job // by id; those that ended for keepEnded
	starting map[*job]bool   // that are admitted, and not in jobs yet
	paths    map[string]bool // of files that are being written, or soon
	stopping bool
	closec   chan struct{}  // closed when stopping
	working  sync.WaitGroup // goroutines of jobs
	sending  sync.WaitGroup // what waits for their uploads
	slots    chan struct{}  // of uploads
	meter    *meter         // nil: no limit
	costs    costs
	free     func() (bytes int64, ok bool) // memory that can be had; nil: no limit
	spare    *spare                        // a worker that has no job yet
	ended    Stats                         // of those that did
	leftover []*job                        // that are not listed any more, and have something to send
}

// keepEnded is how long jobs that are over are listed.
const keepEnded = 24 * time.Hour

// Open ends the jobs of the last run, with what of them was saved, and returns a
// Service that begins new ones.
func Open(ctx context.Context, o Options) (*Service, error) {
	s := &Service{opts: o, jobs: make(map[string]*job), starting: make(map[*job]bool), paths: make(map[string]bool), slots: make(chan struct{}, uploadSlots), closec: make(chan struct{}), costs: make(costs)}
	s.spare = newSpare(o.Logger, func(id string) (*process, error) { return startProcess(o, o.Worker, id) })
	s.free = func() (int64, bool) { return freeMemory(os.DirFS("/")) }
	if o.Limits.CPU > 0 {
		s.meter = newMeter(procStat, s.weigh)
	}
	if err := s.restore(ctx); err != nil {
		s.meter.close()
		return nil, fmt.Errorf("restore recordings: %w", err)
	}
	if err := s.restoreAuto(); err != nil {
		s.meter.close()
		return nil, fmt.Errorf("restore automatic recordings: %w", err)
	}
	return s, nil
}

// Start begins what a request of any of the calls of the API asks for. key is that
// of the caller's token, by which webhooks of the request are signed that name no
// other.
//
// It fails with *request.Error for what cannot be, with not_found if there is no
// such room or track, with failed_precondition if it is encrypted from end to end
// or of a codec that no file takes, and with unimplemented for what is not there.
func (s *Service) Start(ctx context.Context, key string, req proto.Message) (*livekit.EgressInfo, error) {
	r, err := request.Read(req)
	if err != nil {
		return nil, err
	}
	kind, err := s.plan(ctx, r)
	if err != nil {
		return nil, err
	}
	targets, to, err := s.route(r.Outputs)
	if err != nil {
		return nil, err
	}
	j := &job{s: s, kind: kind, ending: make(chan string, 1), targets: targets, taking: taking{size: sizeOf(encodingOf(r))}}
	j.to = to
	if err := s.admit(j); err != nil {
		return nil, err
	}
	defer s.begun(j)
	now := time.Now()
	var fresh []*tapped
	if r.Source.Kind != request.Web {
		src := &r.Source
		if kind == wire.Browse {
			src = &request.Source{Kind: src.Kind} // the page gets what it wants itself
		}
		j.tracks = &tracks{src: src, rooms: s.opts.Rooms, heard: r.Outputs[0].Socket != ""}
		if err := j.tracks.open(ctx, r.Room, now); err != nil {
			return nil, err
		}
		if err = j.tracks.missing(); err == nil {
			fresh, _, _, err = j.tracks.update(ctx)
			j.tracks.name()
		}
		if err != nil {
			j.tracks.close()
			return nil, err
		}
	}
	info, err := s.begin(ctx, j, key, r, fresh, now)
	if err != nil {
		j.closeTracks()
		return nil, err
	}
	return info, nil
}

// begin makes the job: its names, its webhooks, its worker, its first event.
func (s *Service) begin(ctx context.Context, j *job, key string, r *request.Request, fresh []*tapped, now time.Time) (_ *livekit.EgressInfo, err error) {
	s.hire(j)
	defer func() {
		if err != nil {
			s.release(j.names)
			s.dismiss(j)
		}
	}()
	j.info = &livekit.EgressInfo{
		EgressId: j.id, Status: livekit.EgressStatus_EGRESS_STARTING, StartedAt: now.UnixNano(), UpdatedAt: now.UnixNano(),
	}
	r.Describe(j.info)
	p := place{now: now, alone: r.Source.Direct}
	if t := j.tracks; t != nil {
		p.room, j.info.RoomId = t.watch.Room, t.watch.Room.Sid
		if t.named != nil {
			p.who, p.track = t.named.who, t.named.track
		} else if r.Source.Identity != "" {
			p.who = &livekit.ParticipantInfo{Identity: r.Source.Identity}
		}
	}
	if err = s.lay(j, r, p, fresh); err != nil {
		return nil, err
	}
	if err = s.pin(ctx, j); err != nil {
		return nil, err
	}
	job := wireJob(j, r)
	if prepare := s.opts.Workers[j.kind].Prepare; prepare != nil {
		if err = prepare(ctx, r, &job); err != nil {
			return nil, err
		}
	}
	if err = s.openHooks(ctx, j, key, r.Webhooks); err != nil {
		return nil, err
	}
	drop := func() { err = errors.Join(err, s.dropHooks(context.WithoutCancel(ctx), j.id)) }
	if err = os.MkdirAll(filepath.Dir(s.journal(j.id)), 0o700); err != nil {
		s.opts.Logger.Error("make the directory of recordings", "error", err)
		err = refuse(Internal, "cannot write into the directory of recordings")
		drop()
		return nil, err
	}
	s.mu.Lock()
	if s.stopping {
		s.mu.Unlock()
		err = ErrStopping
		drop()
		return nil, err
	}
	if err = j.launch(job, fresh); err != nil {
		s.mu.Unlock()
		s.opts.Logger.Error("start the worker of a recording", "egress", j.id, "error", err)
		err = refuse(Internal, "cannot start the process that records")
		drop()
		return nil, err
	}
	s.jobs[j.id] = j
	delete(s.starting, j)
	j.openDispatch()
	seq := j.tell(event.EgressStarted)
	info := j.info
	s.mu.Unlock()
	s.spare.want()
	s.opts.Logger.Info("recording started", "egress", j.id, "room", info.RoomName, "room_sid", info.RoomId, "kind", j.kind, "source", r.Source.Kind)
	if err := s.opts.Log.Sync(ctx, seq); err != nil {
		s.opts.Logger.Warn("recording began, and its caller was not told", "egress", j.id, "error", err)
	}
	return info, nil
}

// release lets go of paths that are reserved.
func (s *Service) release(paths []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, path := range paths {
		delete(s.paths, path)
	}
}

// all returns the jobs, oldest first; mu must be held.
func (s *Service) all() []*job {
	jobs := make([]*job, 0, len(s.jobs))
	for _, j := range s.jobs {
		jobs = append(jobs, j)
	}
	slices.SortFunc(jobs, func(a, b *job) int {
		return cmp.Or(cmp.Compare(a.info.StartedAt, b.info.StartedAt), strings.Compare(a.id, b.id))
	})
	return jobs
}

// List returns the jobs that match, oldest first: those that run, and those that
// ended in the last day.
func (s *Service) List(_ context.Context, req *livekit.ListEgressRequest) (*livekit.ListEgressResponse, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.forgetOld()
	resp := &livekit.ListEgressResponse{}
	for _, j := range s.all() {
		if (req.RoomName == "" || req.RoomName == j.info.RoomName) && (req.EgressId == "" || req.EgressId == j.id) &&
			(!req.Active || !ended(j.info.Status)) {
			resp.Items = append(resp.Items, j.info)
		}
	}
	return resp, nil
}

// forgetOld drops jobs that ended long ago; mu must be held. What is still being sent
// of them goes on, and is left over.
func (s *Service) forgetOld() {
	s.leftover = slices.DeleteFunc(s.leftover, (*job).sent)
	var keys []string
	for id, j := range s.jobs {
		if j.over && time.Since(time.Unix(0, j.info.EndedAt)) > keepEnded {
			delete(s.jobs, id)
			if !j.sent() {
				s.leftover = append(s.leftover, j)
			}
			keys = append(keys, jobKey(id))
		}
	}
	s.opts.Log.SaveCursors(nil, keys)
}

// Stop ends a job. Its file is whole when egress_ended is told.
//
// It fails with not_found for an unknown id, and with failed_precondition for a job
// that has ended.
func (s *Service) Stop(ctx context.Context, id string) (*livekit.EgressInfo, error) {
	s.mu.Lock()
	j := s.jobs[id]
	if j == nil {
		s.mu.Unlock()
		return nil, refuse(NotFound, "egress %.64q does not exist", id)
	}
	if ended(j.info.Status) {
		defer s.mu.Unlock()
		return nil, refuse(FailedPrecondition, "egress with status %s cannot be stopped", j.info.Status)
	}
	var seq uint64
	if j.info.Status != livekit.EgressStatus_EGRESS_ENDING {
		j.change(func(info *livekit.EgressInfo) {
			info.Status = livekit.EgressStatus_EGRESS_ENDING
			info.Details = stopCalled
		})
		seq = j.tell(event.EgressUpdated)
	}
	info := j.info
	s.mu.Unlock()
	j.finish(stopCalled)
	if seq != 0 {
		if err := s.opts.Log.Sync(ctx, seq); err != nil {
			return nil, err
		}
	}
	return info, nil
}

// Close ends all jobs and returns when their files are whole, or with ctx.
func (s *Service) Close(ctx context.Context) error {
	s.meter.close()
	s.spare.close()
	s.mu.Lock()
	if !s.stopping {
		s.stopping = true
		close(s.closec)
	}
	jobs := slices.DeleteFunc(s.all(), func(j *job) bool { return j.over })
	s.mu.Unlock()
	for _, j := range jobs {
		j.finish(serverStops)
	}
	done := make(chan struct{})
	go func() { s.working.Wait(); close(done) }()
	select {
	case <-done:
		s.closeDispatch(ctx)
		return nil
	case <-ctx.Done():
		for _, j := range jobs {
			j.kill()
		}
		<-done
		s.closeDispatch(ctx)
		return fmt.Errorf("end recordings: %w", ctx.Err())
	}
}

func ended(s livekit.EgressStatus) bool {
	return s != livekit.EgressStatus_EGRESS_STARTING && s != livekit.EgressStatus_EGRESS_ACTIVE && s != livekit.EgressStatus_EGRESS_ENDING
}

// newID makes the id of a job, as LiveKit's look.
func newID() string { return "EG_" + rand.Text()[:12] }

var _ Rooms = (*room.Registry)(nil)
