package bwe

import "time"

const (
	rateBucket  = 25 * time.Millisecond
	rateBuckets = 20
)

// rate measures what arrives, on the receiver's clock.
type rate struct {
	newest int64 // number of the bucket of the latest arrival
	bytes  [rateBuckets]int
	begun  int64 // number of the first bucket ever
	known  bool
}

func (r *rate) add(at time.Duration, size int) {
	n := int64(at / rateBucket)
	switch {
	case !r.known || n < r.newest-100*rateBuckets || n > r.newest+100*rateBuckets:
		*r = rate{newest: n, begun: n, known: true}
	case n > r.newest:
		for i := max(r.newest+1, n-rateBuckets+1); i <= n; i++ {
			r.bytes[bucketOf(i)] = 0
		}
		r.newest = n
	case n <= r.newest-rateBuckets:
		return
	}
	r.bytes[bucketOf(n)] += size
}

// over returns bits per second in the time d before the latest arrival.
func (r *rate) over(d time.Duration) uint64 {
	n := min(max(int64(d/rateBucket), 1), rateBuckets, r.newest-r.begun+1)
	if !r.known {
		return 0
	}
	sum := 0
	for i := r.newest - n + 1; i <= r.newest; i++ {
		sum += r.bytes[bucketOf(i)]
	}
	return uint64(float64(sum) * 8 / (time.Duration(n) * rateBucket).Seconds())
}

func bucketOf(n int64) int { return int(((n % rateBuckets) + rateBuckets) % rateBuckets) }
