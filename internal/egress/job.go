package egress

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/livekit/protocol/livekit"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/rollcall-rtc/rollcall/event"
	"github.com/rollcall-rtc/rollcall/internal/egress/container"
	"github.com/rollcall-rtc/rollcall/internal/egress/wire"
	"github.com/rollcall-rtc/rollcall/internal/room"
)

// Why a job ended, as its details say.
const (
	sourceClosed = "End reason: Source closed"
	stopCalled   = "End reason: StopEgress API"
	serverStops  = "End reason: Server stopped"
	failure      = "End reason: Failure"
	processDied  = "End reason: Process killed"
)

// job is one recording.
type job struct {
	s    *Service
	id   string
	path string // of the file, absolute; "" of a job of an earlier run
	tap  *room.Tap
	feed *feed

	manifest bool
	process  *process
	ending   chan string // buffered: why; the first counts
	endOnce  sync.Once

	// under Service.mu
	info  *livekit.EgressInfo // immutable, replaced on change
	after uint64              // its events come after that place in the log
	begun bool                // that is set
	over  bool                // its end is durable
}

// change replaces the info; Service.mu must be held.
func (j *job) change(f func(*livekit.EgressInfo)) {
	info := proto.CloneOf(j.info)
	f(info)
	info.UpdatedAt = time.Now().UnixNano()
	if len(info.FileResults) == 1 {
		info.Result = &livekit.EgressInfo_File{File: info.FileResults[0]} //nolint:staticcheck // older clients read it
	}
	j.info = info
}

// tell keeps the job as it is now, and appends the event of that; Service.mu must
// be held, so that events come in the order of the changes.
func (j *job) tell(name event.Name) uint64 {
	if !j.begun {
		j.after, j.begun = j.s.opts.Log.Last(), true
	}
	j.keep(false)
	return j.s.opts.Log.Append(j.event(name))
}

func (j *job) event(name event.Name) event.Event {
	actor := event.ActorServer
	if j.info.Details == stopCalled || name == event.EgressStarted {
		actor = event.ActorAPI
	}
	return event.Event{
		Name: name, Time: time.Now(), Actor: actor, Egress: j.info,
		Room: &livekit.Room{Sid: j.info.RoomId, Name: j.info.RoomName},
	}
}

// finish has the job end, once.
func (j *job) finish(why string) {
	j.endOnce.Do(func() { j.ending <- why })
}

// kill ends the worker as it is.
func (j *job) kill() {
	if j.process != nil {
		j.process.kill()
	}
}

// launch starts the worker and what listens to it; Service.mu must be held.
func (j *job) launch(job wire.Job) error {
	p, err := startProcess(j.s.opts, j.id)
	if err != nil {
		return err
	}
	j.process = p
	j.feed = newFeed(p.in, job)
	j.s.working.Go(j.run)
	return nil
}

// endPatience is how long a worker may take to finish its file.
const endPatience = 10 * time.Second

// run listens to the worker until it is gone.
func (j *job) run() {
	reports := make(chan wire.Report, 16)
	go func() { // ends with the worker's output
		defer close(reports)
		lines := json.NewDecoder(j.process.out)
		for {
			var r wire.Report
			if err := lines.Decode(&r); err != nil {
				_, _ = io.Copy(io.Discard, j.process.out)
				return
			}
			reports <- r
		}
	}()
	why := ""
	var last wire.Report
	var deadline <-chan time.Time
	ending := j.ending
	for open := true; open; {
		select {
		case r, ok := <-reports:
			if open = ok; ok {
				last = j.heard(r, last)
			}
		case why = <-ending:
			ending = nil
			j.tap.Close()
			j.feed.end()
			deadline = time.After(endPatience)
		case <-deadline:
			deadline = nil
			j.s.opts.Logger.Error("worker of a recording does not end: killing it", "egress", j.id)
			j.kill()
		}
	}
	died := j.process.wait()
	j.tap.Close()
	j.feed.end()
	j.end(why, last, died)
}

// heard takes what the worker says, and returns the last that matters at the end.
func (j *job) heard(r, last wire.Report) wire.Report {
	switch r.Kind {
	case wire.Active:
		j.s.mu.Lock()
		if j.info.Status == livekit.EgressStatus_EGRESS_STARTING {
			j.change(func(info *livekit.EgressInfo) {
				info.Status = livekit.EgressStatus_EGRESS_ACTIVE
				info.FileResults[0].StartedAt = r.Begun
			})
			j.tell(event.EgressUpdated)
		} else {
			j.change(func(info *livekit.EgressInfo) { info.FileResults[0].StartedAt = r.Begun })
		}
		j.s.mu.Unlock()
		return last
	case wire.Keyframe:
		j.tap.RequestKeyframe()
		return last
	}
	return r
}

