package signal

import (
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

const (
	// messageRate and byteRate are what a client may send for ever, in a second: no SDK
	// does, even in the first moments of a large room.
	messageRate = 100
	byteRate    = 512 << 10
)

// errTooLong is why a client is cut off, as those of rate.Messages are.
var errTooLong = fmt.Errorf("a signal message is longer than %d bytes", maxMessage)

func (l Limits) messages(now time.Time) *rate.Messages {
	return rate.NewMessages(l.Messages, l.Bytes, maxMessage, now)
}
