package agent

import (
	"fmt"
	"time"

	"github.com/rollcall-rtc/rollcall/internal/rate"
)

const (
	// maxMessage bounds one message of a worker, in bytes.
	maxMessage = 1 << 20

	// messageRate and byteRate are what a worker may send for ever, in a second. A job
	// takes two messages to begin and one to end.
	messageRate = 500
	byteRate    = 1 << 20
)

// errTooLong is why a worker is cut off, as those of rate.Messages are.
var errTooLong = fmt.Errorf("a message is longer than %d bytes", maxMessage)

func newLimits(now time.Time) *rate.Messages {
	return rate.NewMessages(messageRate, byteRate, maxMessage, now)
}
