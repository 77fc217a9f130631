package peer

import (
	"sync"

	"github.com/rollcall-rtc/rollcall/internal/stack"
)

// maxQueued bounds what a client can make us remember.
const maxQueued = 512

// queue runs tasks in order, one at a time. It has a goroutine only while
// there are tasks, so an idle connection costs none.
type queue struct {
	mu      sync.Mutex
	tasks   []func() // mu guards
	running bool     // mu guards
	closed  bool     // mu guards
	idlec   chan struct{}
}

func newQueue() *queue { return &queue{idlec: make(chan struct{})} }

// post appends a task. It never waits. A closed queue drops the task.
func (q *queue) post(task func()) error { return q.add(task, false) }

// postRemote is post for what a client causes: it fails when the queue is long.
func (q *queue) postRemote(task func()) error { return q.add(task, true) }

func (q *queue) add(task func(), bounded bool) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return ErrClosed
	}
	if bounded && len(q.tasks) >= maxQueued {
		return ErrFlood
	}
	q.tasks = append(q.tasks, task)
	if !q.running {
		q.running = true
		go q.run()
	}
	return nil
}

// try runs a task on the goroutine that calls it, if none is under way and none waits.
// It reports false if so, or if the queue is closed.
func (q *queue) try(task func()) bool {
	q.mu.Lock()
	if q.closed || q.running {
		q.mu.Unlock()
		return false
	}
	q.running = true
	q.mu.Unlock()
	task()
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.tasks) > 0 {
		go q.run()
		return true
	}
	q.rest()
	return true
}

// rest says that no task runs, and none waits. mu is held.
func (q *queue) rest() {
	q.running = false
	q.tasks = nil
	if q.closed {
		close(q.idlec)
	}
}

// close drops the tasks that have not begun. The channel it returns is closed
// once none runs. Closing twice is harmless.
func (q *queue) close() <-chan struct{} {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !q.closed {
		q.closed = true
		q.tasks = nil
		if !q.running {
			close(q.idlec)
		}
	}
	return q.idlec
}

func (q *queue) run() {
	stack.Reserve() // what tasks do of descriptions, and handlers of states, goes deep
	for {
		q.mu.Lock()
		if len(q.tasks) == 0 {
			q.rest()
			q.mu.Unlock()
			return
		}
		task := q.tasks[0]
		q.tasks[0] = nil
		q.tasks = q.tasks[1:]
		q.mu.Unlock()
		task()
	}
}
