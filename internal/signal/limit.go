package signal

import (
	"errors"
	"time"
)

// The reasons for which a client is cut off. Each is what no SDK does, even in
// the first moments of a large room.
var (
	errTooManyMessages = errors.New("too many signal messages")
	errTooManyBytes    = errors.New("too many bytes of signal messages")
	errGarbage         = errors.New("too many signal messages that cannot be read")
)

const (
	// messageRate and byteRate are what a client may send for ever, in a second;
	// the bursts are what it may have saved up.
	messageRate  = 100
	messageBurst = 2000
	byteRate     = 512 << 10
	byteBurst    = 8 << 20
	// maxGarbage is how many messages of a connection may be unreadable.
	maxGarbage = 100
)

// limiter counts what one client sends.
type limiter struct {
	messages, bytes bucket
	garbage         int
}

func newLimiter(now time.Time) *limiter {
	return &limiter{
		messages: bucket{rate: messageRate, burst: messageBurst, level: messageBurst, at: now},
		bytes:    bucket{rate: byteRate, burst: byteBurst, level: byteBurst, at: now},
	}
}

// take returns why the client has to go, nil if it has not.
func (l *limiter) take(size int, now time.Time) error {
	switch {
	case !l.messages.take(1, now):
		return errTooManyMessages
	case !l.bytes.take(size, now):
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

// bucket holds tokens that flow in at a rate, up to a burst.
type bucket struct {
	rate, burst, level float64
	at                 time.Time
}

func (b *bucket) take(n int, now time.Time) bool {
	b.level = min(b.burst, b.level+b.rate*now.Sub(b.at).Seconds())
	b.at = now
	if b.level < float64(n) {
		return false
	}
	b.level -= float64(n)
	return true
}
