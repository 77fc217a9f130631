package rate

import (
	"sync"
	"time"
)

// maxKeys is how many buckets are kept before those that are full are let go.
const maxKeys = 10_000

// Keyed is a bucket for each key. It holds those that were used lately.
type Keyed[K comparable] struct {
	rate, burst float64 // immutable

	mu      sync.Mutex
	buckets map[K]*Bucket // mu guards
	sweepAt int           // mu guards; how many there are when it is time to let go
}

// NewKeyed returns buckets of that rate, in tokens a second, and burst.
func NewKeyed[K comparable](rate, burst float64) *Keyed[K] {
	return &Keyed[K]{rate: rate, burst: burst, buckets: make(map[K]*Bucket), sweepAt: maxKeys}
}

// Take takes a token of the key's, and says whether there was one.
func (k *Keyed[K]) Take(key K, now time.Time) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	b := k.buckets[key]
	if b == nil {
		if len(k.buckets) >= k.sweepAt {
			k.sweep(now)
		}
		fresh := NewBucket(k.rate, k.burst, now)
		b = &fresh
		k.buckets[key] = b
	}
	return b.Take(1, now)
}

// Has says whether there is a token of the key's, and takes none.
func (k *Keyed[K]) Has(key K, now time.Time) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	b := k.buckets[key]
	return b == nil || b.Take(0, now) && b.level >= 1
}

// sweep forgets the buckets that are full. What is left is of keys that were used
// within burst/rate seconds.
func (k *Keyed[K]) sweep(now time.Time) {
	for key, b := range k.buckets {
		if b.full(now) {
			delete(k.buckets, key)
		}
	}
	k.sweepAt = max(maxKeys, 2*len(k.buckets))
}
