package egress

import "fmt"

// Code is an error's, as Twirp spells it.
type Code string

// The codes in use.
const (
	InvalidArgument    Code = "invalid_argument"
	NotFound           Code = "not_found"
	FailedPrecondition Code = "failed_precondition"
	ResourceExhausted  Code = "resource_exhausted"
	Unimplemented      Code = "unimplemented"
	Unavailable        Code = "unavailable"
	Internal           Code = "internal"
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

// ErrStopping says that no recording is begun any more.
var ErrStopping = &Error{Unavailable, "server is stopping, try again later"}
