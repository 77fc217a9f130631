package httpapi

import (
	"context"

	"github.com/livekit/protocol/livekit"
	"google.golang.org/protobuf/proto"
)

// egressService is livekit.Egress: it checks grants, and hands on. Its errors are
// mapped by mapErrors.
type egressService struct {
	egress Egress // immutable
}

var _ livekit.Egress = (*egressService)(nil)

// start hands on a request to record, to who may make it.
func (s *egressService) start(ctx context.Context, req proto.Message) (*livekit.EgressInfo, error) {
	claims := claimsOf(ctx)
	if err := claims.CanRecord(); err != nil {
		return nil, err
	}
	return s.egress.Start(ctx, claims.APIKey, req)
}

func (s *egressService) StartEgress(ctx context.Context, req *livekit.StartEgressRequest) (*livekit.EgressInfo, error) {
	return s.start(ctx, req)
}

func (s *egressService) StartRoomCompositeEgress(ctx context.Context, req *livekit.RoomCompositeEgressRequest) (*livekit.EgressInfo, error) {
	return s.start(ctx, req)
}

func (s *egressService) StartWebEgress(ctx context.Context, req *livekit.WebEgressRequest) (*livekit.EgressInfo, error) {
	return s.start(ctx, req)
}

func (s *egressService) StartParticipantEgress(ctx context.Context, req *livekit.ParticipantEgressRequest) (*livekit.EgressInfo, error) {
	return s.start(ctx, req)
}

func (s *egressService) StartTrackCompositeEgress(ctx context.Context, req *livekit.TrackCompositeEgressRequest) (*livekit.EgressInfo, error) {
	return s.start(ctx, req)
}

func (s *egressService) StartTrackEgress(ctx context.Context, req *livekit.TrackEgressRequest) (*livekit.EgressInfo, error) {
	return s.start(ctx, req)
}

func (s *egressService) ListEgress(ctx context.Context, req *livekit.ListEgressRequest) (*livekit.ListEgressResponse, error) {
	if err := claimsOf(ctx).CanRecord(); err != nil {
		return nil, err
	}
	return s.egress.List(ctx, req)
}

func (s *egressService) StopEgress(ctx context.Context, req *livekit.StopEgressRequest) (*livekit.EgressInfo, error) {
	if err := claimsOf(ctx).CanRecord(); err != nil {
		return nil, err
	}
	return s.egress.Stop(ctx, req.EgressId)
}

func (s *egressService) UpdateLayout(ctx context.Context, req *livekit.UpdateLayoutRequest) (*livekit.EgressInfo, error) {
	if err := claimsOf(ctx).CanRecord(); err != nil {
		return nil, err
	}
	return s.egress.UpdateLayout(ctx, req)
}

func (s *egressService) UpdateStream(ctx context.Context, req *livekit.UpdateStreamRequest) (*livekit.EgressInfo, error) {
	if err := claimsOf(ctx).CanRecord(); err != nil {
		return nil, err
	}
	return s.egress.UpdateStream(ctx, req)
}
