package httpapi

import (
	"context"
	"errors"
	"time"

	"github.com/livekit/protocol/livekit"
	"github.com/twitchtv/twirp"
)

// roomService is livekit.RoomService: it checks grants and arguments, and hands
// on. Its errors are mapped by mapErrors.
type roomService struct {
	rooms        Rooms        // immutable
	participants Participants // immutable
	endpoints    Endpoints    // immutable
}

var _ livekit.RoomService = (*roomService)(nil)

func (s *roomService) CreateRoom(ctx context.Context, req *livekit.CreateRoomRequest) (*livekit.Room, error) {
	if err := claimsOf(ctx).CanCreateRoom(); err != nil {
		return nil, err
	}
	if req.Name == "" {
		return nil, twirp.InvalidArgumentError("name", "is required")
	}
	hooks, err := roomHooks(ctx, req)
	switch {
	case err != nil:
		return nil, err
	case len(hooks) > 0:
		return s.createWithHooks(ctx, req, hooks)
	}
	return s.rooms.Create(ctx, req)
}

func (s *roomService) ListRooms(ctx context.Context, req *livekit.ListRoomsRequest) (*livekit.ListRoomsResponse, error) {
	if err := claimsOf(ctx).CanListRooms(); err != nil {
		return nil, err
	}
	rooms, err := s.rooms.List(ctx, req.Names)
	if err != nil {
		return nil, err
	}
	return &livekit.ListRoomsResponse{Rooms: rooms}, nil
}

func (s *roomService) DeleteRoom(ctx context.Context, req *livekit.DeleteRoomRequest) (*livekit.DeleteRoomResponse, error) {
	if err := claimsOf(ctx).CanCreateRoom(); err != nil {
		return nil, err
	}
	if req.Room == "" {
		return nil, twirp.InvalidArgumentError("room", "is required")
	}
	if err := s.rooms.Delete(ctx, req.Room); err != nil {
		return nil, err
	}
	return &livekit.DeleteRoomResponse{}, nil
}

func (s *roomService) UpdateRoomMetadata(ctx context.Context, req *livekit.UpdateRoomMetadataRequest) (*livekit.Room, error) {
	if err := claimsOf(ctx).CanAdmin(req.Room); err != nil {
		return nil, err
	}
	return s.rooms.UpdateRoomMetadata(ctx, req.Room, req.Metadata)
}

func (s *roomService) SendData(ctx context.Context, req *livekit.SendDataRequest) (*livekit.SendDataResponse, error) {
	if err := claimsOf(ctx).CanAdmin(req.Room); err != nil {
		return nil, err
	}
	if n := len(req.Nonce); n != 0 && n != 16 {
		return nil, twirp.InvalidArgumentError("nonce", "must be absent or 16 bytes")
	}
	if err := s.rooms.SendData(ctx, req); err != nil {
		return nil, err
	}
	return &livekit.SendDataResponse{}, nil
}

// ListParticipants answers an empty list for a room that is not live, as the
// reference server does: backends that poll it do so across a room's end.
func (s *roomService) ListParticipants(ctx context.Context, req *livekit.ListParticipantsRequest) (*livekit.ListParticipantsResponse, error) {
	if err := claimsOf(ctx).CanAdmin(req.Room); err != nil {
		return nil, err
	}
	list, err := s.participants.ListParticipants(ctx, req.Room)
	if err != nil {
		if c, ok := errors.AsType[coded](err); ok && c.ErrorCode() == string(twirp.NotFound) {
			return &livekit.ListParticipantsResponse{}, nil
		}
		return nil, err
	}
	return &livekit.ListParticipantsResponse{Participants: list}, nil
}

func (s *roomService) GetParticipant(ctx context.Context, req *livekit.RoomParticipantIdentity) (*livekit.ParticipantInfo, error) {
	if err := mayTouch(ctx, req.Room, req.Identity); err != nil {
		return nil, err
	}
	return s.participants.Participant(ctx, req.Room, req.Identity)
}

