package egress

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/livekit/protocol/livekit"
	"google.golang.org/protobuf/encoding/protojson"

	"github.com/rollcall-rtc/rollcall/event"
	"github.com/rollcall-rtc/rollcall/internal/egress/upload"
	"github.com/rollcall-rtc/rollcall/internal/egress/wire"
)

// orphanPatience is how long a worker of the last run may take to finish its file
// after its server is gone.
const orphanPatience = 2 * time.Second

// restore ends the jobs of the last run. What their workers saved is named.
func (s *Service) restore(ctx context.Context) error {
	values, err := s.opts.Log.LoadCursors(jobPrefix)
	if err != nil {
		return err
	}
	parcels, err := s.loadParcels()
	if err != nil {
		return err
	}
	deadline := time.Now().Add(orphanPatience)
	for key, value := range values {
		j, process, err := s.decodeJob(strings.TrimPrefix(key, jobPrefix), value)
		if err != nil {
			s.opts.Logger.Error("forget unreadable recording", "key", key, "error", err)
			if err := s.dropHooks(ctx, strings.TrimPrefix(key, jobPrefix)); err != nil {
				return err
			}
			continue
		}
		parcel, sending := parcels[j.id]
		if !j.over {
			if err := j.restore(ctx, process, deadline, parcel, sending); err != nil {
				return fmt.Errorf("%s: %w", j.id, err)
			}
		} else if sending {
			j.resume(parcel)
		}
		delete(parcels, j.id)
		if j.over || j.sender != nil {
			s.mu.Lock()
			s.jobs[j.id] = j
			s.mu.Unlock()
		}
	}
	for id, parcel := range parcels { // of jobs that are not listed any more
		j := &job{s: s, id: id, over: true}
		j.resume(parcel)
		s.leftover = append(s.leftover, j)
	}
	s.forgetProfiles()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.forgetOld()
	return nil
}

// decodeJob reads what keep wrote, and which process its worker was.
func (s *Service) decodeJob(id string, value []byte) (j *job, process int, err error) {
	var k kept
	if err := json.Unmarshal(value, &k); err != nil {
		return nil, 0, err
	}
	read := protojson.UnmarshalOptions{DiscardUnknown: true}
	j = &job{s: s, id: id, info: new(livekit.EgressInfo), after: k.After, begun: true, over: k.Settled, outputs: k.Outputs}
	j.to = k.To
	if err := read.Unmarshal(k.Info, j.info); err != nil {
		return nil, 0, err
	}
	if len(k.Final) > 0 {
		j.final = new(livekit.EgressInfo)
		if err := read.Unmarshal(k.Final, j.final); err != nil {
			return nil, 0, fmt.Errorf("its end: %w", err)
		}
	}
	return j, k.Process, nil
}

// restore ends a job whose end may not be in the log.
func (j *job) restore(ctx context.Context, process int, deadline time.Time, parcel upload.Parcel, sending bool) error {
	s := j.s
	told, err := j.lastTold(ctx)
	if err != nil {
		return err
	}
	if !ended(j.info.Status) && j.final == nil {
		awaitOrphan(process, j.id, deadline)
	}
	switch {
	case told == event.EgressEnded:
		j.settle(0)
		if sending {
			j.resume(parcel)
		}
		return nil
	case told == "" && !ended(j.info.Status) && s.opts.Log.First() <= j.after+1:
		// Nobody was told that it began: the log has all that came after.
		_ = s.salvage(j.id, j.outputs)
		s.forgetJournal(j.id)
		s.opts.Log.SaveCursors(nil, []string{uploadKey(j.id)})
		return s.dropHooks(ctx, j.id)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if j.final != nil && sending {
		parcel.Told = false // nobody was: the log would have it
		j.sendParcel(parcel)
		j.sender.Finish()
		return nil
	}
	if !ended(j.info.Status) {
		before := j.info
		left := s.salvage(j.id, j.outputs)
		problem := "the server ended while it recorded"
		if !nothing(left) {
			problem += fmt.Sprintf("; %.1f s were saved", playsOf(left).Seconds())
		}
		j.change(func(info *livekit.EgressInfo) {
			finished(info, livekit.EgressStatus_EGRESS_FAILED, processDied, problem, 500, j.outputs, left)
		})
		s.opts.Logger.Warn("recording of the last run ended with it", "egress", j.id, "room", j.info.RoomName, "seconds", playsOf(left).Seconds())
		if sending {
			final := j.info
			j.info = before
			j.sendParcel(parcel)
			if seq := j.dispatchEnd(final, left); seq != 0 {
				s.mu.Unlock()
				defer s.mu.Lock()
				j.settle(seq)
			}
			return nil
		}
	}
	j.keep(false)
	e := j.event(event.EgressEnded)
	e.Synthesized = true
	seq := s.opts.Log.Append(e)
	s.mu.Unlock()
	defer s.mu.Lock()
	j.settle(seq)
	if sending {
		j.resume(parcel)
	}
	return nil
}

// settlePatience bounds waiting for the log, which fails for good if it fails.
const settlePatience = 30 * time.Second

// settle notes that the log has the job's end, at seq, once it has; 0 means that
// it has it.
func (j *job) settle(seq uint64) {
	if seq != 0 {
		ctx, cancel := context.WithTimeout(context.Background(), settlePatience)
		defer cancel()
		if err := j.s.opts.Log.Sync(ctx, seq); err != nil {
			return // the next start finds out whether it is there
		}
	}
	j.s.mu.Lock()
	defer j.s.mu.Unlock()
	j.over = true
	j.keep(true)
	j.s.forgetJournal(j.id)
}

// forgetJournal removes what the worker of a job noted, which nobody needs once the
// log has the job's end.
func (s *Service) forgetJournal(id string) { _ = os.Remove(s.journal(id)) }

// forgetProfile removes what the browser of a dead worker left. What that browser
// had started may need a moment to end, and writes until then.
func (s *Service) forgetProfile(id string) {
	for range 20 {
		if os.RemoveAll(wire.Profile(s.journal(id))) == nil {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// forgetProfiles removes those of the last run, whose workers are gone.
func (s *Service) forgetProfiles() {
	left, _ := filepath.Glob(wire.Profile(s.journal("*"))) // the pattern is well-formed, or there is nothing to be found
	for _, profile := range left {
		s.forgetProfile(strings.TrimSuffix(filepath.Base(profile), wire.Profile("")))
	}
}

// read returns records of the log that may be of the job: of its room, or all if it
// has none.
func (j *job) read(ctx context.Context, after uint64) ([]event.Record, error) {
	log := j.s.opts.Log
	if j.info.RoomName != "" {
		return log.ReadRoom(ctx, j.info.RoomName, after, 1024)
	}
	return log.Read(ctx, max(after+1, log.First())-1, 1024)
}

// lastTold is the name of the last event of the job in the log, "" if there is
// none.
func (j *job) lastTold(ctx context.Context) (last event.Name, err error) {
	for after := j.after; ; {
		records, err := j.read(ctx, after)
		if err != nil {
			return "", err
		}
		if len(records) == 0 {
			return last, nil
		}
		for i := range records {
			rec := &records[i]
			after = rec.Seq
			if d, _ := event.Lookup(rec.Name); d.Scope != event.ScopeEgress {
				continue
			}
			if w, err := rec.Webhook(); err == nil && w.GetEgressInfo().GetEgressId() == j.id {
				last = rec.Name
			}
		}
	}
}
