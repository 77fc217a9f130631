package room

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/livekit/protocol/livekit"
	"google.golang.org/protobuf/proto"

	"github.com/rollcall-rtc/rollcall/event"
	"github.com/rollcall-rtc/rollcall/internal/sfu/peer"
)

// The methods in this file are the RoomService. An unknown room is
// ErrRoomNotFound, an unknown identity ErrParticipantNotFound, an unknown track
// ErrTrackNotFound; bad values are invalid_argument Errors. What a call changed
// or shows is durable in the log before it returns.

// in runs fn in the loop of the named room.
func (g *Registry) in(ctx context.Context, name string, fn func(*state)) error {
	r := g.lookup(name)
	if r == nil {
		return ErrRoomNotFound
	}
	return g.turn(ctx, r, fn)
}

// turn runs fn in r's loop and waits until the events so far are durable.
func (g *Registry) turn(ctx context.Context, r *Room, fn func(*state)) error {
	seq, err := r.do(ctx, fn)
	if errors.Is(err, errClosed) {
		return ErrRoomNotFound
	}
	if err != nil || g.opts.Sync == nil {
		return err
	}
	return g.opts.Sync(ctx, seq)
}

// with runs fn in the loop of the named room for one participant.
func (g *Registry) with(ctx context.Context, room, identity string, fn func(*state, *participant) error) error {
	var refused error
	err := g.in(ctx, room, func(s *state) {
		p := s.participants[identity]
		if p == nil {
			refused = ErrParticipantNotFound
			return
		}
		refused = fn(s, p)
	})
	if err != nil {
		return err
	}
	return refused
}

// Create makes the room, or returns the one that is there with the request's
// non-zero fields applied.
func (g *Registry) Create(ctx context.Context, req *livekit.CreateRoomRequest) (*livekit.Room, error) {
	l := g.opts.Limits
	if err := l.checkRoomName(req.Name); err != nil {
		return nil, err
	}
	if err := l.check("", req.Metadata, nil); err != nil {
		return nil, err
	}
	if err := checkTags(req.Tags); err != nil {
		return nil, err
	}
	for {
		r, made, err := g.roomFor(ctx, req, true)
		if err != nil {
			return nil, err
		}
		var info *livekit.Room
		err = g.turn(ctx, r, func(s *state) {
			if !made {
				if len(req.Tags) > 0 {
					s.tags = maps.Clone(req.Tags)
				}
				s.configure(override(s.settings, req))
			}
			info = s.info()
		})
		if errors.Is(err, ErrRoomNotFound) {
			continue // it ended meanwhile
		}
		return info, err
	}
}

// List returns the rooms with one of the names, or all, by name.
func (g *Registry) List(ctx context.Context, names []string) ([]*livekit.Room, error) {
	infos := []*livekit.Room{}
	for _, r := range g.all() {
		if len(names) > 0 && !slices.Contains(names, r.name) {
			continue
		}
		var info *livekit.Room
		switch err := g.turn(ctx, r, func(s *state) { info = s.info() }); {
		case errors.Is(err, ErrRoomNotFound):
		case err != nil:
			return nil, err
		default:
			infos = append(infos, info)
		}
	}
	slices.SortFunc(infos, func(a, b *livekit.Room) int { return strings.Compare(a.Name, b.Name) })
	return infos, nil
}

// Delete ends the room; everybody in it is told that it was deleted.
func (g *Registry) Delete(ctx context.Context, name string) error {
	return g.in(ctx, name, func(s *state) {
		s.close(livekit.RoomEndReason_ROOM_END_API_DELETE, livekit.DisconnectReason_ROOM_DELETED, livekit.LeaveRequest_DISCONNECT)
	})
}

// UpdateRoomMetadata replaces the room's metadata.
func (g *Registry) UpdateRoomMetadata(ctx context.Context, name, metadata string) (info *livekit.Room, err error) {
	if err := g.opts.Limits.check("", metadata, nil); err != nil {
		return nil, err
	}
	var changed *livekit.Room
	err = g.in(ctx, name, func(s *state) {
		s.setMetadata(metadata)
		changed = s.info()
	})
	if err != nil {
		return nil, err
	}
	return changed, nil
}

// ListParticipants returns everybody in the room in the order they came, those
// whose transport is still coming up included. A room that does not exist has
// nobody in it.
func (g *Registry) ListParticipants(ctx context.Context, room string) ([]*livekit.ParticipantInfo, error) {
	infos := []*livekit.ParticipantInfo{}
	err := g.in(ctx, room, func(s *state) {
		for _, p := range s.inOrder {
			infos = append(infos, p.info())
		}
	})
	if errors.Is(err, ErrRoomNotFound) {
		return []*livekit.ParticipantInfo{}, nil
	}
	if err != nil {
		return nil, err
	}
	return infos, nil
}

// Participant returns one participant.
func (g *Registry) Participant(ctx context.Context, room, identity string) (*livekit.ParticipantInfo, error) {
	var info *livekit.ParticipantInfo
	if err := g.with(ctx, room, identity, func(_ *state, p *participant) error {
		info = p.info()
		return nil
	}); err != nil {
		return nil, err
	}
	return info, nil
}

