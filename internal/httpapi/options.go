package httpapi

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"github.com/livekit/protocol/livekit"
	"google.golang.org/protobuf/proto"

	"github.com/rollcall-rtc/rollcall/event"
	"github.com/rollcall-rtc/rollcall/internal/delivery"
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
	// Consumers are the named readers of /events. Required.
	Consumers *Consumers
	// Endpoints and Deliveries are what is told of events, and where. Required.
	Endpoints  Endpoints
	Deliveries Deliveries
	// Signal serves /rtc and /rtc/validate. Required.
	Signal http.Handler
	// WHIP serves /w and /whip/v1, and what is below them. Nil: there is neither.
	WHIP http.Handler
	// Agents dispatches agents and serves /agent, where their workers connect. Required.
	Agents Agents
	// Egress records rooms. Required.
	Egress Egress
	// Ingress has streams come in as participants. Required.
	Ingress Ingress
	// Page serves browsers at /, /dashboard and below, and the files of the pages.
	// Nil: there are none.
	Page http.Handler
	// Docs serves the documentation at /docs and below. Nil: there is none.
	Docs http.Handler
	// Ready says why the server should get no new work: it drains, or its log
	// has failed or is full. Nil: it is always ready.
	Ready func() error
	// Alive is Ready without what a restart would not help. Nil: it is Ready.
	Alive func() error
	// Forgetter takes people out of past events. Required.
	Forgetter Forgetter
	// Figures are what /stats shows. Nil: /stats refuses.
	Figures *Figures
	// LogState is what GET /log shows. Nil: an empty log that keeps everything.
	LogState func() LogState
	// Draining is closed when event streams shall end. Nil: never.
	Draining <-chan struct{}
	// Login lets people with a password into the dashboard.
	Login Login
	// DevKey is the one of Keys with which /dev/token signs tokens for whoever
	// asks, and /dev/dashboard for who asks on this machine. Empty: neither exists.
	DevKey string
	// Metrics are at /metrics, for whom the handler lets in. Nil: they are not there.
	Metrics http.Handler
	// RequestsPerKey is how many requests a second to the Twirp services tokens of one
	// API key may make, and how many to all that is beside them; 0 is no limit.
	RequestsPerKey int
	// Guard lets requests for /agent through, if they do not come too often. Nil: all.
	Guard func(http.Handler) http.Handler
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
	RemoveParticipant(ctx context.Context, room, identity string, revoked time.Time) error
	MoveParticipant(ctx context.Context, req *livekit.MoveParticipantRequest) error
	ForwardParticipant(ctx context.Context, req *livekit.ForwardParticipantRequest) error
	PerformRPC(ctx context.Context, req *livekit.PerformRpcRequest) (string, error)
	MuteTrack(ctx context.Context, room, identity, trackSID string, muted bool) (*livekit.TrackInfo, error)
	UpdateParticipant(ctx context.Context, req *livekit.UpdateParticipantRequest) (*livekit.ParticipantInfo, error)
	UpdateSubscriptions(ctx context.Context, req *livekit.UpdateSubscriptionsRequest) error
}

// Agents brings agents into rooms. Errors are as in Rooms.
type Agents interface {
	http.Handler
	CreateDispatch(ctx context.Context, req *livekit.CreateAgentDispatchRequest) (*livekit.AgentDispatch, error)
	DeleteDispatch(ctx context.Context, req *livekit.DeleteAgentDispatchRequest) (*livekit.AgentDispatch, error)
	ListDispatch(ctx context.Context, req *livekit.ListAgentDispatchRequest) (*livekit.ListAgentDispatchResponse, error)
}

// Egress records rooms. Errors are as in Rooms.
type Egress interface {
	// Start takes a request of any of the calls that start an egress.
	Start(ctx context.Context, key string, req proto.Message) (*livekit.EgressInfo, error)
	UpdateLayout(ctx context.Context, req *livekit.UpdateLayoutRequest) (*livekit.EgressInfo, error)
	UpdateStream(ctx context.Context, req *livekit.UpdateStreamRequest) (*livekit.EgressInfo, error)
	List(ctx context.Context, req *livekit.ListEgressRequest) (*livekit.ListEgressResponse, error)
	Stop(ctx context.Context, id string) (*livekit.EgressInfo, error)
	// Capabilities is what GET /capabilities answers, as JSON.
	Capabilities(ctx context.Context) any
	// File is the path of the n-th file of a recording, from 0, if it is here.
	File(id string, n int) (path string, err error)
}

