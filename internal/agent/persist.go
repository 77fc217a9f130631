package agent

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/livekit/protocol/livekit"
	"google.golang.org/protobuf/encoding/protojson"

	"github.com/rollcall-rtc/rollcall/event"
)

// What the dispatcher keeps beside the log: each dispatch of a live room, and
// where in the log to look for each job that has not ended. The state of a job
// is that of its last event.
const (
	dispatchPrefix = "agent/dispatch/"
	jobPrefix      = "agent/job/"
)

func dispatchKey(id string) string { return dispatchPrefix + id }
func jobKey(id string) string      { return jobPrefix + id }

// keptDispatch is the value of a dispatch.
type keptDispatch struct {
	RoomSID  string          `json:"roomSid"`
	Dispatch json.RawMessage `json:"dispatch"` // protojson
	Made     []string        `json:"made,omitempty"`
}

// jobMark is the value of a job: its events come after that place in its room.
type jobMark struct {
	Room  string `json:"room"`
	After uint64 `json:"after"`
}

func encodeMark(m jobMark) []byte {
	raw, err := json.Marshal(m)
	if err != nil {
		panic("BUG: encode job mark: " + err.Error())
	}
	return raw
}

// keep saves a dispatch.
func (s *state) keep(r *room, dp *dispatch) {
	raw, err := protojson.Marshal(dp.info)
	if err != nil {
		s.d.opts.Logger.Error("keep agent dispatch", "dispatch", dp.info.Id, "error", err)
		return
	}
	k := keptDispatch{RoomSID: r.info.Sid, Dispatch: raw}
	for name := range dp.made {
		k.Made = append(k.Made, name)
	}
	slices.Sort(k.Made)
	value, err := json.Marshal(k)
	if err != nil {
		panic("BUG: encode dispatch: " + err.Error())
	}
	s.save(map[string][]byte{dispatchKey(dp.info.Id): value})
}

func (s *state) save(puts map[string][]byte) { s.d.opts.Log.SaveCursors(puts, nil) }
func (s *state) forget(keys ...string)       { s.d.opts.Log.SaveCursors(nil, keys) }

// restore brings back what an earlier run left.
func (s *state) restore(ctx context.Context) error {
	live := make(map[string]*livekit.Room)
	rooms, err := s.d.opts.Rooms.List(ctx, nil)
	if err != nil {
		return fmt.Errorf("restore agent dispatches: %w", err)
	}
	for _, r := range rooms {
		live[r.Sid] = r
	}
	kept, err := s.d.opts.Log.LoadCursors(dispatchPrefix)
	if err != nil {
		return fmt.Errorf("restore agent dispatches: %w", err)
	}
	for key, value := range kept {
		s.restoreDispatch(key, value, live)
	}
	marks, err := s.d.opts.Log.LoadCursors(jobPrefix)
	if err != nil {
		return fmt.Errorf("restore agent jobs: %w", err)
	}
	for key, value := range marks {
		if err := s.restoreJob(ctx, key, value, live); err != nil {
			return fmt.Errorf("restore agent job %s: %w", strings.TrimPrefix(key, jobPrefix), err)
		}
	}
	return nil
}

// restoreDispatch takes a kept dispatch up again, if its room is still there.
func (s *state) restoreDispatch(key string, value []byte, live map[string]*livekit.Room) {
	var k keptDispatch
	ad := new(livekit.AgentDispatch)
	err := json.Unmarshal(value, &k)
	if err == nil {
		err = protojson.UnmarshalOptions{DiscardUnknown: true}.Unmarshal(k.Dispatch, ad)
	}
	info := live[k.RoomSID]
	if err != nil || info == nil {
		if err != nil {
			s.d.opts.Logger.Error("forget unreadable agent dispatch", "key", key, "error", err)
		}
		s.forget(key)
		return
	}
	dp := &dispatch{info: ad, made: make(map[string]bool)}
	for _, name := range k.Made {
		dp.made[name] = true
	}
	r := s.roomOf(info)
	r.dispatches = append(r.dispatches, dp)
	slices.SortFunc(r.dispatches, func(a, b *dispatch) int { return strings.Compare(a.info.Id, b.info.Id) })
}

// restoreJob takes a job up where its last event left it. One that ran waits for
// its worker to come back.
func (s *state) restoreJob(ctx context.Context, key string, value []byte, live map[string]*livekit.Room) error {
	var mark jobMark
	if err := json.Unmarshal(value, &mark); err != nil {
		s.d.opts.Logger.Error("forget unreadable agent job", "key", key, "error", err)
		s.forget(key)
		return nil
	}
	info, ended, err := s.lastOf(ctx, strings.TrimPrefix(key, jobPrefix), mark)
	if err != nil {
		return err
	}
	if info == nil || ended {
		s.forget(key) // it never began, or its end was the last thing that happened
		return nil
	}
	j := &job{info: info, declined: make(map[string]bool)}
	s.jobs[info.Id] = j
	switch {
	case info.State.GetStatus() == livekit.JobStatus_JS_RUNNING && live[info.Room.GetSid()] != nil:
		j.phase, j.deadline = lost, s.now.Add(adoptTimeout)
	case info.State.GetStatus() == livekit.JobStatus_JS_RUNNING:
		s.wind(j, rejoinTimeout)
	case live[info.Room.GetSid()] == nil:
		s.withdraw(j, livekit.JobStateReason_JSR_ROOM_CLOSED, "the room closed before a worker took the job")
	}
	return nil
}

// lastOf returns the job as its last event has it, nil if it has none.
func (s *state) lastOf(ctx context.Context, id string, mark jobMark) (info *livekit.Job, ended bool, err error) {
	after := mark.After
	for {
		records, err := s.d.opts.Log.ReadRoom(ctx, mark.Room, after, 1024)
		if err != nil {
			return nil, false, err
		}
		if len(records) == 0 {
			return info, ended, nil
		}
		for i := range records {
			rec := &records[i]
			after = rec.Seq
			if d, _ := event.Lookup(rec.Name); d.Scope != event.ScopeJob {
				continue
			}
			w, err := rec.Webhook()
			if err != nil || w.GetJob().GetId() != id {
				continue
			}
			info, ended = w.Job, rec.Name == event.AgentJobEnded
		}
	}
}
