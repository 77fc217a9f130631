package rate

import "time"

// Bucket holds tokens that flow in at a rate, up to a burst. The zero value lets
// nothing through.
type Bucket struct {
	rate, burst, level float64 // tokens a second, tokens, tokens
	at                 time.Time
}

// NewBucket returns a full bucket: rate is in tokens a second, burst in tokens.
func NewBucket(rate, burst float64, now time.Time) Bucket {
	return Bucket{rate: rate, burst: burst, level: burst, at: now}
}

// Take takes n tokens, or none if there are fewer, and says which.
func (b *Bucket) Take(n int, now time.Time) bool { return b.TakeAbove(n, 0, now) }

// TakeAbove is Take that leaves so many tokens for others.
func (b *Bucket) TakeAbove(n int, leave float64, now time.Time) bool {
	b.fill(now)
	if b.level < float64(n)+leave {
		return false
	}
	b.level -= float64(n)
	return true
}

// Reserve takes n tokens in any case, and returns how long it is until they would
// have been there.
func (b *Bucket) Reserve(n int, now time.Time) time.Duration {
	b.fill(now)
	b.level -= float64(n)
	if b.level >= 0 {
		return 0
	}
	return time.Duration(-b.level / b.rate * float64(time.Second))
}

// full says whether the bucket is as if it had never been used.
func (b *Bucket) full(now time.Time) bool {
	b.fill(now)
	return b.level >= b.burst
}

func (b *Bucket) fill(now time.Time) {
	if passed := now.Sub(b.at); passed > 0 { // a clock that jumps back takes nothing away
		b.level = min(b.burst, b.level+b.rate*passed.Seconds())
	}
	b.at = now
}
