package egress

import (
	"context"
	"encoding/json"
	"errors"
	"path"
	"strings"
	"time"

	"github.com/livekit/protocol/livekit"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/rollcall-rtc/rollcall/event"
	"github.com/rollcall-rtc/rollcall/internal/egress/request"
	"github.com/rollcall-rtc/rollcall/internal/room"
)

// autoPrefix is that of the keys of what rooms have recorded by themselves.
const autoPrefix = "egress/auto/"

// keptAuto is the value of one, by the room's sid.
type keptAuto struct {
	Room   string          `json:"room"` // name
	Key    string          `json:"key"`  // of the API, for webhooks
	Egress json.RawMessage `json:"egress"`
}

// CheckAuto says why what a room's configuration has recorded cannot be, as Start
// would.
func (s *Service) CheckAuto(ctx context.Context, e *livekit.RoomEgress) error {
	var all []proto.Message
	if r := ofRoom("room", e); r != nil {
		all = append(all, r)
	}
	if e.GetParticipant() != nil {
		all = append(all, ofParticipant("room", "identity", e))
	}
	if e.GetTracks() != nil {
		all = append(all, ofTrack("room", "track", e))
	}
	for _, req := range all {
		r, err := request.Read(req)
		if err == nil {
			_, err = s.plan(ctx, r)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// Auto records what the configuration of a room that was just made asks for, until
// the room is over: the room, each participant from the first track on, each track.
// The configuration outlives the server. It does not wait.
func (s *Service) Auto(r *livekit.Room, key string, e *livekit.RoomEgress) {
	raw, err := protojson.Marshal(e)
	if err != nil {
		panic("BUG: encode egress of a room: " + err.Error())
	}
	value, err := json.Marshal(keptAuto{r.Name, key, raw})
	if err != nil {
		panic("BUG: encode egress of a room: " + err.Error())
	}
	s.opts.Log.SaveCursors(map[string][]byte{autoPrefix + r.Sid: value}, nil)
	s.goAuto(r.Sid, r.Name, key, e)
}

// restoreAuto goes on with rooms of the last run that are live again.
func (s *Service) restoreAuto() error {
	values, err := s.opts.Log.LoadCursors(autoPrefix)
	if err != nil {
		return err
	}
	for key, value := range values {
		var k keptAuto
		e := new(livekit.RoomEgress)
		err := json.Unmarshal(value, &k)
		if err == nil {
			err = protojson.UnmarshalOptions{DiscardUnknown: true}.Unmarshal(k.Egress, e)
		}
		if err != nil {
			s.opts.Logger.Error("forget what a room has recorded by itself: it is unreadable", "key", key, "error", err)
			s.opts.Log.SaveCursors(nil, []string{key})
			continue
		}
		s.goAuto(strings.TrimPrefix(key, autoPrefix), k.Room, k.Key, e)
	}
	return nil
}

func (s *Service) goAuto(sid, name, key string, e *livekit.RoomEgress) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.stopping {
		a := &auto{s: s, sid: sid, room: name, key: key, what: e, changes: newChanges(), people: make(map[string]string), tracks: make(map[string]string)}
		s.working.Go(func() { a.run() })
	}
}

// auto is what one room has recorded by itself. One goroutine has it.
type auto struct {
	s              *Service
	sid, room, key string
	what           *livekit.RoomEgress
	changes        *changes
	people         map[string]string // recordings, by identity
	tracks         map[string]string // the same, by sid
}

// run begins recordings until the room is over, or the server stops.
func (a *auto) run() {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	watch, err := a.s.opts.Rooms.Observe(ctx, a.room, a.changes.put)
	if err != nil || watch.Room.Sid != a.sid {
		if err == nil {
			watch.Close()
		}
		a.forget()
		return
	}
	defer watch.Close()
	if req := ofRoom(a.room, a.what); req != nil {
		a.start(ctx, req)
	}
	for {
		select {
		case <-a.s.closec:
			return
		case <-a.changes.wakec:
		}
		for _, c := range a.changes.take() {
			if c.What == room.RoomOver {
				a.forget()
				return
			}
			if c.What == room.TrackPublished {
				a.published(ctx, c)
			}
		}
	}
}

// forget drops the configuration of a room that is over.
func (a *auto) forget() {
	select {
	case <-a.s.closec: // the next run finds the room again
	default:
		a.s.opts.Log.SaveCursors(nil, []string{autoPrefix + a.sid})
	}
}

// published begins what a track that is new is recorded by.
func (a *auto) published(ctx context.Context, c room.Change) {
	if who := c.Participant.Identity; a.what.Participant != nil && !a.running(a.people[who]) {
		a.people[who] = a.start(ctx, ofParticipant(a.room, who, a.what))
	}
	if sid := c.Track.Sid; a.what.Tracks != nil && !a.running(a.tracks[sid]) {
		a.tracks[sid] = a.start(ctx, ofTrack(a.room, sid, a.what))
	}
}

// running says whether a recording goes on, and will.
func (a *auto) running(id string) bool {
	a.s.mu.Lock()
	defer a.s.mu.Unlock()
	j := a.s.jobs[id]
	return j != nil && !ended(j.info.Status) && j.info.Status != livekit.EgressStatus_EGRESS_ENDING
}

// start begins one, and returns its id. That it cannot begin is told as one that
// failed.
func (a *auto) start(ctx context.Context, req proto.Message) string {
	info, err := a.s.Start(ctx, a.key, req)
	if err == nil {
		return info.EgressId
	}
	if !errors.Is(err, ErrStopping) && !errors.Is(err, room.ErrTrackNotFound) && !errors.Is(err, room.ErrRoomNotFound) {
		a.s.opts.Logger.Warn("recording of a room's configuration cannot begin", "room", a.room, "error", err)
		a.s.tellFailed(a.sid, req, err)
	}
	return ""
}

// tellFailed tells of a recording that nobody waits for and that cannot begin.
func (s *Service) tellFailed(sid string, req proto.Message, why error) {
	r, err := request.Read(req)
	if err != nil {
		return // which was found out before the room was made
	}
	now := time.Now().UnixNano()
	j := &job{s: s, id: newID(), info: &livekit.EgressInfo{RoomId: sid, StartedAt: now, UpdatedAt: now}}
	j.info.EgressId = j.id
	r.Describe(j.info)
	s.mu.Lock()
	s.jobs[j.id] = j
	j.tell(event.EgressStarted)
	j.change(func(info *livekit.EgressInfo) {
		finished(info, livekit.EgressStatus_EGRESS_FAILED, failure, why.Error(), 400, nil, nil)
	})
	seq := j.tell(event.EgressEnded)
	s.mu.Unlock()
	j.settle(seq)
}

// ofRoom is the request of a whole room, nil if there is none.
func ofRoom(name string, e *livekit.RoomEgress) *livekit.RoomCompositeEgressRequest {
	if e.GetRoom() == nil {
		return nil
	}
	req := proto.CloneOf(e.Room)
	req.RoomName = name
	return req
}

// ofParticipant is that of somebody who publishes.
func ofParticipant(name, identity string, e *livekit.RoomEgress) *livekit.ParticipantEgressRequest {
	p := proto.CloneOf(e.Participant)
	req := &livekit.ParticipantEgressRequest{RoomName: name, Identity: identity, FileOutputs: p.FileOutputs, SegmentOutputs: p.SegmentOutputs}
	switch o := p.Options.(type) {
	case *livekit.AutoParticipantEgress_Preset:
		req.Options = &livekit.ParticipantEgressRequest_Preset{Preset: o.Preset}
	case *livekit.AutoParticipantEgress_Advanced:
		req.Options = &livekit.ParticipantEgressRequest_Advanced{Advanced: o.Advanced}
	}
	return req
}

// ofTrack is that of a track: its sid is in the name, whatever is asked for, so that
// each has its own.
func ofTrack(name, sid string, e *livekit.RoomEgress) *livekit.TrackEgressRequest {
	t := proto.CloneOf(e.Tracks)
	out := &livekit.DirectFileOutput{Filepath: t.Filepath, DisableManifest: t.DisableManifest}
	if p := t.Filepath; p != "" && !strings.HasSuffix(p, "/") && !strings.Contains(p, "{track_id}") {
		out.Filepath = strings.TrimSuffix(p, path.Ext(p)) + "-{track_id}" + path.Ext(p)
	}
	switch o := t.Output.(type) {
	case *livekit.AutoTrackEgress_S3:
		out.Output = &livekit.DirectFileOutput_S3{S3: o.S3}
	case *livekit.AutoTrackEgress_Gcp:
		out.Output = &livekit.DirectFileOutput_Gcp{Gcp: o.Gcp}
	case *livekit.AutoTrackEgress_Azure:
		out.Output = &livekit.DirectFileOutput_Azure{Azure: o.Azure}
	case *livekit.AutoTrackEgress_AliOSS:
		out.Output = &livekit.DirectFileOutput_AliOSS{AliOSS: o.AliOSS}
	}
	return &livekit.TrackEgressRequest{RoomName: name, TrackId: sid, Output: &livekit.TrackEgressRequest_File{File: out}}
}
