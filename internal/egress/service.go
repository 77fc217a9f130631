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
	"github.com/rollcall-rtc/rollcall/internal/delivery"
	"github.com/rollcall-rtc/rollcall/internal/egress/container"
	"github.com/rollcall-rtc/rollcall/internal/egress/wire"
	"github.com/rollcall-rtc/rollcall/internal/room"
)

// Service runs the recordings of a server.
type Service struct {
	opts Options // immutable

	mu       sync.Mutex
	jobs     map[string]*job // by id; those that ended for keepEnded
	paths    map[string]bool // of files that are being written, or soon
	stopping bool
	working  sync.WaitGroup // goroutines of jobs
}

// keepEnded is how long jobs that are over are listed.
const keepEnded = 24 * time.Hour

// Start ends the jobs of the last run, with what of them was saved, and returns a
// Service that begins new ones.
func Start(ctx context.Context, o Options) (*Service, error) {
	s := &Service{opts: o, jobs: make(map[string]*job), paths: make(map[string]bool)}
	if err := s.restore(ctx); err != nil {
		return nil, fmt.Errorf("restore recordings: %w", err)
	}
	return s, nil
}

// StartTrack records one track as it is, into a file. key is that of the caller's
// token, by which webhooks of the request are signed that name no other.
//
// It fails with not_found if there is no such room or track, with
// failed_precondition if it is encrypted from end to end or of a codec that no file
// takes, with invalid_argument for a path or webhook that cannot be.
func (s *Service) StartTrack(ctx context.Context, key string, req *livekit.TrackEgressRequest) (*livekit.EgressInfo, error) {
	switch {
	case req.RoomName == "":
		return nil, refuse(InvalidArgument, "room_name is required")
	case req.TrackId == "":
		return nil, refuse(InvalidArgument, "track_id is required")
	}
	var out *livekit.DirectFileOutput
	switch o := req.Output.(type) {
	case *livekit.TrackEgressRequest_File:
		out = o.File
	case *livekit.TrackEgressRequest_WebsocketUrl:
		return nil, refuse(Unimplemented, "egress to a WebSocket is not available yet: record into a file")
	}
	if out == nil {
		return nil, refuse(InvalidArgument, "output is required: file")
	}
	if out.Output != nil {
		return nil, refuse(Unimplemented, "storage in a cloud is not available yet: leave it out, and the file is kept in the server's directory of recordings")
	}

	j := &job{s: s, id: newID(), ending: make(chan string, 1)}
	tap, err := s.opts.Rooms.Tap(ctx, req.RoomName, req.TrackId, func() { j.finish(sourceClosed) })
	if err != nil {
		return nil, err
	}
	j.tap = tap
	info, err := s.begin(ctx, j, key, req, out)
	if err != nil {
		tap.Close()
		return nil, err
	}
	return info, nil
}