func (s *roomService) RemoveParticipant(ctx context.Context, req *livekit.RoomParticipantIdentity) (*livekit.RemoveParticipantResponse, error) {
	if err := mayTouch(ctx, req.Room, req.Identity); err != nil {
		return nil, err
	}
	var revoked time.Time
	if req.RevokeTokenTs > 0 {
		revoked = time.Unix(req.RevokeTokenTs, 0)
	}
	if err := s.participants.RemoveParticipant(ctx, req.Room, req.Identity, revoked); err != nil {
		return nil, err
	}
	return &livekit.RemoveParticipantResponse{}, nil
}

func (s *roomService) MutePublishedTrack(ctx context.Context, req *livekit.MuteRoomTrackRequest) (*livekit.MuteRoomTrackResponse, error) {
	if err := mayTouch(ctx, req.Room, req.Identity); err != nil {
		return nil, err
	}
	if req.TrackSid == "" {
		return nil, twirp.InvalidArgumentError("track_sid", "is required")
	}
	track, err := s.participants.MuteTrack(ctx, req.Room, req.Identity, req.TrackSid, req.Muted)
	if err != nil {
		return nil, err
	}
	return &livekit.MuteRoomTrackResponse{Track: track}, nil
}

func (s *roomService) UpdateParticipant(ctx context.Context, req *livekit.UpdateParticipantRequest) (*livekit.ParticipantInfo, error) {
	if err := mayTouch(ctx, req.Room, req.Identity); err != nil {
		return nil, err
	}
	return s.participants.UpdateParticipant(ctx, req)
}

func (s *roomService) UpdateSubscriptions(ctx context.Context, req *livekit.UpdateSubscriptionsRequest) (*livekit.UpdateSubscriptionsResponse, error) {
	if err := mayTouch(ctx, req.Room, req.Identity); err != nil {
		return nil, err
	}
	if err := s.participants.UpdateSubscriptions(ctx, req); err != nil {
		return nil, err
	}
	return &livekit.UpdateSubscriptionsResponse{}, nil
}

func (s *roomService) ForwardParticipant(ctx context.Context, req *livekit.ForwardParticipantRequest) (*livekit.ForwardParticipantResponse, error) {
	if err := mayBring(ctx, req.Room, req.Identity, req.DestinationRoom); err != nil {
		return nil, err
	}
	if err := s.participants.ForwardParticipant(ctx, req); err != nil {
		return nil, err
	}
	return &livekit.ForwardParticipantResponse{}, nil
}

func (s *roomService) MoveParticipant(ctx context.Context, req *livekit.MoveParticipantRequest) (*livekit.MoveParticipantResponse, error) {
	if err := mayBring(ctx, req.Room, req.Identity, req.DestinationRoom); err != nil {
		return nil, err
	}
	if err := s.participants.MoveParticipant(ctx, req); err != nil {
		return nil, err
	}
	return &livekit.MoveParticipantResponse{}, nil
}

func (s *roomService) PerformRpc(ctx context.Context, req *livekit.PerformRpcRequest) (*livekit.PerformRpcResponse, error) {
	if err := mayTouch(ctx, req.Room, req.DestinationIdentity); err != nil {
		return nil, err
	}
	payload, err := s.participants.PerformRPC(ctx, req)
	if err != nil {
		return nil, err
	}
	return &livekit.PerformRpcResponse{Payload: payload}, nil
}

// mayBring says whether the caller may bring a participant of room to another,
// and that all are named.
func mayBring(ctx context.Context, room, identity, destination string) error {
	if destination == "" {
		return twirp.InvalidArgumentError("destination_room", "is required")
	}
	if err := claimsOf(ctx).CanAdminBoth(room, destination); err != nil {
		return err
	}
	if identity == "" {
		return twirp.InvalidArgumentError("identity", "is required")
	}
	return nil
}

// mayTouch says whether the caller may do something to a participant of room,
// and that both are named.
func mayTouch(ctx context.Context, room, identity string) error {
	if err := claimsOf(ctx).CanAdmin(room); err != nil {
		return err
	}
	if identity == "" {
		return twirp.InvalidArgumentError("identity", "is required")
	}
	return nil
}
