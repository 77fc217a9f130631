package headroom

import (
	"math"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"sync"
)

// usual is Go's own growth between collections, in percent.
const usual = 100

// Keep lets the heap grow by size bytes before it is collected, for as long as that is
// more than Go's own growth, until stop is called. Where GOGC is set in the environment,
// that is what its setter wants: Keep does nothing. GOMEMLIMIT is heeded in any case.
func Keep(size uint64) (stop func()) {
	if os.Getenv("GOGC") != "" {
		return func() {}
	}
	k := &keeper{size: size}
	k.samples[0].Name = "/gc/heap/live:bytes"
	k.samples[1].Name = "/gc/scan/stack:bytes"
	k.samples[2].Name = "/gc/scan/globals:bytes"
	k.adjust()
	k.await()
	return k.stop
}

// A keeper sets GOGC after each collection.
type keeper struct {
	size uint64

	mu      sync.Mutex
	samples [3]metrics.Sample // what growth is a percentage of; mu guards
	percent int               // mu guards
	stopped bool              // mu guards
}

// await has garbage be made that the next collection finds, which calls us.
func (k *keeper) await() {
	type garbage struct{ self *garbage } // no tiny object, which lives with others
	runtime.AddCleanup(new(garbage), func(k *keeper) {
		if k.adjust() {
			k.await()
		}
	}, k)
}

// adjust sets GOGC by what is alive. It reports whether that goes on.
func (k *keeper) adjust() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.stopped {
		return false
	}
	metrics.Read(k.samples[:])
	var base uint64
	for _, s := range k.samples {
		base += s.Value.Uint64()
	}
	// The world is stopped for a change, so none is made for little.
	if want := growth(k.size, base); want != k.percent && (want == usual || math.Abs(float64(want-k.percent)) > float64(k.percent)/8) {
		debug.SetGCPercent(want)
		k.percent = want
	}
	return true
}

func (k *keeper) stop() {
	k.mu.Lock()
	defer k.mu.Unlock()
	if !k.stopped {
		k.stopped = true
		debug.SetGCPercent(usual)
	}
}

// smallest is what Go takes for the base of a heap that is smaller: it never collects
// one below 4 MB times GOGC.
const smallest = 4 << 20

// growth is the percentage by which base grows by size.
func growth(size, base uint64) int {
	return max(usual, int(size*100/max(base, smallest)))
}