// begin makes the job of a tap: its webhooks, its worker, its first event.
func (s *Service) begin(ctx context.Context, j *job, key string, req *livekit.TrackEgressRequest, out *livekit.DirectFileOutput) (_ *livekit.EgressInfo, err error) {
	tap, now := j.tap, time.Now()
	codec, err := container.CodecOf(tap.Codec.MimeType)
	if err != nil {
		return nil, refuse(FailedPrecondition, "a track of %s cannot be recorded as it is", tap.Codec.MimeType)
	}
	name, err := fileName(out.Filepath, tap, now, container.FormatOf(codec))
	if err != nil {
		return nil, err
	}
	if j.path, err = s.reserve(name); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			s.release(j.path)
		}
	}()
	hooks, err := s.opts.Hooks.PutEgress(ctx, j.id, key, req.Webhooks)
	if err != nil {
		if problem, ok := errors.AsType[*delivery.EndpointError](err); ok {
			return nil, refuse(InvalidArgument, "webhooks: %s %s", problem.Field, problem.Problem)
		}
		return nil, err
	}
	drop := func() { err = errors.Join(err, s.opts.Hooks.Drop(context.WithoutCancel(ctx), hooks)) }
	file := &livekit.FileInfo{Filename: filepath.Base(j.path), Location: j.path}
	j.manifest = !out.DisableManifest
	j.info = &livekit.EgressInfo{
		EgressId: j.id, RoomId: tap.Room.Sid, RoomName: tap.Room.Name,
		SourceType: livekit.EgressSourceType_EGRESS_SOURCE_TYPE_SDK,
		Status:     livekit.EgressStatus_EGRESS_STARTING,
		StartedAt:  now.UnixNano(), UpdatedAt: now.UnixNano(),
		Request:     &livekit.EgressInfo_Track{Track: proto.CloneOf(req)},
		FileResults: []*livekit.FileInfo{file},
		Result:      &livekit.EgressInfo_File{File: file}, //nolint:staticcheck // older clients read it
	}
	s.mu.Lock()
	if s.stopping {
		s.mu.Unlock()
		err = ErrStopping
		drop()
		return nil, err
	}
	if err = j.launch(wire.Job{ID: j.id, Path: j.path, Track: wire.Track{
		MimeType: string("x/" + codec), ClockRate: tap.Codec.ClockRate, Channels: int(tap.Codec.Channels),
	}}); err != nil {
		s.mu.Unlock()
		s.opts.Logger.Error("start the worker of a recording", "egress", j.id, "error", err)
		err = refuse(Internal, "cannot start the process that records")
		drop()
		return nil, err
	}
	s.jobs[j.id] = j
	seq := j.tell(event.EgressStarted)
	info := j.info
	s.mu.Unlock()
	tap.Start(j.feed)
	s.opts.Logger.Info("recording started", "egress", j.id, "room", info.RoomName, "room_sid", info.RoomId, "track", tap.Track.Sid, "file", j.path)
	if err := s.opts.Log.Sync(ctx, seq); err != nil {
		s.opts.Logger.Warn("recording began, and its caller was not told", "egress", j.id, "error", err)
	}
	return info, nil
}

// reserve makes the directory of a file, and returns its absolute path: one that
// there is no file of yet, nor a job for.
func (s *Service) reserve(name string) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	at := func(name string) string { return filepath.Join(s.opts.Directory, filepath.FromSlash(name)) }
	name = freeName(name, func(name string) bool {
		_, err := os.Lstat(at(name))
		return err == nil || s.paths[at(name)]
	})
	if err := os.MkdirAll(filepath.Dir(at(name)), 0o755); err != nil {
		s.opts.Logger.Error("make the directory of a recording", "error", err)
		return "", refuse(InvalidArgument, "filepath %.64q cannot be made below the directory of recordings", name)
	}
	s.paths[at(name)] = true
	return at(name), nil
}

// release lets go of a path that is reserved.
func (s *Service) release(path string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.paths, path)
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

// forgetOld drops jobs that ended long ago; mu must be held.
func (s *Service) forgetOld() {
	var keys []string
	for id, j := range s.jobs {
		if j.over && time.Since(time.Unix(0, j.info.EndedAt)) > keepEnded {
			delete(s.jobs, id)
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

// Unavailable refuses a kind of egress that is not there yet.
func (s *Service) Unavailable(what string) error {
	return refuse(Unimplemented, "%s is not available yet: StartTrackEgress is", what)
}

// Close ends all jobs and returns when their files are whole, or with ctx.
func (s *Service) Close(ctx context.Context) error {
	s.mu.Lock()
	s.stopping = true
	jobs := s.all()
	s.mu.Unlock()
	for _, j := range jobs {
		if !j.over {
			j.finish(serverStops)
		}
	}
	done := make(chan struct{})
	go func() { s.working.Wait(); close(done) }()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		for _, j := range jobs {
			j.kill()
		}
		<-done
		return fmt.Errorf("end recordings: %w", ctx.Err())
	}
}

func ended(s livekit.EgressStatus) bool {
	return s != livekit.EgressStatus_EGRESS_STARTING && s != livekit.EgressStatus_EGRESS_ACTIVE && s != livekit.EgressStatus_EGRESS_ENDING
}

// newID makes the id of a job, as LiveKit's look.
func newID() string { return "EG_" + rand.Text()[:12] }

var _ Rooms = (*room.Registry)(nil)