// RemoveParticipant ends a participant's session and tells it so. Tokens that
// were made before revoked do not let it in again; zero stands for a moment
// from now.
func (g *Registry) RemoveParticipant(ctx context.Context, room, identity string, revoked time.Time) error {
	return g.with(ctx, room, identity, func(s *state, p *participant) error {
		if p.forwarding == nil {
			g.revoke(seatOf(room, identity), p.revokedBefore(revoked), p.req.TokenUntil.Sub(p.req.At))
		}
		p.sendLeave(livekit.DisconnectReason_PARTICIPANT_REMOVED, livekit.LeaveRequest_DISCONNECT)
		s.remove(p, livekit.DisconnectReason_PARTICIPANT_REMOVED)
		return nil
	})
}

// MuteTrack mutes a track, or unmutes it where the server allows that.
func (g *Registry) MuteTrack(ctx context.Context, room, identity, trackSID string, muted bool) (*livekit.TrackInfo, error) {
	var info *livekit.TrackInfo
	if err := g.with(ctx, room, identity, func(s *state, p *participant) error {
		if p.forwarding != nil {
			return ErrForwarded
		}
		t := p.ownTrack(trackSID)
		if t == nil {
			return ErrTrackNotFound
		}
		if !muted && t.info.Muted && !s.opts.Defaults.RemoteUnmute {
			return ErrRemoteUnmute
		}
		if t.info.Muted != muted {
			t.asked = s.now
			p.askToMute(t, muted)
			s.setMuted(t, muted, event.ActorAPI)
		}
		info = t.info
		return nil
	}); err != nil {
		return nil, err
	}
	return info, nil
}

// UpdateParticipant changes name, metadata, attributes and permission. Empty
// name and metadata mean unchanged, attributes are merged and an empty value
// deletes, a permission replaces the old one.
func (g *Registry) UpdateParticipant(ctx context.Context, req *livekit.UpdateParticipantRequest) (*livekit.ParticipantInfo, error) {
	var info *livekit.ParticipantInfo
	if err := g.with(ctx, req.Room, req.Identity, func(s *state, p *participant) error {
		if p.forwarding != nil {
			return ErrForwarded
		}
		if err := s.opts.Limits.check(req.Name, req.Metadata, mergeAttributes(p.attributes, req.Attributes)); err != nil {
			return err
		}
		p.update(req.Name, req.Metadata, req.Attributes, event.ActorAPI)
		if req.Permission != nil {
			p.setPermission(req.Permission)
		}
		info = p.info()
		return nil
	}); err != nil {
		return nil, err
	}
	return info, nil
}

// UpdateSubscriptions chooses tracks for a participant as its client could.
func (g *Registry) UpdateSubscriptions(ctx context.Context, req *livekit.UpdateSubscriptionsRequest) error {
	return g.with(ctx, req.Room, req.Identity, func(_ *state, p *participant) error {
		if p.forwarding != nil {
			return ErrForwarded
		}
		p.choose(req.TrackSids, req.ParticipantTracks, req.Subscribe)
		return nil
	})
}

// nonceSize is the size that SDKs send, in bytes.
const nonceSize = 16

// SendData sends a packet from the server to the named participants, or to all.
func (g *Registry) SendData(ctx context.Context, req *livekit.SendDataRequest) error {
	if len(req.Nonce) != 0 && len(req.Nonce) != nonceSize {
		return invalid("nonce is %d bytes long, it must be %d or absent", len(req.Nonce), nonceSize)
	}
	if len(req.Data) > maxData {
		return invalid("data is %d bytes long, the limit is %d", len(req.Data), maxData)
	}
	kind := peer.Reliable
	if req.Kind == livekit.DataPacket_LOSSY {
		kind = peer.Lossy
	}
	//nolint:staticcheck // the deprecated fields are what older clients read and write
	packet := &livekit.DataPacket{
		Kind:                  req.Kind,
		DestinationIdentities: req.DestinationIdentities,
		Value: &livekit.DataPacket_User{User: &livekit.UserPacket{
			Payload:               req.Data,
			DestinationSids:       req.DestinationSids,
			DestinationIdentities: req.DestinationIdentities,
			Topic:                 req.Topic,
			Nonce:                 req.Nonce,
		}},
	}
	if size := proto.Size(packet); size > maxPacket {
		return invalid("the message is %d bytes long with its topic and those whom it is for, the limit is %d: send less, or to fewer at a time", size, maxPacket)
	}
	return g.in(ctx, req.Room, func(s *state) {
		if len(req.Nonce) > 0 && !s.firstTime(req.Nonce) {
			return // the SDK tried again after a lost answer
		}
		s.sendData(kind, packet, nil, req.DestinationIdentities, req.DestinationSids)
		s.emit(event.Event{Name: event.DataSent, Actor: event.ActorAPI, Detail: &event.Data{
			Kind: strings.ToLower(req.Kind.String()), Topic: req.GetTopic(), Bytes: len(req.Data), Destinations: req.DestinationIdentities,
		}})
	})
}

// maxData is the largest payload that clients take in one packet, in bytes.
const maxData = 64_000

// maxNonces is how many nonces of SendData are remembered.
const maxNonces = 1024

// firstTime remembers a nonce and says whether it is new.
func (s *state) firstTime(nonce []byte) bool {
	if slices.Contains(s.nonces, string(nonce)) {
		return false
	}
	s.nonces = append(s.nonces, string(nonce))
	if len(s.nonces) > maxNonces {
		s.nonces = s.nonces[1:]
	}
	return true
}
