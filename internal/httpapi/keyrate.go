package httpapi

import (
	"fmt"
	"time"

	"github.com/rollcall-rtc/rollcall/internal/rate"
)

// requestBurst is how many seconds' worth of requests a key may have saved up.
const requestBurst = 10

// keyRate limits requests with tokens of one API key. Nil limits nothing.
type keyRate struct {
	limit int // immutable; requests a second
	taken *rate.Keyed[string]
}

func newKeyRate(limit int) *keyRate {
	if limit <= 0 {
		return nil
	}
	return &keyRate{limit, rate.NewKeyed[string](float64(limit), requestBurst*float64(limit))}
}

// tooOften is the refusal of a request that comes too soon after others.
type tooOften struct {
	key   string
	limit int
}

func (e *tooOften) Error() string {
	return fmt.Sprintf("too many requests with tokens of API key %.64q: the limit is %d a second", e.key, e.limit)
}

// take counts a request.
func (k *keyRate) take(key string, now time.Time) error {
	if k == nil || k.taken.Take(key, now) {
		return nil
	}
	return &tooOften{key, k.limit}
}
