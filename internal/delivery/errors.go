package delivery

import "errors"

// Errors of the package; they come wrapped with the operation.
var (
	// ErrEndpoint says that an endpoint's description cannot be used.
	ErrEndpoint = errors.New("invalid endpoint")
	// ErrUnknownEndpoint says that the engine has no endpoint of that ID.
	ErrUnknownEndpoint = errors.New("unknown endpoint")
	// ErrReadOnly says that an endpoint comes from the config.
	ErrReadOnly = errors.New("endpoint is configured in the file")
	// ErrUnusable says that a stored endpoint's API key is gone.
	ErrUnusable = errors.New("endpoint cannot be used")
	// ErrUnknownEvent says that the log holds no such event.
	ErrUnknownEvent = errors.New("unknown event")
	// ErrUnknownRecovery says that there is no recovery of that ID.
	ErrUnknownRecovery = errors.New("unknown recovery")
	// ErrRecover says that a recovery is asked for that makes no sense.
	ErrRecover = errors.New("invalid recovery")
	// ErrUnknownDeadLetter says that the event is none of the endpoint's dead letters.
	ErrUnknownDeadLetter = errors.New("not a dead letter")
	// ErrBlockedAddress says that the guard does not let an address be reached: see
	// webhook.allow_networks.
	ErrBlockedAddress = errors.New("address is not allowed")
	// ErrCursor says that a stored cursor cannot be read.
	ErrCursor = errors.New("unreadable cursor")
	// ErrClosed says that the engine was closed.
	ErrClosed = errors.New("delivery engine closed")

	// errMissing says that the log no longer holds a record.
	errMissing = errors.New("record is no longer in the log")
	// errRead says that an attempt failed before the endpoint was asked.
	errRead = errors.New("read record")
)

// missingError is errMissing of one record among several.
type missingError struct{ seq uint64 }

// Error implements error.
func (e *missingError) Error() string { return errMissing.Error() }

// Unwrap makes it errMissing.
func (e *missingError) Unwrap() error { return errMissing }

// EndpointError says which field of an endpoint is wrong, and how. It is an
// ErrEndpoint.
type EndpointError struct {
	Field   string
	Problem string
}

// Error implements error.
func (e *EndpointError) Error() string {
	return ErrEndpoint.Error() + ": " + e.Field + ": " + e.Problem
}

// Unwrap makes it an ErrEndpoint.
func (e *EndpointError) Unwrap() error { return ErrEndpoint }
