package sctp

import "errors"

// Errors of an association.
var (
	// ErrPacket says that what arrived is no packet of this association.
	ErrPacket = errors.New("not a packet of this association")
	// ErrClosed says that there is no association any more.
	ErrClosed = errors.New("association closed")
	// ErrAborted says that the other side has ended it.
	ErrAborted = errors.New("association aborted by the other side")
	// ErrTimeout says that the other side does not answer.
	ErrTimeout = errors.New("association timed out")
	// ErrMessage says that a message is longer than agreed, or in too many parts.
	ErrMessage = errors.New("message too long")
)
