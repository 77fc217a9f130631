package ingress

import (
	"context"
	"log/slog"
	"time"

	"github.com/livekit/protocol/livekit"

	"github.com/rollcall-rtc/rollcall/event"
	"github.com/rollcall-rtc/rollcall/internal/room"
)

// Rooms is where sessions publish; *room.Registry does.
type Rooms interface {
	Inject(ctx context.Context, req *room.Join, h room.InjectionHandler) (*room.Injection, error)
}

// Log takes the events of sessions, and keeps the endpoints; *eventlog.Log does.
type Log interface {
	// Append puts events into the log and returns the place of the last.
	Append(events ...event.Event) uint64
	// Last is the highest place that can be read.
	Last() uint64
	// ReadRoom returns up to limit records of the rooms of that name with a higher
	// place than after, in order.
	ReadRoom(ctx context.Context, room string, after uint64, limit int) ([]event.Record, error)
	// Sync returns when that place is durable.
	Sync(ctx context.Context, seq uint64) error
	// SaveCursors keeps small values: what is saved before an Append is durable no
	// later than its events.
	SaveCursors(puts map[string][]byte, deletes []string)
	// FlushCursors returns when what was saved is durable.
	FlushCursors(ctx context.Context) error
	LoadCursors(prefix string) (map[string][]byte, error)
}

// Options configure a Service. Rooms, Log and Logger are required.
type Options struct {
	Rooms  Rooms
	Log    Log
	Logger *slog.Logger
	// URL is what encoders are pointed to, for an input and the origin at which the
	// caller has found this server: "https://rooms.example.com". Empty: that input is
	// not served, and its endpoints are refused. Nil: none is.
	URL func(input livekit.IngressInput, origin string) string
	// Pull fetches from the URL of the session's Info and publishes it, until its end
	// (nil) or ctx's. Its error is shown to people. CheckURL says beforehand what is
	// wrong with a URL. Nil: endpoints of URLs are refused.
	Pull     func(ctx context.Context, s *Session) error
	CheckURL func(url string) error
	// CheckVideo says what this server has not that encoding takes, for what is asked of
	// video; nil: nothing.
	CheckVideo func(ctx context.Context, o *livekit.IngressVideoOptions) error
	// Behind is what browsers are asked to bring pictures behind by, at least, where sound
	// that belongs to them is encoded anew; 0: nothing.
	Behind time.Duration
	// Limits of endpoints; 0 takes the default.
	MaxEndpoints int // default 10,000
}
