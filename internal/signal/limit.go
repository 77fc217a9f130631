package signal

import (
	"errors"
	"fmt"
	"time"

	"github.com/rollcall-rtc/rollcall/internal/rate"
)

// Limits are what clients may do before they are refused or cut off; 0 takes the
// default. Bursts are several times as much. See rollcall.yaml.
type Limits struct {
	// JoinsPerKey and JoinsPerAddress are signal connections a second: of all
	// clients with tokens of one API key, and of one address (an IPv6 /64).
	JoinsPerKey, JoinsPerAddress int
	// ConnectionsPerAddress are those that are open at a time.
	ConnectionsPerAddress int
	// Messages and Bytes are what one connection may send in a second.
	Messages, Bytes int
}

func (l Limits) withDefaults() Limits {
	for _, d := range []struct {
		limit    *int
		standard int
	}{
		{&l.JoinsPerKey, 1000}, {&l.JoinsPerAddress, 100}, {&l.ConnectionsPerAddress, 5000},
		{&l.Messages, messageRate}, {&l.Bytes, byteRate},
	} {
		if *d.limit == 0 {
			*d.limit = d.standard
		}
	}
	return l
}

// joinBurst is how many seconds' worth of joins a key or an address may have saved
// up: a room full of people that starts on the hour.
const joinBurst = 10

// limited is a refusal of one who does something too often.
type limited struct{ msg string }

func (e *limited) Error() string { return e.msg }

func tooMany(format string, args ...any) error { return &limited{fmt.Sprintf(format, args...)} }

// The reasons for which a client is cut off. Each is what no SDK does, even in
// the first moments of a large room.
var (
	errTooManyMessages = errors.New("too many signal messages")
	errTooManyBytes    = errors.New("too many bytes of signal messages")
	errGarbage         = errors.New("too many signal messages that cannot be read")
	errTooLong         = fmt.Errorf("a signal message is longer than %d bytes", maxMessage)
)

const (
	// messageRate and byteRate are what a client may send for ever, in a second;
	// the bursts are how many seconds' worth it may have saved up.
	messageRate  = 100
	messageBurst = 20
	byteRate     = 512 << 10
	byteBurst    = 16
	// maxGarbage is how many messages of a connection may be unreadable.
	maxGarbage = 100
)

// limiter counts what one client sends.
type limiter struct {
	messages, bytes rate.Bucket
	garbage         int
}

func newLimiter(l Limits, now time.Time) *limiter {
	return &limiter{
		messages: rate.NewBucket(float64(l.Messages), messageBurst*float64(l.Messages), now),
		// A single message always fits.
		bytes: rate.NewBucket(float64(l.Bytes), max(byteBurst*float64(l.Bytes), maxMessage), now),
	}
}

// take returns why the client has to go, nil if it has not.
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
