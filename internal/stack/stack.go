package stack

// Reserve grows the stack of the calling goroutine by 12 KB. Call it first thing.
func Reserve() { much(false) }

// ReserveSome grows it by 5 KB: for who needs that, and lasts.
func ReserveSome() { some(false) }

// A function has its stack when it begins. What is in it is not touched: that would be
// so much less of what is needed in the processor's cache.

//go:noinline
func much(touched bool) {
	if touched {
		var room [12 << 10]byte
		touch(room[:])
	}
}

//go:noinline
func some(touched bool) {
	if touched {
		var room [5 << 10]byte
		touch(room[:])
	}
}

//go:noinline
func touch(room []byte) { room[len(room)-1]++ }