// Ingress has streams come in as participants. Errors are as in Rooms.
type Ingress interface {
	Create(ctx context.Context, origin string, req *livekit.CreateIngressRequest) (*livekit.IngressInfo, error)
	Update(ctx context.Context, req *livekit.UpdateIngressRequest) (*livekit.IngressInfo, error)
	List(ctx context.Context, req *livekit.ListIngressRequest) (*livekit.ListIngressResponse, error)
	Delete(ctx context.Context, id string) (*livekit.IngressInfo, error)
}

// Log is the event log as its readers see it: committed records only.
type Log interface {
	// Read returns up to limit records with Seq > after, in order.
	Read(ctx context.Context, after uint64, limit int) ([]event.Record, error)
	// ReadRoom is Read for the records of the rooms called room.
	ReadRoom(ctx context.Context, room string, after uint64, limit int) ([]event.Record, error)
	// Wait returns nil once there is a record with Seq > after.
	Wait(ctx context.Context, after uint64) error
	// First returns the lowest Seq that Read can return; what is below it is
	// not kept any more.
	First() uint64
	// Last returns the highest Seq that Read can return.
	Last() uint64
	// ByID returns the record with that id, delivery.ErrUnknownEvent if there is
	// none.
	ByID(ctx context.Context, id string) (event.Record, error)
	// At returns the Seq of the first event that is no older than t, one above Last
	// if there is none.
	At(ctx context.Context, t time.Time) (uint64, error)
	// Session returns the room session of that sid, if the log knows it.
	Session(ctx context.Context, sid string) (s event.Session, known bool, err error)
	// Sessions returns at most limit of the room sessions that match and began
	// before the event before, or all for 0, the newest first. It looks at a
	// bounded number: cursor is the next before, done says that there are no more.
	Sessions(ctx context.Context, before uint64, limit int, match func(*event.Session) bool) (found []event.Session, cursor uint64, done bool, err error)
}

// Forgetter takes the personal data of a participant out of the events of a room,
// or of all when room is empty, and out of what is known of their deliveries.
type Forgetter interface {
	Forget(ctx context.Context, identity, room string) (pseudonym string, events int, err error)
}

// Store keeps small values. Put and Delete return when that is durable.
type Store interface {
	LoadCursors(prefix string) (map[string][]byte, error)
	Put(ctx context.Context, key string, value []byte) error
	Delete(ctx context.Context, key string) error
}

// Endpoints are where events are delivered. Its errors are delivery's.
type Endpoints interface {
	Put(ctx context.Context, ep delivery.Endpoint) (delivery.Endpoint, error)
	Delete(ctx context.Context, id string) error
	Endpoint(id string) (delivery.Endpoint, error)
	Endpoints() []delivery.Endpoint
	Stats() []delivery.EndpointStats
	Pause(ctx context.Context, id string) error
	Resume(ctx context.Context, id string) error
	PutRoom(ctx context.Context, room string, hooks []delivery.Endpoint) ([]delivery.Endpoint, error)
	Bind(ctx context.Context, id, session string) (delivery.Endpoint, error)
	Drop(ctx context.Context, endpoints []delivery.Endpoint) error
	RotateSecret(ctx context.Context, id string, overlap time.Duration) (delivery.Endpoint, error)
}

// Deliveries are what became of events at the endpoints, and the ways to have
// them sent again. Its errors are delivery's.
type Deliveries interface {
	Why(ctx context.Context, seq uint64) (delivery.Explanation, error)
	Test(ctx context.Context, endpoint string) (delivery.Attempt, error)
	Attempts(ctx context.Context, endpoint string, limit int) ([]delivery.Attempt, error)
	Redeliver(ctx context.Context, endpoint string, seq uint64) (delivery.Attempt, error)
	Lanes(ctx context.Context, endpoint string, limit int) ([]delivery.LaneStats, error)
	DeadLetters(ctx context.Context, endpoint string, after uint64, limit int) ([]delivery.DeadLetter, error)
	Redrive(ctx context.Context, endpoint string, seqs ...uint64) (int, error)
	Dismiss(ctx context.Context, endpoint string, seqs ...uint64) (int, error)
	Recover(ctx context.Context, r delivery.RecoverRequest) (id string, err error)
	Recovery(id string) (delivery.Recovery, error)
	Recoveries() []delivery.Recovery
	CancelRecovery(ctx context.Context, id string) error
}
