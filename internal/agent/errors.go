package agent

import "fmt"

// Error is a refusal that the caller can act on.
type Error struct {
	code string // Twirp's word
	msg  string
}

// Error returns the message.
func (e *Error) Error() string { return e.msg }

// ErrorCode returns the code as Twirp spells it.
func (e *Error) ErrorCode() string { return e.code }

// The refusals that callers compare with errors.Is.
var (
	ErrDispatchNotFound = &Error{"not_found", "requested dispatch does not exist"}
	ErrStopping         = &Error{"unavailable", "server is stopping, try again later"}
)

func invalid(format string, args ...any) error {
	return &Error{"invalid_argument", fmt.Sprintf(format, args...)}
}
