package egress

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/livekit/protocol/livekit"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/rollcall-rtc/rollcall/event"
	"github.com/rollcall-rtc/rollcall/internal/egress/storage"
	"github.com/rollcall-rtc/rollcall/internal/egress/wire"
)

// Why a job ended, as its details say.
const (
	sourceClosed = "End reason: Source closed"
	stopCalled   = "End reason: StopEgress API"
	serverStops  = "End reason: Server stopped"
	failure      = "End reason: Failure"
	processDied  = "End reason: Process killed"
	limitReached = "End reason: Session limit reached"
)

// job is one recording.
type job struct {
	s       *Service
	id      string
	kind    wire.Kind
	outputs []wire.Output // nil of a job that was settled in an earlier run
	names   []string      // that are reserved
	tracks  *tracks       // nil for what has no room, and of an earlier run; see there
	feed    *feed

	dispatch
	targets  []storage.Target // that dispatch.to numbers; nil of an earlier run
	manifest bool
	process  *process
	ending   chan string // buffered: why; the first counts
	endOnce  sync.Once
	leftOut  string // why a track is, as was said; run's
	closed   int64  // bytes of segments and images; run's
	first    int64  // firstMedia, of which from is the moment; run's
	from     time.Time

	// under Service.mu
	info  *livekit.EgressInfo // immutable, replaced on change
	after uint64              // its events come after that place in the log
	begun bool                // that is set
	over  bool                // its end is durable
	// taking is what it takes of the processors.
	taking taking
}

