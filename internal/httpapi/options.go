package httpapi

import (
	"context"
	"log/slog"
	"net/http"

	"github.com/livekit/protocol/livekit"

	"github.com/rollcall-rtc/rollcall/event"
	"github.com/rollcall-rtc/rollcall/internal/token"
)

// Options is what the HTTP edge needs from outside.
type Options struct {
	// Keys verify access tokens. Required.
	Keys token.Keys
	// Rooms and Participants carry out RoomService. Required.
	Rooms        Rooms
	Participants Participants
	// Log is what /events reads. Required.
	Log Log
	// Signal serves /rtc and /rtc/validate. Required.
	Signal http.Handler
	// Page serves browsers at / and the files of the page. Nil: there is no page.
	Page http.Handler
	// Ready says why the server should get no new work: it drains, or its log
	// has failed. Nil: it is always ready.
	Ready func() error
	// Draining is closed when event streams shall end. Nil: never.
	Draining <-chan struct{}
	// DevKey is the one of Keys with which /dev/token signs tokens for whoever
	// asks. Empty: /dev/token does not exist.
	DevKey string
	// Debug serves /debug/pprof/ and /debug/stats to this machine.
	Debug bool
	// Stats is what /debug/stats shows of the server, as JSON. May be nil.
	Stats  func() any
	Logger *slog.Logger
}

// Rooms is what RoomService does to rooms. An error that has a method
// ErrorCode() string, with a Twirp code for a result, is a refusal whose text
// the caller may see; any other is an internal error.
type Rooms interface {
	Create(ctx context.Context, req *livekit.CreateRoomRequest) (*livekit.Room, error)
	// List returns the rooms called one of names, or all if there are none.
	List(ctx context.Context, names []string) ([]*livekit.Room, error)
	Delete(ctx context.Context, name string) error
	UpdateRoomMetadata(ctx context.Context, name, metadata string) (*livekit.Room, error)
	SendData(ctx context.Context, req *livekit.SendDataRequest) error
}

// Participants is what RoomService does to the participants of a room. Errors
// are as in Rooms.
type Participants interface {
	ListParticipants(ctx context.Context, room string) ([]*livekit.ParticipantInfo, error)
	Participant(ctx context.Context, room, identity string) (*livekit.ParticipantInfo, error)
	RemoveParticipant(ctx context.Context, room, identity string) error
	MuteTrack(ctx context.Context, room, identity, trackSID string, muted bool) (*livekit.TrackInfo, error)
	UpdateParticipant(ctx context.Context, req *livekit.UpdateParticipantRequest) (*livekit.ParticipantInfo, error)
	UpdateSubscriptions(ctx context.Context, req *livekit.UpdateSubscriptionsRequest) error
}

// Log is the event log as its readers see it: committed records only.
type Log interface {
	// Read returns up to limit records with Seq > after, in order.
	Read(ctx context.Context, after uint64, limit int) ([]event.Record, error)
	// ReadRoom is Read for the records of the rooms called room.
	ReadRoom(ctx context.Context, room string, after uint64, limit int) ([]event.Record, error)
	// Wait returns nil once there is a record with Seq > after.
	Wait(ctx context.Context, after uint64) error
	// Last returns the highest Seq that Read can return.
	Last() uint64
}
