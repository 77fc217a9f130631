package event

import (
	"time"

	"github.com/livekit/protocol/livekit"
)

// Actor is who caused an event.
type Actor string

// The actors.
const (
	ActorClient Actor = "client" // the participant itself, by asking or by leaving
	ActorServer Actor = "server" // a timeout, a limit, a stop
	ActorAPI    Actor = "api"    // a call of the server API
	ActorCrash  Actor = "crash"  // concluded after a crash
)

// Event is one thing that happened, as its owner reports it.
//
// The messages are immutable snapshots taken when it happened: whoever reports
// an event never changes them afterwards, and the log reads them later on its
// own goroutine.
type Event struct {
	Name Name
	// Time is when it happened; the log keeps microseconds.
	Time time.Time
	// Room is set on every event of a room; for egress and ingress it may hold
	// sid and name only.
	Room *livekit.Room
	// Tags are those that the room was given when it was made; nil for none.
	// Immutable.
	Tags map[string]string
	// Participant is set with ScopeParticipant and ScopeTrack.
	Participant *livekit.ParticipantInfo
	// Track is set with ScopeTrack.
	Track *livekit.TrackInfo
	// Egress is set with ScopeEgress.
	Egress *livekit.EgressInfo
	// Ingress is set with ScopeIngress.
	Ingress *livekit.IngressInfo
	// Job is set with ScopeJob.
	Job *livekit.Job
	// RoomEndReason is set with RoomFinished.
	RoomEndReason livekit.RoomEndReason
	// Actor is who caused it; empty means the client.
	Actor Actor
	// Reason is why, in a word or two, where the messages do not say it:
	// "client_initiated", "departure_timeout".
	Reason string
	// Detail is what an event beyond LiveKit's adds to its body, of the type
	// that the catalogue names; nil otherwise. Immutable.
	Detail any
	// Synthesized says that the server did not see this happen but concludes
	// it: after a crash, for what the log left open.
	Synthesized bool
}

// Record is an event with its place in the log.
type Record struct {
	// Seq is the place in the whole log: from 1, without gaps.
	Seq uint64
	// RoomSeq is the place in the room session RoomSID: room_started is 1,
	// without gaps. It is 0 for an event of no room.
	RoomSeq uint64
	// ID is a UUID, version 7 (RFC 9562 §5.7): the webhook's "id", the same on
	// every delivery.
	ID   string
	Name Name
	// Room is the room's name. Events of one name are delivered in order,
	// across sessions.
	Room    string
	RoomSID string
	// ParticipantSID, Identity and TrackSID are set as far as the scope goes.
	ParticipantSID string
	Identity       string
	TrackSID       string
	// Time is when it happened, in microseconds, UTC.
	Time time.Time
	// Committed is when the log wrote it, in microseconds, UTC. With a clock that
	// was set back it can be before that of an earlier record.
	Committed time.Time
	// Synthesized, Actor and Reason are as in Event.
	Synthesized bool
	Actor       Actor
	Reason      string
	// Tags are those of the room; nil for none. Immutable.
	Tags map[string]string
	// Body is the webhook's JSON, frozen when the event was appended: exactly
	// the bytes that are signed and sent.
	Body []byte
	// FullBody is the Body of a track event with the whole room and participant,
	// for endpoints that ask for it; nil on all others.
	FullBody []byte
}
