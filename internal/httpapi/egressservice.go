package httpapi

import (
	"context"

	"github.com/livekit/protocol/livekit"
)

// egressService is livekit.Egress: it checks grants, and hands on. Its errors are
// mapped by mapErrors.
type egressService struct {
	egress Egress // immutable
}

var _ livekit.Egress = (*egressService)(nil)

func (s *egressService) StartTrackEgress(ctx context.Context, req *livekit.TrackEgressRequest) (*livekit.EgressInfo, error) {
	claims := claimsOf(ctx)
	if err := claims.CanRecord(); err != nil {
		return nil, err
	}
	return s.egress.StartTrack(ctx, claims.APIKey, req)
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

// absent refuses a call that is not there yet, to who might make it.
func (s *egressService) absent(ctx context.Context, what string) (*livekit.EgressInfo, error) {
	if err := claimsOf(ctx).CanRecord(); err != nil {
		return nil, err
	}
	return nil, s.egress.Unavailable(what)
}

func (s *egressService) StartEgress(ctx context.Context, _ *livekit.StartEgressRequest) (*livekit.EgressInfo, error) {
	return s.absent(ctx, "StartEgress")
}

func (s *egressService) StartRoomCompositeEgress(ctx context.Context, _ *livekit.RoomCompositeEgressRequest) (*livekit.EgressInfo, error) {
	return s.absent(ctx, "egress of a whole room")
}

func (s *egressService) StartWebEgress(ctx context.Context, _ *livekit.WebEgressRequest) (*livekit.EgressInfo, error) {
	return s.absent(ctx, "egress of a web page")
}

func (s *egressService) StartParticipantEgress(ctx context.Context, _ *livekit.ParticipantEgressRequest) (*livekit.EgressInfo, error) {
	return s.absent(ctx, "egress of a participant")
}

func (s *egressService) StartTrackCompositeEgress(ctx context.Context, _ *livekit.TrackCompositeEgressRequest) (*livekit.EgressInfo, error) {
	return s.absent(ctx, "egress of two tracks together")
}

func (s *egressService) UpdateLayout(ctx context.Context, _ *livekit.UpdateLayoutRequest) (*livekit.EgressInfo, error) {
	return s.absent(ctx, "another layout")
}

func (s *egressService) UpdateStream(ctx context.Context, _ *livekit.UpdateStreamRequest) (*livekit.EgressInfo, error) {
	return s.absent(ctx, "streaming")
}
