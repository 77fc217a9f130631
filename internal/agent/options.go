package agent

import (
	"context"
	"log/slog"
	"time"

	"github.com/livekit/protocol/livekit"

	"github.com/rollcall-rtc/rollcall/event"
	"github.com/rollcall-rtc/rollcall/internal/token"
)

// Log is the event log as the dispatcher uses it.
type Log interface {
	Append(events ...event.Event) uint64
	Read(ctx context.Context, after uint64, limit int) ([]event.Record, error)
	// ReadRoom is Read for the rooms of that name.
	ReadRoom(ctx context.Context, room string, after uint64, limit int) ([]event.Record, error)
	Wait(ctx context.Context, after uint64) error
	Last() uint64
	// SaveCursors keeps small values: what is saved before an Append is durable
	// no later than its events, what is saved after it no earlier.
	SaveCursors(puts map[string][]byte, deletes []string)
	LoadCursors(prefix string) (map[string][]byte, error)
}

// Rooms is what the dispatcher asks of rooms.
type Rooms interface {
	// Create makes the room, or returns the one that is there.
	Create(ctx context.Context, req *livekit.CreateRoomRequest) (*livekit.Room, error)
	List(ctx context.Context, names []string) ([]*livekit.Room, error)
	ListParticipants(ctx context.Context, room string) ([]*livekit.ParticipantInfo, error)
}

// Options configure a Dispatcher. Log, Rooms and Keys are required.
type Options struct {
	Log   Log
	Rooms Rooms
	// Keys verify the tokens of workers and sign those of agents.
	Keys token.Keys
	// AutoCreate lets a dispatch make the room that it names.
	AutoCreate bool
	// ServerInfo is what workers are told of the server.
	ServerInfo *livekit.ServerInfo
	// MaxMetadata bounds a dispatch's metadata, and its attributes, in bytes.
	// Default 64 KiB.
	MaxMetadata int
	Logger      *slog.Logger
}

func (o Options) withDefaults() Options {
	if o.MaxMetadata == 0 {
		o.MaxMetadata = 64 << 10
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o
}

const (
	// offerTimeout is how long a worker may take to say whether it takes a job.
	// It waits 7.5 s itself for the assignment.
	offerTimeout = 7 * time.Second
	// askAgain is when workers that declined a job are asked once more.
	askAgain = 5 * time.Second
	// adoptTimeout is how long a job whose worker's connection broke waits for
	// the worker to come back and claim it.
	adoptTimeout = 30 * time.Second
	// rejoinTimeout is how long a job whose agent left its room, or whose room is
	// over, has to report its end before it is terminated; terminateTimeout is
	// how long it then has before it counts as ended.
	rejoinTimeout    = 15 * time.Second
	terminateTimeout = 15 * time.Second
	// maxAttempts is how often a job is given to workers that vanish.
	maxAttempts = 5
	// tokenValidity is how long an agent may take to join; then it is refreshed.
	tokenValidity = time.Hour
)
