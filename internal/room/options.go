package room

import (
	"context"
	"log/slog"
	"time"

	"github.com/livekit/protocol/livekit"

	"github.com/rollcall-rtc/rollcall/event"
)

// Options is what rooms need from outside. Zero fields get the defaults named.
type Options struct {
	// Publish appends events to the log in call order and returns the place of
	// the last one. It must not wait for the disk, nor keep the slice. Required.
	Publish func(events ...event.Event) uint64
	// Commit is called soon after Publish, when the room has done what was more
	// urgent. Nil: what is published is committed in any case.
	Commit func()
	// CommitWithin is called in its place if what was published may wait so long for
	// others that are committed. Nil: Commit is.
	CommitWithin func(time.Duration)
	// Sync waits until the event at a place is durable. API calls that change a
	// room answer only after it. Nil: do not wait.
	Sync func(ctx context.Context, seq uint64) error
	// CheckEgress says why what the configuration of a new room has recorded cannot be,
	// and Egress begins it for a room that is made. nil refuses all.
	CheckEgress func(context.Context, *livekit.RoomEgress) error
	Egress      func(*livekit.Room, *livekit.RoomEgress)
	// Wants is told of the agents that a new room session was asked to have,
	// before its first event. It must not block. Nil: nobody dispatches agents.
	Wants func(sid string, agents []*livekit.RoomAgentDispatch)
	// Media makes peer connections. Required.
	Media Media
	// Defaults are the settings of a room that does not bring its own.
	Defaults Defaults
	// Presets are settings of rooms by the names that CreateRoom and tokens use.
	Presets map[string]*livekit.RoomConfiguration
	// Kept keeps revocations of tokens. Nil: they end with this run.
	Kept Kept
	// Limits bounds what clients may send.
	Limits Limits
	// JoinTimeout is how long an accepted client may take to bring up its
	// transport. Default 60 s.
	JoinTimeout time.Duration
	// ResumeTimeout is how long a participant whose transport failed may take to
	// resume. Default 5 s.
	ResumeTimeout time.Duration
	// ServerInfo is what clients are told of the server. Required.
	ServerInfo *livekit.ServerInfo
	// ICEServers are handed to clients; empty is fine.
	ICEServers []*livekit.ICEServer
	// Relay is the server's own; nil if there is none.
	Relay  Relay
	Logger *slog.Logger

	census *census // set by withDefaults
}

// Defaults are the settings of rooms.
type Defaults struct {
	// NoAutoCreate refuses a join into a room that CreateRoom has not made.
	NoAutoCreate bool
	// EmptyTimeout closes a room that nobody ever joined. Default 300 s.
	EmptyTimeout time.Duration
	// DepartureTimeout closes a room after the last participant left. Default 20 s.
	DepartureTimeout time.Duration
	// MaxParticipants of a room; 0 is no limit.
	MaxParticipants uint32
	// RejectDuplicates refuses a join while the identity is in the room and
	// connected, in place of having the new session replace the old one.
	RejectDuplicates bool
	// SyncStreams has what belongs together (camera and microphone) played in step.
	SyncStreams bool
	// PlayoutDelay is how long clients should wait, at least and at most, before
	// they show a frame of video; zeros leave that to them.
	PlayoutDelay [2]time.Duration
	// KeepVideo does not pause video that a connection does not carry, unless the
	// client says that it may be.
	KeepVideo bool
	// PlainOpus adds no redundancy to Opus that comes without, for those who take it.
	PlainOpus bool
	// RemoteUnmute allows MutePublishedTrack to unmute.
	RemoteUnmute bool
	// Codecs are the MIME types that clients may publish. Default: all supported.
	Codecs []string
}

// Limits are sizes in bytes, unless named otherwise; 0 takes the default.
type Limits struct {
	MaxMetadata   int // default 512 KiB
	MaxAttributes int // default 64 KiB, keys and values together
	MaxRoomName   int // default 256
	MaxIdentity   int // default 256
	MaxName       int // names of participants and tracks; default 256
	MaxTracks     int // tracks of one participant, published and pending; default 50
}

// DefaultCodecs are the MIME types that Rollcall forwards, in the order in which
// clients are told of them: the first video codec is their fallback.
func DefaultCodecs() []string {
	return []string{"video/VP8", "video/H264", "video/VP9", "video/AV1", "video/H265", "audio/opus", "audio/red", "audio/PCMU", "audio/PCMA"}
}

func (o Options) withDefaults() Options {
	if o.JoinTimeout == 0 {
		o.JoinTimeout = 60 * time.Second
	}
	if o.ResumeTimeout == 0 {
		o.ResumeTimeout = 5 * time.Second
	}
	if o.Defaults.EmptyTimeout == 0 {
		o.Defaults.EmptyTimeout = 300 * time.Second
	}
	if o.Defaults.DepartureTimeout == 0 {
		o.Defaults.DepartureTimeout = 20 * time.Second
	}
	if len(o.Defaults.Codecs) == 0 {
		o.Defaults.Codecs = DefaultCodecs()
	}
	if o.Limits.MaxMetadata == 0 {
		o.Limits.MaxMetadata = 512 << 10
	}
	if o.Limits.MaxAttributes == 0 {
		o.Limits.MaxAttributes = 64 << 10
	}
	if o.Limits.MaxRoomName == 0 {
		o.Limits.MaxRoomName = 256
	}
	if o.Limits.MaxIdentity == 0 {
		o.Limits.MaxIdentity = 256
	}
	if o.Limits.MaxName == 0 {
		o.Limits.MaxName = 256
	}
	if o.Limits.MaxTracks == 0 {
		o.Limits.MaxTracks = 50
	}
	o.census = newCensus()
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o
}
