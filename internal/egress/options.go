package egress

import (
	"context"
	"log/slog"
	"net"
	"net/netip"
	"time"

	"github.com/livekit/protocol/livekit"

	"github.com/rollcall-rtc/rollcall/event"
	"github.com/rollcall-rtc/rollcall/internal/delivery"
	"github.com/rollcall-rtc/rollcall/internal/egress/storage"
	"github.com/rollcall-rtc/rollcall/internal/egress/wire"
	"github.com/rollcall-rtc/rollcall/internal/room"
)

// Rooms tells of tracks, and gives out copies of them; *room.Registry does.
type Rooms interface {
	Watch(ctx context.Context, room string, tell func(room.Change)) (*room.Watch, error)
	Observe(ctx context.Context, room string, tell func(room.Change)) (*room.Watch, error)
	Tap(ctx context.Context, room, trackSID string, onEnd func()) (*room.Tap, error)
}

// Log takes the events of jobs, and keeps the jobs; *eventlog.Log does.
type Log interface {
	// Append puts events into the log and returns the place of the last.
	Append(events ...event.Event) uint64
	// Last is the highest place that can be read.
	Last() uint64
	// First is the lowest place that can be read, and Read returns up to limit records
	// with a higher place than after, in order.
	First() uint64
	Read(ctx context.Context, after uint64, limit int) ([]event.Record, error)
	// ReadRoom returns up to limit records of the rooms of that name with a higher
	// place than after, in order.
	ReadRoom(ctx context.Context, room string, after uint64, limit int) ([]event.Record, error)
	// Sync returns when that place is durable.
	Sync(ctx context.Context, seq uint64) error
	// SaveCursors keeps small values: what is saved before an Append is durable no
	// later than its events.
	SaveCursors(puts map[string][]byte, deletes []string)
	LoadCursors(prefix string) (map[string][]byte, error)
}

// Hooks tell the webhooks that a request asks for; *delivery.Engine does.
type Hooks interface {
	PutEgress(ctx context.Context, egressID, defaultKey string, hooks []*livekit.WebhookConfig) ([]delivery.Endpoint, error)
	// DropEgress ends those of an egress, with what they have not been told.
	DropEgress(ctx context.Context, egressID string) error
}

// Options configure a Service. What stands before Storage is required.
type Options struct {
	Rooms Rooms
	Log   Log
	Hooks Hooks
	// Directory is where files go. Paths in requests are below it.
	Directory string
	// Worker is the command that runs a worker, unless that of its kind says another.
	Worker []string
	// Workers are the kinds that there are.
	Workers map[wire.Kind]Worker
	Logger  *slog.Logger

	// Storage is where files go of requests that name no store; nil leaves them in the
	// directory. Backup is for when a store takes nothing; nil is the directory.
	Storage, Backup *storage.Target
	// Patience is how long the end of a job waits for a store; see package upload.
	Patience time.Duration
	// Dial dials what a request names, and CheckAddress says why it would not dial an
	// address.
	Dial         func(ctx context.Context, network, address string) (net.Conn, error)
	CheckAddress func(netip.Addr) error
	// PartSize is that of the pieces of large uploads, in bytes; 0 is the default.
	PartSize int64
	// Limits bound jobs.
	Limits Limits
}
