package delivery

import (
	"strconv"
	"strings"
	"time"
)

// pace keeps an endpoint to a number of requests a second: the one that it was
// given, or the one that the receiver asks for, whichever is lower. It is driven
// by the endpoint's loop and reads no clock.
type pace struct {
	given   float64 // 0: no limit
	allowed float64 // 0: no limit
	next    time.Time
}

// paceBurst is how much of its rate an endpoint that was idle gets at once.
const paceBurst = 100 * time.Millisecond

func (p *pace) rate() float64 {
	switch {
	case p.given == 0:
		return p.allowed
	case p.allowed == 0:
		return p.given
	default:
		return min(p.given, p.allowed)
	}
}

// wait returns from when on a request may go, the zero time for now.
func (p *pace) wait(now time.Time) time.Time {
	if p.rate() == 0 || !now.Before(p.next) {
		return time.Time{}
	}
	return p.next
}

// sent notes a request.
func (p *pace) sent(now time.Time) {
	rate := p.rate()
	if rate == 0 {
		return
	}
	if earliest := now.Add(-paceBurst); p.next.Before(earliest) {
		p.next = earliest
	}
	p.next = p.next.Add(time.Duration(float64(time.Second) / rate))
}

// allowedRate reads the header of the CloudEvents webhook specification (§4.2.2):
// requests a minute, or an asterisk for no limit. 0 is no limit; ok says that
// the receiver said something.
func allowedRate(value string) (perSecond float64, ok bool) {
	if value = strings.TrimSpace(value); value == "" {
		return 0, false
	}
	if value == "*" {
		return 0, true
	}
	n, err := strconv.ParseUint(value, 10, 32)
	if err != nil || n == 0 {
		return 0, false
	}
	return float64(n) / 60, true
}
