package room

// windowSize is how far behind the newest a reliable packet may come and still
// be told apart from a repetition.
const windowSize = 1024

// sequenceWindow remembers which sequence numbers of one sender were seen. A
// client that resumes may send old messages after newer ones; only those that
// did arrive before are repetitions.
type sequenceWindow struct {
	highest uint32
	seen    [windowSize / 64]uint64 // bit n%windowSize: number n was seen
}

// accept records n and reports whether it is new. Numbers start at 1; 0 means
// that the sender does not number and is always accepted.
func (w *sequenceWindow) accept(n uint32) bool {
	switch {
	case n == 0:
		return true
	case n > w.highest:
		for i := range min(n-w.highest, windowSize) {
			w.clear(n - i)
		}
		w.highest = n
	case w.highest-n >= windowSize || w.has(n):
		return false
	}
	w.seen[n%windowSize/64] |= 1 << (n % 64)
	return true
}

func (w *sequenceWindow) has(n uint32) bool { return w.seen[n%windowSize/64]&(1<<(n%64)) != 0 }
func (w *sequenceWindow) clear(n uint32)    { w.seen[n%windowSize/64] &^= 1 << (n % 64) }