// change replaces the info; Service.mu must be held.
func (j *job) change(f func(*livekit.EgressInfo)) {
	info := proto.CloneOf(j.info)
	f(info)
	info.UpdatedAt = time.Now().UnixNano()
	forOlder(info)
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

// finish has the job end, once. One of an earlier run has ended, and only what it made
// is on its way.
func (j *job) finish(why string) {
	if j.ending != nil {
		j.endOnce.Do(func() { j.ending <- why })
	}
}

// kill ends the worker as it is.
func (j *job) kill() {
	if j.process != nil {
		j.process.kill()
	}
}

// hire gives a job its id, and a worker if a spare one fits.
func (s *Service) hire(j *job) {
	if len(s.opts.Workers[j.kind].Command) == 0 {
		j.process, j.id = s.spare.take()
	}
	if j.process == nil {
		j.id = newID()
	}
}

// dismiss lets go of the worker of a job that did not begin: the next may have it.
func (s *Service) dismiss(j *job) {
	if j.process != nil {
		s.spare.give(j.process, j.id)
		j.process = nil
	}
}

// launch starts the worker, unless there is one, and what listens to it; Service.mu must be held.
func (j *job) launch(job wire.Job, fresh []*tapped) error {
	if j.process == nil {
		command := j.s.opts.Workers[j.kind].Command
		if len(command) == 0 {
			command = j.s.opts.Worker
		}
		p, err := startProcess(j.s.opts, command, j.id)
		if err != nil {
			return err
		}
		p.listen()
		j.process = p
	}
	j.feed = newFeed(j.process.in, job)
	j.begin(fresh)
	j.s.working.Go(j.run)
	return nil
}

// endPatience is how long a worker may take to finish its file. One of a machine that
// has much else to do still has seconds of sound and pictures to encode.
const endPatience = 30 * time.Second

// run carries between the room and the worker until the latter is gone.
func (j *job) run() {
	reports := j.process.reports
	why := ""
	var last wire.Report
	var deadline, again <-chan time.Time
	limits, stop := j.limits()
	defer stop()
	ending := j.ending
	var wakec chan struct{}
	if j.tracks != nil {
		wakec = j.tracks.changes.wakec
		again = j.follow()
	}
	for open := true; open; {
		select {
		case r, ok := <-reports:
			if open = ok; ok {
				last = j.heard(r, last)
			}
		case <-wakec:
			again = j.follow()
		case <-again:
			again = j.follow()
		case <-limits:
			if j.atLimit() {
				j.finish(limitReached)
			}
		case why = <-ending:
			ending, wakec, again = nil, nil, nil
			j.closeTracks()
			j.feed.end()
			deadline = time.After(endPatience)
		case <-deadline:
			deadline = nil
			j.s.opts.Logger.Error("worker of a recording does not end: killing it", "egress", j.id)
			j.kill()
		}
	}
	died := j.process.wait()
	if j.kind == wire.Browse {
		j.s.forgetProfile(j.id)
	}
	j.closeTracks()
	j.feed.end()
	j.end(why, last, died)
}

// follow has the worker get what is wanted of the room now. It returns when to look
// again though nothing changes, nil for never.
func (j *job) follow() <-chan time.Time {
	t, now := j.tracks, time.Now()
	t.note(now)
	said := ""
	if err := j.update(context.Background()); err != nil {
		said = err.Error()
	}
	if said != "" && said != j.leftOut {
		j.s.opts.Logger.Warn("track is left out of a recording", "egress", j.id, "room", j.tracks.watch.Room.GetName(), "error", said)
	}
	j.leftOut = said
	over, again := t.ended(now)
	switch {
	case over:
		j.finish(sourceClosed)
	case !again.IsZero():
		return time.After(again.Sub(now))
	}
	return nil
}

// update has the worker get what is wanted of what is known of the room, and
// returns why something is not to be had.
func (j *job) update(ctx context.Context) error {
	fresh, changed, gone, refused := j.tracks.update(ctx)
	for _, one := range gone {
		one.tap.Close()
		j.feed.gone(one.Number)
	}
	for _, one := range changed {
		j.feed.tell(wire.TrackFrame, one.Track)
	}
	j.begin(fresh)
	return refused
}

// begin has packets of tracks written. All are told before the first packet.
func (j *job) begin(fresh []*tapped) {
	for _, one := range fresh {
		j.feed.tell(wire.TrackFrame, one.Track)
	}
	for _, one := range fresh {
		one.tap.Start(&trackFeed{feed: j.feed, number: one.Number, clockAt: one.tap.ClockAt})
	}
}

func (j *job) closeTracks() {
	if j.tracks != nil {
		j.tracks.close()
	}
}

// heard takes what the worker says, and returns the last that matters at the end.
func (j *job) heard(r, last wire.Report) wire.Report {
	switch r.Kind {
	case wire.Active:
		j.s.mu.Lock()
		defer j.s.mu.Unlock()
		starting := j.info.Status == livekit.EgressStatus_EGRESS_STARTING
		if j.taking.since.IsZero() {
			j.taking.since = time.Now()
		}
		j.change(func(info *livekit.EgressInfo) {
			if starting {
				info.Status = livekit.EgressStatus_EGRESS_ACTIVE
			}
			began(info, r.Begun)
			if j.kind == wire.Mix {
				socketBegan(info, r.Begun)
			}
		})
		if starting {
			j.tell(event.EgressUpdated)
		}
		return last
	case wire.Opened:
		if out := j.outputs[r.Output]; out.Kind == wire.File && r.File != nil {
			j.s.mu.Lock()
			defer j.s.mu.Unlock()
			j.change(func(info *livekit.EgressInfo) { opened(info, *r.File) })
		}
		return last
	case wire.Closed:
		if r.File != nil {
			j.closedPart(r.Output, *r.File)
		}
		return last
	case wire.StreamState:
		j.heardStream(r)
		return last
	case wire.Keyframe:
		if j.tracks != nil {
			if one := j.tracks.of(r.Track); one != nil {
				one.tap.RequestKeyframe()
			}
		}
		return last
	}
	return r
}

// end tells the job's end: with what the worker made, or with what can be made whole
// of what it did not finish.
func (j *job) end(why string, last wire.Report, died error) {
	s := j.s
	status, problem, code := livekit.EgressStatus_EGRESS_COMPLETE, "", int32(0)
	if why == limitReached {
		status, problem, code = livekit.EgressStatus_EGRESS_LIMIT_REACHED, "Session limit reached", 413
	}
	made := last.Made
	if last.Kind == wire.Done && why == "" {
		why = sourceClosed // it ended by itself
	}
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
		made = s.salvage(j.id, j.outputs)
		switch {
		case !nothing(made):
			problem += fmt.Sprintf("; %.1f s were saved", playsOf(made).Seconds())
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
	before := j.info
	j.change(func(info *livekit.EgressInfo) { finished(info, status, why, problem, code, j.outputs, made) })
	s.count(status, last.Lacks)
	if j.manifest && !nothing(made) {
		j.writeManifest(made, last)
	}
	final := j.info
	j.info = before
	seq := j.dispatchEnd(final, made)
	for _, name := range j.names {
		delete(s.paths, name)
	}
	s.mu.Unlock()
	s.opts.Logger.Info("recording ended", "egress", j.id, "room", final.RoomName, "room_sid", final.RoomId, "status", status, "why", why,
		"files", len(slices.Concat(made...)), "seconds", playsOf(made).Seconds(), "missing", last.Missing, "filled", last.Filled, "dropped_pictures", last.Dropped, "error", problem)
	if seq != 0 {
		j.settle(seq)
	}
}

// jobPrefix is that of the keys of kept jobs.
const jobPrefix = "egress/job/"

func jobKey(id string) string { return jobPrefix + id }

// kept is the value of a job.
type kept struct {
	Info  json.RawMessage `json:"info"` // protojson
	After uint64          `json:"after"`
	// Outputs are without their destinations, which are secrets.
	Outputs []wire.Output `json:"outputs,omitempty"`
	// Final is the info of its end, once that waits for uploads; protojson.
	Final json.RawMessage `json:"final,omitempty"`
	To    []int           `json:"to,omitempty"` // see dispatch
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
	k := kept{Info: info, After: j.after, Settled: settled, To: j.to}
	if !settled {
		k.Outputs = slices.Clone(j.outputs)
		for i := range k.Outputs {
			k.Outputs[i].Destinations = nil
		}
	}
	if j.final != nil {
		if k.Final, err = protojson.Marshal(j.final); err != nil {
			panic("BUG: encode egress: " + err.Error())
		}
	}
	if j.process != nil {
		k.Process = j.process.id()
	}
	raw, err := json.Marshal(k)
	if err != nil {
		panic("BUG: encode job: " + err.Error())
	}
	j.s.opts.Log.SaveCursors(map[string][]byte{jobKey(j.id): raw}, nil)
}
