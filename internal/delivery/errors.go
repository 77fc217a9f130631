package delivery

import "errors"

// Errors of the package; they come wrapped with the operation.
var (
	// ErrEndpoint says that an endpoint's description cannot be used.
	ErrEndpoint = errors.New("invalid endpoint")
	// ErrUnknownEndpoint says that the engine has no endpoint of that ID.
	ErrUnknownEndpoint = errors.New("unknown endpoint")
	// ErrCursor says that a stored cursor cannot be read.
	ErrCursor = errors.New("unreadable cursor")
	// ErrClosed says that the engine was closed.
	ErrClosed = errors.New("delivery engine closed")

	// errMissing says that the log no longer holds a record.
	errMissing = errors.New("record is no longer in the log")
	// errRead says that an attempt failed before the endpoint was asked.
	errRead = errors.New("read record")
)
