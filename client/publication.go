package client

import (
	"context"

	"github.com/livekit/protocol/livekit"
	"google.golang.org/protobuf/proto"
)

// Publication is a track that somebody publishes: a *LocalPublication or a
// *RemotePublication. What it returns is the newest state; after the track was
// unpublished, it is the last one.
type Publication interface {
	// SID identifies the track.
	SID() string
	// Name is the publisher's choice.
	Name() string
	// Kind is audio or video.
	Kind() livekit.TrackType
	// Source says where the track comes from, like a camera.
	Source() livekit.TrackSource
	// Muted says whether the publisher sends nothing for now.
	Muted() bool
	// MimeType is that of the codec, like "video/VP8"; empty if not yet known.
	MimeType() string
	// Info is all that the server says of the track. It is a copy.
	Info() *livekit.TrackInfo

	trackState() TrackState
}

// publication is what local and remote publications have in common.
type publication struct {
	room *Room // immutable

	info *livekit.TrackInfo // room.mu guards; replaced, not changed
}

func (p *publication) latest() *livekit.TrackInfo {
	p.room.mu.RLock()
	defer p.room.mu.RUnlock()
	return p.info
}

// SID implements Publication.
func (p *publication) SID() string { return p.latest().GetSid() }

// Name implements Publication.
func (p *publication) Name() string { return p.latest().GetName() }

// Kind implements Publication.
func (p *publication) Kind() livekit.TrackType { return p.latest().GetType() }

// Source implements Publication.
func (p *publication) Source() livekit.TrackSource { return p.latest().GetSource() }

// Muted implements Publication.
func (p *publication) Muted() bool { return p.latest().GetMuted() }

// MimeType implements Publication.
func (p *publication) MimeType() string { return p.latest().GetMimeType() }

// Info implements Publication.
func (p *publication) Info() *livekit.TrackInfo { return proto.CloneOf(p.latest()) }

// RemotePublication is a track that somebody else publishes.
type RemotePublication struct {
	publication

	// immutable
	sid         string
	participant *RemoteParticipant

	// room.mu guards; the room's loop writes
	track     *RemoteTrack // nil while it is not received
	wanted    bool         // somebody, or auto-subscription, wants it
	forbidden bool         // by its publisher
	gone      bool         // it is not published any more
	stream    livekit.StreamState
	settings  *livekit.UpdateTrackSettings // nil if never set
}

// Participant is who publishes the track.
func (p *RemotePublication) Participant() *RemoteParticipant { return p.participant }

// Track is the track as it is received; nil while it is not subscribed.
func (p *RemotePublication) Track() *RemoteTrack {
	p.room.mu.RLock()
	defer p.room.mu.RUnlock()
	return p.track
}

// Subscribed says whether the track is received.
func (p *RemotePublication) Subscribed() bool { return p.Track() != nil }

// Allowed says whether its publisher lets the local participant subscribe.
func (p *RemotePublication) Allowed() bool {
	p.room.mu.RLock()
	defer p.room.mu.RUnlock()
	return !p.forbidden
}

// StreamState says whether the server has paused the track for want of bandwidth.
func (p *RemotePublication) StreamState() livekit.StreamState {
	p.room.mu.RLock()
	defer p.room.mu.RUnlock()
	return p.stream
}

// SetSubscribed asks for the track, or for it no more. TrackSubscribed or
// TrackUnsubscribed tell when it is so.
func (p *RemotePublication) SetSubscribed(ctx context.Context, wanted bool) error {
	return p.room.do(ctx, func() error {
		if p.gone {
			return ErrNotPublished
		}
		p.room.change(func() { p.wanted = wanted })
		p.room.request(&livekit.SignalRequest{Message: &livekit.SignalRequest_Subscription{
			Subscription: &livekit.UpdateSubscription{
				TrackSids: []string{p.sid}, Subscribe: wanted,
				ParticipantTracks: []*livekit.ParticipantTracks{{ParticipantSid: p.participant.info.GetSid(), TrackSids: []string{p.sid}}},
			},
		}})
		return nil
	})
}

// TrackSettings say how a subscribed track is to be sent.
type TrackSettings struct {
	// Disabled asks for nothing for now, while the subscription stays.
	Disabled bool
	// Quality is the best layer that is of use. Width and Height, if set, say it
	// in pixels instead.
	Quality       livekit.VideoQuality
	Width, Height uint32
	// FPS is the highest frame rate that is of use; 0 means any.
	FPS uint32
	// Priority tells which tracks get bandwidth first, 1 being the first; 0 leaves
	// it to the server.
	Priority uint32
}

// SetSettings says how the track is to be sent.
func (p *RemotePublication) SetSettings(ctx context.Context, s TrackSettings) error {
	return p.room.do(ctx, func() error {
		if p.gone {
			return ErrNotPublished
		}
		m := &livekit.UpdateTrackSettings{
			TrackSids: []string{p.sid}, Disabled: s.Disabled, Quality: s.Quality,
			Width: s.Width, Height: s.Height, Fps: s.FPS, Priority: s.Priority,
		}
		p.room.change(func() { p.settings = m })
		p.room.request(&livekit.SignalRequest{Message: &livekit.SignalRequest_TrackSetting{TrackSetting: m}})
		return nil
	})
}
