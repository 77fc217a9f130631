package delivery

import (
	"net/http"
	"strconv"
	"strings"
	"time"
)

// RetryPolicy says when the head of a lane is tried again. Nothing behind the
// head moves meanwhile, so the gaps are short: hours would stall a room.
type RetryPolicy struct {
	// Gaps are the pauses after the first, second, … failure of a head; the
	// last one repeats. 1, 2, 4, 8, 15, 30, 60, 120, 240, 300 s.
	Gaps []time.Duration
	// Jitter is the share by which a gap varies, either way: 0.2.
	Jitter float64
	// MaxAge is how long a head may fail before that is reported as an
	// error: 72 h. It is not skipped then either.
	MaxAge time.Duration
	// Attempts at a head, over at least Persistence, make it a suspect: 5 and 15 s.
	Attempts    int
	Persistence time.Duration
	// Late are the gaps between attempts at a dead letter; the last one
	// repeats until MaxAge: 5 s, and 1, 5, 15, 60 min.
	Late []time.Duration
	// MaxRetryAfter bounds what a receiver can ask for: 5 min.
	MaxRetryAfter time.Duration
}

func (p *RetryPolicy) setDefaults() {
	if len(p.Gaps) == 0 {
		p.Gaps = []time.Duration{
			1 * time.Second, 2 * time.Second, 4 * time.Second, 8 * time.Second, 15 * time.Second,
			30 * time.Second, 60 * time.Second, 120 * time.Second, 240 * time.Second, 300 * time.Second,
		}
	}
	if p.Jitter == 0 {
		p.Jitter = 0.2
	}
	if p.MaxAge <= 0 {
		p.MaxAge = 72 * time.Hour
	}
	if p.Attempts <= 0 {
		p.Attempts = 5
	}
	if p.Persistence <= 0 {
		p.Persistence = 15 * time.Second
	}
	if len(p.Late) == 0 {
		p.Late = []time.Duration{5 * time.Second, time.Minute, 5 * time.Minute, 15 * time.Minute, time.Hour}
	}
	if p.MaxRetryAfter <= 0 {
		p.MaxRetryAfter = 5 * time.Minute
	}
}

// gap returns the pause after the given number of failures (from 1); u in
// [0,1) places it within the jitter.
func (p *RetryPolicy) gap(failures int, u float64) time.Duration {
	i := min(max(failures, 1), len(p.Gaps)) - 1
	return jitter(p.Gaps[i], p.Jitter, u)
}

// verdict is what becomes of a head that was refused once more.
type verdict uint8

const (
	// retryHead tries it again after the gap.
	retryHead verdict = iota
	// overdue tries it again too, but it is older than MaxAge. A policy that
	// abandons heads does so here.
	overdue
)

func (p *RetryPolicy) judge(firstFailure, now time.Time) verdict {
	if now.Sub(firstFailure) >= p.MaxAge {
		return overdue
	}
	return retryHead
}

func jitter(d time.Duration, share, u float64) time.Duration {
	return time.Duration(float64(d) * (1 + share*(2*u-1)))
}

// retryAfter reads a Retry-After header in both of its forms (RFC 9110
// §10.2.3) and bounds it to [0, limit]. It returns 0 for none or nonsense.
func retryAfter(value string, now time.Time, limit time.Duration) time.Duration {
	value = strings.TrimSpace(value)
	if value == "" {
		return 0
	}
	if digits := strings.Trim(value, "0123456789"); digits == "" {
		secs, err := strconv.ParseUint(value, 10, 64)
		if err != nil || secs > uint64(limit/time.Second) {
			return limit // more digits than a number holds is long, too
		}
		return time.Duration(secs) * time.Second
	}
	at, err := http.ParseTime(value)
	if err != nil {
		return 0
	}
	return min(max(at.Sub(now), 0), limit)
}
