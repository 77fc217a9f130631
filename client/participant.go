package client

import (
	"maps"
	"slices"
	"time"

	"github.com/livekit/protocol/livekit"
	"google.golang.org/protobuf/proto"

	"github.com/rollcall-rtc/rollcall/event"
)

// Participant is somebody in a room: a *LocalParticipant or a *RemoteParticipant.
// What it returns is the newest state; after somebody left, it is the last one.
type Participant interface {
	Source
	// SID identifies the participant's session; it changes with a full reconnect.
	SID() string
	// Identity is what the participant's token says; unique in a room.
	Identity() string
	// Name is what people see.
	Name() string
	// Metadata is the application's.
	Metadata() string
	// Attributes are the application's. The map is a copy.
	Attributes() map[string]string
	// Kind says whether it is a person, an agent, or something else.
	Kind() livekit.ParticipantInfo_Kind
	// Permissions are what the participant may do. They are a copy.
	Permissions() *livekit.ParticipantPermission
	// JoinedAt is when the participant joined.
	JoinedAt() time.Time
	// Speaking says whether the participant speaks now.
	Speaking() bool
	// AudioLevel is how loud the participant speaks, from 0 to 1.
	AudioLevel() float32
	// Quality is how good the participant's connection is; excellent until the
	// server says something else.
	Quality() livekit.ConnectionQuality
	// Publications are the participant's tracks, in the order of their coming.
	Publications() []Publication

	base() *participant
}

// participant is what local and remote participants have in common.
type participant struct {
	handlers

	room *Room // immutable

	// room.mu guards; the room's loop writes
	info     *livekit.ParticipantInfo // replaced, not changed; may be shared
	speaking bool
	level    float32
	quality  livekit.ConnectionQuality
	rated    bool // the server has said something of the quality
}

func (p *participant) base() *participant { return p }

func (p *participant) tells(v event.View) bool { return v.Participant }

// latest returns the participant's description, which must not be changed.
func (p *participant) latest() *livekit.ParticipantInfo {
	p.room.mu.RLock()
	defer p.room.mu.RUnlock()
	return p.info
}

// SID implements Participant.
func (p *participant) SID() string { return p.latest().GetSid() }

// Identity implements Participant.
func (p *participant) Identity() string { return p.latest().GetIdentity() }

// Name implements Participant.
func (p *participant) Name() string { return p.latest().GetName() }

// Metadata implements Participant.
func (p *participant) Metadata() string { return p.latest().GetMetadata() }

// Attributes implements Participant.
func (p *participant) Attributes() map[string]string { return maps.Clone(p.latest().GetAttributes()) }

// Kind implements Participant.
func (p *participant) Kind() livekit.ParticipantInfo_Kind { return p.latest().GetKind() }

// Permissions implements Participant.
func (p *participant) Permissions() *livekit.ParticipantPermission {
	return proto.CloneOf(p.latest().GetPermission())
}

// JoinedAt implements Participant.
func (p *participant) JoinedAt() time.Time { return joinedAt(p.latest()) }

// Speaking implements Participant.
func (p *participant) Speaking() bool {
	p.room.mu.RLock()
	defer p.room.mu.RUnlock()
	return p.speaking
}

// AudioLevel implements Participant.
func (p *participant) AudioLevel() float32 {
	p.room.mu.RLock()
	defer p.room.mu.RUnlock()
	return p.level
}

// Quality implements Participant.
func (p *participant) Quality() livekit.ConnectionQuality {
	p.room.mu.RLock()
	defer p.room.mu.RUnlock()
	return p.quality
}

func joinedAt(info *livekit.ParticipantInfo) time.Time {
	switch {
	case info.GetJoinedAtMs() != 0:
		return time.UnixMilli(info.GetJoinedAtMs())
	case info.GetJoinedAt() != 0:
		return time.Unix(info.GetJoinedAt(), 0)
	default:
		return time.Time{}
	}
}

// RemoteParticipant is somebody else in the room.
type RemoteParticipant struct {
	participant

	pubs []*RemotePublication // room.mu guards; replaced, not changed
}

// Publications implements Participant.
func (p *RemoteParticipant) Publications() []Publication {
	var all []Publication
	for _, pub := range p.Tracks() {
		all = append(all, pub)
	}
	return all
}

// Tracks are the participant's tracks, in the order of their coming.
func (p *RemoteParticipant) Tracks() []*RemotePublication {
	p.room.mu.RLock()
	defer p.room.mu.RUnlock()
	return slices.Clone(p.pubs)
}

// Track returns the participant's first track of the source; nil if there is none.
func (p *RemoteParticipant) Track(source livekit.TrackSource) *RemotePublication {
	for _, pub := range p.Tracks() {
		if pub.Source() == source {
			return pub
		}
	}
	return nil
}

// find returns the publication with the sid; nil if there is none. Loop only.
func (p *RemoteParticipant) find(sid string) *RemotePublication {
	for _, pub := range p.pubs {
		if pub.sid == sid {
			return pub
		}
	}
	return nil
}
