package agent

import (
	"context"
	"slices"

	"github.com/livekit/protocol/livekit"
	"google.golang.org/protobuf/proto"
)

// The methods in this file are the AgentDispatchService.

// CreateDispatch has an agent join a room. It makes the room if there is none.
func (d *Dispatcher) CreateDispatch(ctx context.Context, req *livekit.CreateAgentDispatchRequest) (*livekit.AgentDispatch, error) {
	if err := d.check(req); err != nil {
		return nil, err
	}
	d.startWatching()
	for {
		made, err := d.dispatch(ctx, req)
		if made != nil || err != nil {
			return made, err
		}
	}
}

// dispatch makes the dispatch, unless its room ends meanwhile: then it returns nil.
func (d *Dispatcher) dispatch(ctx context.Context, req *livekit.CreateAgentDispatchRequest) (*livekit.AgentDispatch, error) {
	info, err := d.roomFor(ctx, req.Room)
	if err != nil {
		return nil, err
	}
	var r *room // loop only
	defer func() {
		// Also of a caller who has gone: its turn may be yet to come.
		_ = d.do(context.WithoutCancel(ctx), func(s *state) {
			if r != nil {
				s.release(r)
			}
		})
	}()
	if err := d.do(ctx, func(s *state) { r = s.await(info) }); err != nil {
		return nil, err
	}
	present, live, err := d.present(ctx, info)
	if err != nil || !live {
		return nil, err
	}
	var made *livekit.AgentDispatch
	if err := d.do(ctx, func(s *state) {
		if s.rooms[info.Sid] != r {
			return // it ended
		}
		s.answered(r, present)
		made = s.snapshot(s.dispatch(info, &livekit.AgentDispatch{
			Id: newID("AD_"), AgentName: req.AgentName, Room: req.Room, Metadata: req.Metadata,
			RestartPolicy: req.RestartPolicy, Deployment: req.Deployment, Attributes: req.Attributes, ThreadId: req.ThreadId,
			State: &livekit.AgentDispatchState{CreatedAt: s.now.UnixNano(), Trigger: livekit.AgentDispatchTrigger_ADT_DISPATCH_API},
		}))
	}); err != nil {
		return nil, err
	}
	return made, nil
}

func (d *Dispatcher) check(req *livekit.CreateAgentDispatchRequest) error {
	if n := len(req.Metadata); n > d.opts.MaxMetadata {
		return invalid("metadata is %d bytes long, the limit is %d", n, d.opts.MaxMetadata)
	}
	n := 0
	for k, v := range req.Attributes {
		n += len(k) + len(v)
	}
	if n > d.opts.MaxMetadata {
		return invalid("attributes are %d bytes long, the limit is %d", n, d.opts.MaxMetadata)
	}
	return nil
}

// roomFor returns the live room of the name.
func (d *Dispatcher) roomFor(ctx context.Context, name string) (*livekit.Room, error) {
	if d.opts.AutoCreate {
		return d.opts.Rooms.Create(ctx, &livekit.CreateRoomRequest{Name: name})
	}
	rooms, err := d.opts.Rooms.List(ctx, []string{name})
	if err != nil {
		return nil, err
	}
	if len(rooms) == 0 {
		return nil, &Error{"not_found", "requested room does not exist"}
	}
	return rooms[0], nil
}

// DeleteDispatch takes a dispatch back: its jobs end.
func (d *Dispatcher) DeleteDispatch(ctx context.Context, req *livekit.DeleteAgentDispatchRequest) (*livekit.AgentDispatch, error) {
	var deleted *livekit.AgentDispatch
	if err := d.do(ctx, func(s *state) { deleted = s.deleteDispatch(req.Room, req.DispatchId) }); err != nil {
		return nil, err
	}
	if deleted == nil {
		return nil, ErrDispatchNotFound
	}
	return deleted, nil
}

func (s *state) deleteDispatch(name, id string) *livekit.AgentDispatch {
	for _, r := range s.rooms {
		i := slices.IndexFunc(r.dispatches, func(dp *dispatch) bool { return dp.info.Id == id })
		if i < 0 || r.info.Name != name {
			continue
		}
		dp := r.dispatches[i]
		for _, j := range s.oldestFirst() {
			if j.info.DispatchId == id {
				s.withdraw(j, livekit.JobStateReason_JSR_DISPATCH_DELETED, "the dispatch was deleted before a worker took the job")
			}
		}
		dp.info = proto.CloneOf(dp.info)
		dp.info.State.DeletedAt = s.now.UnixNano()
		r.dispatches = slices.Delete(r.dispatches, i, i+1)
		s.dropIdle(r)
		s.forget(dispatchKey(id))
		return s.snapshot(dp)
	}
	return nil
}

// ListDispatch returns the dispatches of a room, or the one with the id.
func (d *Dispatcher) ListDispatch(ctx context.Context, req *livekit.ListAgentDispatchRequest) (*livekit.ListAgentDispatchResponse, error) {
	resp := &livekit.ListAgentDispatchResponse{}
	if err := d.do(ctx, func(s *state) {
		for _, r := range s.rooms {
			if r.info.Name != req.Room {
				continue
			}
			for _, dp := range r.dispatches {
				if req.DispatchId == "" || dp.info.Id == req.DispatchId {
					resp.AgentDispatches = append(resp.AgentDispatches, s.snapshot(dp))
				}
			}
		}
	}); err != nil {
		return nil, err
	}
	return resp, nil
}
