package delivery

import (
	"container/heap"
	"time"
)

// timed is what waits for a time.
type timed interface {
	at() time.Time // zero for what is not waited for
	place() *int   // its index in the heap, -1 outside
}

// timers holds what waits, the earliest first. Items have place -1 outside of it.
type timers[T timed] []T

// Len implements heap.Interface.
func (h timers[T]) Len() int { return len(h) }

// Less implements heap.Interface.
func (h timers[T]) Less(i, j int) bool { return h[i].at().Before(h[j].at()) }

// Swap implements heap.Interface.
func (h timers[T]) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	*h[i].place(), *h[j].place() = i, j
}

// Push implements heap.Interface.
func (h *timers[T]) Push(x any) {
	item := x.(T)
	*item.place() = len(*h)
	*h = append(*h, item)
}

// Pop implements heap.Interface.
func (h *timers[T]) Pop() any {
	old := *h
	last := len(old) - 1
	item := old[last]
	clear(old[last:])
	*h = old[:last]
	*item.place() = -1
	return item
}

// wait takes item in, if it has a time.
func (h *timers[T]) wait(item T) {
	*item.place() = -1
	if !item.at().IsZero() {
		heap.Push(h, item)
	}
}

func (h *timers[T]) remove(item T) { heap.Remove(h, *item.place()) }
