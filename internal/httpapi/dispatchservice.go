package httpapi

import (
	"context"

	"github.com/livekit/protocol/livekit"
	"github.com/twitchtv/twirp"
)

// dispatchService is livekit.AgentDispatchService: it checks grants and
// arguments, and hands on. Its errors are mapped by mapErrors.
type dispatchService struct {
	agents Agents // immutable
}

var _ livekit.AgentDispatchService = (*dispatchService)(nil)

func (s *dispatchService) CreateDispatch(ctx context.Context, req *livekit.CreateAgentDispatchRequest) (*livekit.AgentDispatch, error) {
	if err := claimsOf(ctx).CanAdmin(req.Room); err != nil {
		return nil, err
	}
	return s.agents.CreateDispatch(ctx, req)
}

func (s *dispatchService) DeleteDispatch(ctx context.Context, req *livekit.DeleteAgentDispatchRequest) (*livekit.AgentDispatch, error) {
	if err := claimsOf(ctx).CanAdmin(req.Room); err != nil {
		return nil, err
	}
	if req.DispatchId == "" {
		return nil, twirp.InvalidArgumentError("dispatch_id", "is required")
	}
	return s.agents.DeleteDispatch(ctx, req)
}

func (s *dispatchService) ListDispatch(ctx context.Context, req *livekit.ListAgentDispatchRequest) (*livekit.ListAgentDispatchResponse, error) {
	if err := claimsOf(ctx).CanAdmin(req.Room); err != nil {
		return nil, err
	}
	return s.agents.ListDispatch(ctx, req)
}
