package stack

import (
	"sync"
	"testing"
)

// deep uses some kilobytes of stack in small steps.
//
//go:noinline
func deep(n int) int {
	var frame [64]int
	frame[n%64] = n
	if n == 0 {
		return 0
	}
	return frame[n%64] + deep(n-1)
}

// BenchmarkGoroutine shows what it costs to get deep, in steps and at once.
func BenchmarkGoroutine(b *testing.B) {
	for name, begin := range map[string]func(){"steps": func() {}, "reserved": func() { Reserve() }} {
		b.Run(name, func(b *testing.B) {
			var wg sync.WaitGroup
			for b.Loop() {
				wg.Go(func() {
					begin()
					deep(16)
				})
				wg.Wait()
			}
		})
	}
}

func TestReservingAllocatesNothingOnTheHeap(t *testing.T) {
	if n := testing.AllocsPerRun(100, func() { Reserve() }); n != 0 {
		t.Errorf("%g allocations", n)
	}
}
