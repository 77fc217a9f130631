package rate

import (
	"errors"
	"time"
)

// The reasons for which who sends messages is cut off.
var (
	ErrTooManyMessages = errors.New("too many messages")
	ErrTooManyBytes    = errors.New("too many bytes of messages")
	ErrUnreadable      = errors.New("too many messages that cannot be read")
)

const (
	// messagesBurst and bytesBurst are how many seconds' worth may have been saved up.
	messagesBurst = 20
	bytesBurst    = 16
	// maxUnreadable is how many messages of a connection may be unreadable.
	maxUnreadable = 100
)

// Messages limits what comes over one connection: so many messages and bytes a second,
// and so many that cannot be read in all. It belongs to whoever reads the connection.
type Messages struct {
	messages, bytes Bucket
	unreadable      int
}

// NewMessages allows that many messages and bytes a second for ever. A single message
// always passes if it is no longer than longest, in bytes.
func NewMessages(messages, bytes, longest int, now time.Time) *Messages {
	return &Messages{
		messages: NewBucket(float64(messages), messagesBurst*float64(messages), now),
		bytes:    NewBucket(float64(bytes), max(bytesBurst*float64(bytes), float64(longest)), now),
	}
}

// Take counts a message of size bytes. It returns ErrTooManyMessages or ErrTooManyBytes
// if the sender has to go.
func (m *Messages) Take(size int, now time.Time) error {
	switch {
	case !m.messages.Take(1, now):
		return ErrTooManyMessages
	case !m.bytes.Take(size, now):
		return ErrTooManyBytes
	}
	return nil
}

// Unreadable counts a message that could not be read. It returns ErrUnreadable if the
// sender has to go.
func (m *Messages) Unreadable() error {
	if m.unreadable++; m.unreadable > maxUnreadable {
		return ErrUnreadable
	}
	return nil
}
