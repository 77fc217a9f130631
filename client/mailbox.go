package client

import "sync"

// mailbox is an unbounded queue to one goroutine: to send never waits, so that
// callbacks and handlers cannot deadlock with the goroutine that they send to.
type mailbox[T any] struct {
	wakec chan struct{} // has an element when there is something to take

	mu     sync.Mutex
	queue  []T  // mu guards
	closed bool // mu guards
}

func newMailbox[T any]() *mailbox[T] {
	return &mailbox[T]{wakec: make(chan struct{}, 1)}
}

// send queues v and reports whether it will be taken.
func (m *mailbox[T]) send(v T) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return false
	}
	m.queue = append(m.queue, v)
	m.wake()
	return true
}

// close lets nothing more in; what is queued can still be taken.
func (m *mailbox[T]) close() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.closed = true
	m.wake()
}

func (m *mailbox[T]) wake() {
	select {
	case m.wakec <- struct{}{}:
	default:
	}
}

// take returns what is queued, oldest first, and whether more may come.
func (m *mailbox[T]) take() (queue []T, more bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	queue, m.queue = m.queue, nil
	return queue, !m.closed
}
