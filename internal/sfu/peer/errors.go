package peer

import (
	"errors"
	"fmt"
)

var (
	// ErrClosed means that the connection or the factory is closed.
	ErrClosed = errors.New("connection closed")
	// ErrNotConnected means that nothing can be sent yet, or any more.
	ErrNotConnected = errors.New("not connected")
	// ErrPortInUse is wrapped by a *ListenError when somebody has the port.
	ErrPortInUse = errors.New("address in use")
	// ErrNoAddress means that no local address is left to listen on.
	ErrNoAddress = errors.New("no usable local address")
	// ErrDescription means that a session description cannot be used.
	ErrDescription = errors.New("invalid session description")
	// ErrCandidate means that an ICE candidate cannot be used.
	ErrCandidate = errors.New("invalid candidate")
	// ErrFlood means that the client sends faster than we care to follow.
	ErrFlood = errors.New("too many requests from the client")
	// ErrGarbage means that the client sends packets that nobody can read, below an
	// encryption that is right.
	ErrGarbage = errors.New("too many packets that cannot be read")
	errStray   = fmt.Errorf("%w: media that belongs to no track", ErrGarbage)
	errNotSCTP = fmt.Errorf("%w: data that is no SCTP", ErrGarbage)
	// ErrAnswerTimeout means that the client did not answer an offer.
	ErrAnswerTimeout = errors.New("no answer to the offer")
	// ErrCodecRejected means that the client cannot receive a track's codec.
	ErrCodecRejected = errors.New("client rejected the codec")
	// ErrSections means that a client has as many tracks as we send to one.
	ErrSections = errors.New("too many media sections")
	// ErrDataOverflow means that a reader is too slow for its reliable data.
	ErrDataOverflow = errors.New("reliable data overflows")
	// ErrDataDropped means that lossy data was dropped, as it may be.
	ErrDataDropped = errors.New("lossy data dropped")
	// ErrNoData means that the client's description has no section for data.
	ErrNoData = errors.New("client has no section for data")
	// ErrDataEnded means that the client has closed its data channel.
	ErrDataEnded = errors.New("client has closed its data channel")
	// ErrDataTooLarge means that a message exceeds MaxMessageSize.
	ErrDataTooLarge = errors.New("data message too large")
)

// ListenError names the address that could not be listened on.
type ListenError struct {
	Network string
	Address string
	Err     error
}

// Error implements error.
func (e *ListenError) Error() string {
	return fmt.Sprintf("listen on %s %s: %v", e.Network, e.Address, e.Err)
}

// Unwrap returns the cause, ErrPortInUse if the port is taken.
func (e *ListenError) Unwrap() error { return e.Err }
