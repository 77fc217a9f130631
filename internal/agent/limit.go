package agent

import (
	"errors"
	"fmt"
	"time"

	"github.com/rollcall-rtc/rollcall/internal/rate"
)

const (
	// maxMessage bounds one message of a worker, in bytes.
	maxMessage = 1 << 20

	// messageRate and byteRate are what a worker may send for ever, in a second; the bursts
	// are how many seconds' worth it may have saved up. A job takes two messages to begin
	// and one to end.
	messageRate  = 500
	messageBurst = 20
	byteRate     = 1 << 20
	byteBurst    = 16
	// maxGarbage is how many messages of a connection may be unreadable.
	maxGarbage = 100
)

// The reasons for which a worker is cut off.
var (
	errTooManyMessages = errors.New("too many messages")
	errTooManyBytes    = errors.New("too many bytes of messages")
	errGarbage         = errors.New("too many messages that cannot be read")
	errTooLong         = fmt.Errorf("a message is longer than %d bytes", maxMessage)
)

// limiter counts what one worker sends.
type limiter struct {
	messages, bytes rate.Bucket
	garbage         int
}

func newLimiter(now time.Time) *limiter {
	return &limiter{
		messages: rate.NewBucket(messageRate, messageBurst*messageRate, now),
		bytes:    rate.NewBucket(byteRate, byteBurst*byteRate, now),
	}
}

// take returns why the worker has to go, nil if it has not.
func (l *limiter) take(size int, now time.Time) error {
	switch {
	case !l.messages.Take(1, now):
		return errTooManyMessages
	case !l.bytes.Take(size, now):
		return errTooManyBytes
	}
	return nil
}

// unreadable is take for a message that could not be read.
func (l *limiter) unreadable() error {
	if l.garbage++; l.garbage > maxGarbage {
		return errGarbage
	}
	return nil
}
