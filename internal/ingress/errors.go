package ingress

import "fmt"

// Code is an error's, as Twirp spells it.
type Code string

// The codes in use.
const (
	InvalidArgument    Code = "invalid_argument"
	NotFound           Code = "not_found"
	FailedPrecondition Code = "failed_precondition"
	PermissionDenied   Code = "permission_denied"
	Unauthenticated    Code = "unauthenticated"
	ResourceExhausted  Code = "resource_exhausted"
	AlreadyExists      Code = "already_exists"
	Unimplemented      Code = "unimplemented"
	Unavailable        Code = "unavailable"
)

// Error is a refusal, in words that a caller may see.
type Error struct {
	Code Code
	Msg  string
}

// Error returns the message.
func (e *Error) Error() string { return e.Msg }

// ErrorCode returns the code as Twirp spells it.
func (e *Error) ErrorCode() string { return string(e.Code) }

func refuse(code Code, format string, args ...any) error {
	return &Error{code, fmt.Sprintf(format, args...)}
}

// The refusals of Admit, and the causes for which sessions end that inputs may want
// to tell apart with errors.Is.
var (
	ErrUnknownKey  = &Error{Unauthenticated, "there is no ingress with this stream key"}
	ErrTooManyKeys = &Error{ResourceExhausted, "too many wrong stream keys from this address, try again later"}
	ErrWrongInput  = &Error{FailedPrecondition, "the ingress with this stream key is for another protocol"}
	ErrDisabled    = &Error{PermissionDenied, "the ingress is disabled"}
	ErrLive        = &Error{AlreadyExists, "the ingress is live: another connection sends to it"}
	ErrNoRoom      = &Error{FailedPrecondition, "the ingress has no room name yet"}
	ErrStopping    = &Error{Unavailable, "server is stopping, try again later"}

	ErrReplaced = &Error{FailedPrecondition, "replaced by a newer connection, after this one had been silent"}
	ErrDeleted  = &Error{FailedPrecondition, "the ingress was deleted"}
	ErrEnded    = &Error{FailedPrecondition, "the session is over"}

	// ErrRoomDeleted and ErrRemoved are what somebody has done by the API. The source
	// has not failed.
	ErrRoomDeleted = &Error{FailedPrecondition, "the room was deleted"}
	ErrRemoved     = &Error{FailedPrecondition, "the participant was removed from the room"}
	// ErrDuplicate is what another participant has done.
	ErrDuplicate = &Error{FailedPrecondition, "another participant of the same identity has joined the room"}
)

// errNotFound is the refusal of an id that is not there; its text is the wire's.
var errNotFound = &Error{NotFound, "ingress does not exist"}
