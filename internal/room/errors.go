package room

import "fmt"

// Code says what kind of refusal an Error is, in Twirp's words.
type Code string

// The codes in use; the HTTP edge maps them to statuses.
const (
	NotFound           Code = "not_found"
	InvalidArgument    Code = "invalid_argument"
	FailedPrecondition Code = "failed_precondition"
	PermissionDenied   Code = "permission_denied"
	ResourceExhausted  Code = "resource_exhausted"
	Unavailable        Code = "unavailable"
	Internal           Code = "internal"
	DeadlineExceeded   Code = "deadline_exceeded"
	Unimplemented      Code = "unimplemented"
	Aborted            Code = "aborted"
	AlreadyExists      Code = "already_exists"
)

// Error is a refusal that the caller can act on.
type Error struct {
	Code Code
	Msg  string
}

// Error returns the message.
func (e *Error) Error() string { return e.Msg }

// ErrorCode returns the code as Twirp spells it.
func (e *Error) ErrorCode() string { return string(e.Code) }

// The refusals that callers compare with errors.Is. The texts of the first two
// are the wire's: SDKs look for them.
var (
	ErrRoomNotFound        = &Error{NotFound, "requested room does not exist"}
	ErrParticipantNotFound = &Error{NotFound, "participant does not exist"}
	ErrTrackNotFound       = &Error{NotFound, "track does not exist"}
	ErrRemoteUnmute        = &Error{FailedPrecondition, "remote unmute not enabled"}
	ErrRoomFull            = &Error{ResourceExhausted, "room has reached its max_participants"}
	ErrForwarded           = &Error{FailedPrecondition, "participant is forwarded from another room: this has to be done there"}
	ErrDuplicateIdentity   = &Error{AlreadyExists, "a participant of this identity is in the room already"}
	ErrTokenRevoked        = &Error{PermissionDenied, "token was revoked when the participant was removed"}
	ErrStopping            = &Error{Unavailable, "server is stopping, try again later"}
)

// errClosed says that the room session ended before the turn ran; the registry
// answers it by looking for the next session or with ErrRoomNotFound.
var errClosed = &Error{NotFound, "room is closed"}

func invalid(format string, args ...any) error {
	return &Error{InvalidArgument, fmt.Sprintf(format, args...)}
}