// end tells the job's end: with the file that the worker made, or with what can be
// made whole of one that it did not finish.
func (j *job) end(why string, last wire.Report, died error) {
	s := j.s
	status, problem, code := livekit.EgressStatus_EGRESS_COMPLETE, "", int32(0)
	saved := saved{bytes: last.Bytes, plays: last.Plays, begun: last.Begun}
	if last.Kind != wire.Done {
		s.opts.Logger.Warn("worker of a recording ended without its file", "egress", j.id, "error", died, "said", last.Error)
		status, code = livekit.EgressStatus_EGRESS_FAILED, 500
		switch {
		case last.Error != "":
			problem = last.Error
		case died != nil:
			problem = "the process that records ended: " + died.Error()
		default:
			problem = "the process that records ended too early"
		}
		saved = salvage(j.path)
		switch {
		case saved.bytes > 0:
			problem += fmt.Sprintf("; %.1f s were saved", saved.plays.Seconds())
		case why != "" && last.Kind == wire.Failed:
			// It did what it was told: there was nothing.
			status, code = livekit.EgressStatus_EGRESS_ABORTED, 412
		}
		if why == "" {
			why = processDied
			if last.Kind == wire.Failed {
				why = failure
			}
		}
	}
	s.mu.Lock()
	j.change(func(info *livekit.EgressInfo) { finished(info, status, why, problem, code, saved) })
	if j.manifest && saved.bytes > 0 {
		j.writeManifest()
	}
	seq := j.tell(event.EgressEnded)
	delete(s.paths, j.path)
	s.mu.Unlock()
	s.opts.Logger.Info("recording ended", "egress", j.id, "room", j.info.RoomName, "room_sid", j.info.RoomId, "status", status, "why", why,
		"file", j.path, "seconds", saved.plays.Seconds(), "bytes", saved.bytes, "missing", last.Missing, "error", problem)
	j.settle(seq)
}

// saved is what there is of a file.
type saved struct {
	bytes, begun int64
	plays        time.Duration
}

// finished writes into info how it ended.
func finished(info *livekit.EgressInfo, status livekit.EgressStatus, why, problem string, code int32, s saved) {
	now := time.Now().UnixNano()
	info.Status, info.Details, info.Error, info.ErrorCode, info.EndedAt = status, why, problem, code, now
	if s.bytes == 0 {
		info.FileResults, info.Result = nil, nil
		return
	}
	f := info.FileResults[0]
	f.Size, f.Duration = s.bytes, int64(s.plays)
	if s.begun != 0 {
		f.StartedAt = s.begun
	}
	if f.StartedAt == 0 {
		f.StartedAt = now - int64(s.plays)
	}
	f.EndedAt = f.StartedAt + int64(s.plays)
}

// salvage makes whole what a worker left of a file. One with nothing in it is
// removed.
func salvage(path string) saved {
	plays, err := container.Repair(path)
	if err != nil {
		return saved{}
	}
	stat, err := os.Stat(path)
	if err != nil {
		return saved{}
	}
	if plays == 0 {
		_ = os.Remove(path)
		return saved{}
	}
	return saved{bytes: stat.Size(), plays: plays}
}

// manifest is the description that lies beside a file.
type manifest struct {
	EgressID          string `json:"egress_id"`
	RoomID            string `json:"room_id"`
	RoomName          string `json:"room_name"`
	StartedAt         int64  `json:"started_at"` // Unix nanoseconds, as the next
	EndedAt           int64  `json:"ended_at"`
	PublisherIdentity string `json:"publisher_identity,omitempty"`
	TrackID           string `json:"track_id,omitempty"`
	TrackKind         string `json:"track_kind,omitempty"`
	TrackSource       string `json:"track_source,omitempty"`
	Files             []file `json:"files"`
}

type file struct {
	Filename string `json:"filename"`
	Location string `json:"location"`
}

// writeManifest writes the manifest; Service.mu must be held. Without one the
// recording is as good.
func (j *job) writeManifest() {
	f := j.info.FileResults[0]
	m := manifest{
		EgressID: j.id, RoomID: j.info.RoomId, RoomName: j.info.RoomName, StartedAt: f.StartedAt, EndedAt: f.EndedAt,
		Files: []file{{f.Filename, f.Location}},
	}
	if j.tap != nil {
		m.PublisherIdentity, m.TrackID = j.tap.Participant.Identity, j.tap.Track.Sid
		m.TrackKind, m.TrackSource = j.tap.Track.Type.String(), j.tap.Track.Source.String()
	}
	raw, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		panic("BUG: encode manifest: " + err.Error())
	}
	path := filepath.Join(filepath.Dir(j.path), j.id+".json")
	if err := os.WriteFile(path, append(raw, '\n'), 0o644); err != nil {
		j.s.opts.Logger.Warn("write the manifest of a recording", "egress", j.id, "error", err)
		return
	}
	j.change(func(info *livekit.EgressInfo) { info.ManifestLocation = path })
}

// jobPrefix is that of the keys of kept jobs.
const jobPrefix = "egress/job/"

func jobKey(id string) string { return jobPrefix + id }

// kept is the value of a job.
type kept struct {
	Info  json.RawMessage `json:"info"` // protojson
	After uint64          `json:"after"`
	// Settled says that the log has its end.
	Settled bool `json:"settled,omitempty"`
	Process int  `json:"process,omitempty"` // id of the worker
}

// keep has the job saved with the next commit; Service.mu must be held.
func (j *job) keep(settled bool) {
	info, err := protojson.Marshal(j.info)
	if err != nil {
		panic("BUG: encode egress: " + err.Error())
	}
	k := kept{Info: info, After: j.after, Settled: settled}
	if j.process != nil {
		k.Process = j.process.id()
	}
	raw, err := json.Marshal(k)
	if err != nil {
		panic("BUG: encode job: " + err.Error())
	}
	j.s.opts.Log.SaveCursors(map[string][]byte{jobKey(j.id): raw}, nil)
}
