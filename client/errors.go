package client

import (
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/livekit/protocol/livekit"
)

var (
	// ErrUnauthorized is in the chain of a *ConnectError if the server does not
	// accept the token, or not for this room.
	ErrUnauthorized = errors.New("token not accepted")
	// ErrRoomNotFound is in the chain of a *ConnectError if the room does not
	// exist and the server does not make it.
	ErrRoomNotFound = errors.New("requested room does not exist")
	// ErrNotConnected is why something is refused in a room that the local
	// participant has left, or that it was removed from.
	ErrNotConnected = errors.New("not connected to a room")
	// ErrTimeout is why a request fails that the server does not answer.
	ErrTimeout = errors.New("no answer in time")
	// ErrNotAllowed is in the chain of a *RequestError that the participant's
	// permissions are the reason of.
	ErrNotAllowed = errors.New("not allowed")
	// ErrTooLarge is why data is refused that does not fit into one message.
	ErrTooLarge = errors.New("data too large for one message")
	// ErrNotPublished is why something is refused for a track that is not, or
	// no more, published.
	ErrNotPublished = errors.New("track not published")
	// ErrNoSuchParticipant is why something is refused for somebody who is not
	// in the room.
	ErrNoSuchParticipant = errors.New("no such participant")
	// ErrUnknownCodec is why no frames are made of a track's packets.
	ErrUnknownCodec = errors.New("no frames are made of packets of this codec")
	// ErrNotAServer is why Connect refuses a URL.
	ErrNotAServer = errors.New("not a URL of a server: it begins with ws://, wss://, http:// or https://")
	// ErrLayers is why several tracks are not published as one.
	ErrLayers = errors.New("several tracks: they must be the layers that one call of NewSimulcastTracks made")
	// ErrStreamClosed is why nothing more can be written to a data stream.
	ErrStreamClosed = errors.New("data stream is closed")
	// ErrStreamLost is what the reader of a data stream gets if its sender or
	// the room went away before its end, or a part of it is missing.
	ErrStreamLost = errors.New("data stream lost")
)

// ConnectError says why a room could not be joined.
type ConnectError struct {
	// Op is what was tried, like "dial".
	Op string
	// Status is the server's HTTP status; 0 if there was no answer.
	Status int
	// Message is what the server said with the status; it may be empty.
	Message string
	// Err is the reason.
	Err error
}

// Error implements error.
func (e *ConnectError) Error() string {
	if e.Status != 0 {
		return fmt.Sprintf("connect: %s: %d: %v", e.Op, e.Status, e.Err)
	}
	return fmt.Sprintf("connect: %s: %v", e.Op, e.Err)
}

// Unwrap returns the reason.
func (e *ConnectError) Unwrap() error { return e.Err }

// refused is the error for an answer of the server's that is no connection.
func refused(status int, body string) error {
	body = strings.TrimSpace(body)
	e := &ConnectError{Op: "dial", Status: status, Message: body}
	over := sessionOver(body)
	switch {
	case status == http.StatusForbidden && over != livekit.DisconnectReason_UNKNOWN_REASON:
		e.Err = &LeaveError{Reason: over}
		return e
	case status == http.StatusUnauthorized || status == http.StatusForbidden:
		e.Err = ErrUnauthorized
	case status == http.StatusNotFound && strings.Contains(body, ErrRoomNotFound.Error()):
		e.Err = ErrRoomNotFound
		return e
	default:
		e.Err = errors.New(strings.ToLower(http.StatusText(status)))
	}
	if body != "" {
		e.Err = fmt.Errorf("%w: %.200s", e.Err, body)
	}
	return e
}

// sessionOver is why the session is over that a client wants to resume, if a server
// says so that does not let it in: "session is over: ROOM_DELETED".
func sessionOver(body string) livekit.DisconnectReason {
	reason, _ := strings.CutPrefix(body, "session is over: ")
	return livekit.DisconnectReason(livekit.DisconnectReason_value[reason])
}

// LeaveError is why a join or a request failed: the server told the client to leave, or
// does not let it come back.
type LeaveError struct {
	// Reason is the server's.
	Reason livekit.DisconnectReason
}

// Error implements error.
func (e *LeaveError) Error() string { return "told to leave: " + e.Reason.String() }

// RequestError is the server's refusal of a request.
type RequestError struct {
	// Reason is the server's.
	Reason livekit.RequestResponse_Reason
	// Message is the server's explanation; it may be empty.
	Message string
}

// Error implements error.
func (e *RequestError) Error() string {
	if e.Message == "" {
		return "refused: " + e.Reason.String()
	}
	return "refused: " + e.Reason.String() + ": " + e.Message
}

// Is makes a refusal for want of permission an ErrNotAllowed.
func (e *RequestError) Is(target error) bool {
	return target == ErrNotAllowed && e.Reason == livekit.RequestResponse_NOT_ALLOWED
}
