package client

import (
	"context"
	"iter"
	"maps"
	"slices"
	"time"

	"github.com/livekit/protocol/livekit"
	"google.golang.org/protobuf/proto"
)

// ConnectionState says how a room is connected.
type ConnectionState uint8

// The states: a room begins as Connecting and ends as StateDisconnected.
const (
	StateConnecting ConnectionState = iota
	StateConnected
	StateReconnecting
	StateDisconnected
)

// String returns the state's name.
func (s ConnectionState) String() string {
	switch s {
	case StateConnecting:
		return "connecting"
	case StateConnected:
		return "connected"
	case StateReconnecting:
		return "reconnecting"
	case StateDisconnected:
		return "disconnected"
	default:
		return "unknown"
	}
}

// State is a snapshot of a room: everything in it was so at one moment. Nothing
// changes a State after it was made, and those who get it share it: it must not
// be written to.
type State struct {
	Connection ConnectionState
	// Reason is set once the room is disconnected.
	Reason livekit.DisconnectReason

	SID, Name, Metadata string
	Recording           bool
	// NumParticipants is how many the server counts, this one and those that do
	// not show included; it may lag behind.
	NumParticipants int

	Local ParticipantState
	// Participants are the others, in the order of their joining.
	Participants []ParticipantState
	// Speakers are the identities of who speaks, the loudest first.
	Speakers []string
}

// Participant returns the state of the participant with the identity, the local
// one included.
func (s *State) Participant(identity string) (ParticipantState, bool) {
	if s.Local.Identity == identity {
		return s.Local, true
	}
	for _, p := range s.Participants {
		if p.Identity == identity {
			return p, true
		}
	}
	return ParticipantState{}, false
}

// ParticipantState is one participant in a State.
type ParticipantState struct {
	SID, Identity, Name, Metadata string
	Attributes                    map[string]string
	Kind                          livekit.ParticipantInfo_Kind
	Permissions                   *livekit.ParticipantPermission
	JoinedAt                      time.Time

	Speaking   bool
	AudioLevel float32
	Quality    livekit.ConnectionQuality

	Tracks []TrackState
}

// TrackState is one published track in a State.
type TrackState struct {
	SID, Name, MimeType string
	Kind                livekit.TrackType
	Source              livekit.TrackSource
	Muted, Simulcast    bool
	Width, Height       uint32

	// Wanted says that it is asked for, Subscribed that it is received, Allowed
	// that its publisher permits that. For local tracks, Subscribed says that
	// somebody receives it.
	Wanted, Subscribed, Allowed bool
	// Stream says whether the server has paused it for want of bandwidth.
	Stream livekit.StreamState
}

// State returns the newest snapshot. It makes one only if something has changed.
func (r *Room) State() *State {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.snapshot == nil {
		r.snapshot = r.takeSnapshot()
	}
	return r.snapshot
}

// takeSnapshot copies the state. The caller holds mu.
func (r *Room) takeSnapshot() *State {
	s := &State{
		Connection: r.connection, Reason: r.reason,
		SID: r.info.GetSid(), Name: r.info.GetName(), Metadata: r.info.GetMetadata(),
		Recording: r.info.GetActiveRecording(), NumParticipants: int(r.info.GetNumParticipants()),
		Local: r.local.state(),
	}
	for _, pub := range r.local.pubs {
		s.Local.Tracks = append(s.Local.Tracks, pub.trackState())
	}
	for _, p := range r.remotes {
		one := p.state()
		for _, pub := range p.pubs {
			one.Tracks = append(one.Tracks, pub.trackState())
		}
		s.Participants = append(s.Participants, one)
	}
	for _, p := range r.speakers {
		s.Speakers = append(s.Speakers, p.base().info.GetIdentity())
	}
	return s
}

// state is the participant without its tracks. The caller holds the room's mu.
func (p *participant) state() ParticipantState {
	return ParticipantState{
		SID: p.info.GetSid(), Identity: p.info.GetIdentity(), Name: p.info.GetName(), Metadata: p.info.GetMetadata(),
		Attributes: maps.Clone(p.info.GetAttributes()), Kind: p.info.GetKind(),
		Permissions: proto.CloneOf(p.info.GetPermission()), JoinedAt: joinedAt(p.info),
		Speaking: p.speaking, AudioLevel: p.level, Quality: p.quality,
	}
}

func (p *publication) state() TrackState {
	return TrackState{
		SID: p.info.GetSid(), Name: p.info.GetName(), MimeType: p.info.GetMimeType(),
		Kind: p.info.GetType(), Source: p.info.GetSource(),
		Muted: p.info.GetMuted(), Simulcast: p.info.GetSimulcast(), Width: p.info.GetWidth(), Height: p.info.GetHeight(),
	}
}

func (p *RemotePublication) trackState() TrackState {
	s := p.state()
	s.Wanted, s.Subscribed, s.Allowed, s.Stream = p.wanted, p.track != nil, !p.forbidden, p.stream
	return s
}

func (p *LocalPublication) trackState() TrackState {
	s := p.state()
	s.Wanted, s.Allowed, s.Subscribed = true, true, p.subscribed
	return s
}

// Observe returns a snapshot of the room now, and a new one after each change,
// until ctx ends or the room is disconnected; the last one says so. A slow
// observer misses what lay between, never the newest state.
func (r *Room) Observe(ctx context.Context) iter.Seq[*State] {
	return func(yield func(*State) bool) {
		for {
			changed := r.changed()
			s := r.State()
			if ctx.Err() != nil || !yield(s) || s.Connection == StateDisconnected {
				return
			}
			select {
			case <-changed:
			case <-ctx.Done():
				return
			}
		}
	}
}

// changed is closed at the next change.
func (r *Room) changed() <-chan struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.changec
}

// change changes the state that everybody can see. Loop only.
func (r *Room) change(fn func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	fn()
	r.snapshot = nil
	close(r.changec)
	r.changec = make(chan struct{})
}

// ordered returns speakers with the loudest first.
func ordered(speakers []Participant) []Participant {
	slices.SortStableFunc(speakers, func(a, b Participant) int {
		switch x, y := a.base().level, b.base().level; {
		case x > y:
			return -1
		case x < y:
			return 1
		default:
			return 0
		}
	})
	return speakers
}
