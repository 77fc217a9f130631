package source

import (
	"sync"
	"time"

	"github.com/rollcall-rtc/rollcall/internal/ingress/flv"
)

// What waits for its time is bounded.
const (
	maxAhead      = 30 * time.Second
	maxAheadBytes = 32 << 20
	// perTag is what a tag takes beside its body, in bytes.
	perTag = 64
)

// A queue holds tags between two goroutines.
type queue struct {
	mu    sync.Mutex
	cond  *sync.Cond
	tags  []tag
	bytes int
	err   error // once it is closed
}

func newQueue() *queue {
	q := new(queue)
	q.cond = sync.NewCond(&q.mu)
	return q
}

// push adds a tag, when there is room for it. It fails once the queue is closed.
func (q *queue) push(t tag) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	for q.err == nil && len(q.tags) > 0 && (q.bytes > maxAheadBytes || t.at-q.tags[0].at > maxAhead) {
		q.cond.Wait()
	}
	if q.err != nil {
		return q.err
	}
	q.tags = append(q.tags, t)
	q.bytes += len(t.body) + perTag
	q.cond.Broadcast()
	return nil
}

// pop takes the first, and says how far the last is ahead of it. After the last one
// it returns what the queue was closed with.
func (q *queue) pop() (t tag, ahead time.Duration, err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for len(q.tags) == 0 {
		if q.err != nil {
			return tag{}, 0, q.err
		}
		q.cond.Wait()
	}
	t = q.tags[0]
	ahead = q.tags[len(q.tags)-1].at - t.at
	q.drop(1)
	return t, ahead, nil
}

func (q *queue) drop(n int) {
	for i := range n {
		q.bytes -= len(q.tags[i].body) + perTag
		q.tags[i] = tag{}
	}
	q.tags = q.tags[n:]
	q.cond.Broadcast()
}

// skip leaves out what comes before that time, up to the next key frame, but for what
// decoders are configured by: of the one that was taken last, which is put back, and of
// those behind it. It returns how many tags that is; none if there is no such key frame.
func (q *queue) skip(taken tag, until time.Duration) int {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.tags = append([]tag{taken}, q.tags...)
	q.bytes += len(taken.body) + perTag
	var configs []tag
	pictures, n := false, len(q.tags)
	for i, t := range q.tags {
		parse := flv.ParseVideo
		if t.kind == flv.TypeAudio {
			parse = flv.ParseAudio
		}
		p, err := parse(t.body)
		if err == nil && p.Kind == flv.Config {
			configs = append(configs, t)
		}
		pictures = pictures || t.kind == flv.TypeVideo
		if t.at >= until && err == nil && p.Kind == flv.Frame && p.Key && (t.kind == flv.TypeVideo || !pictures) {
			n = i
			break
		}
	}
	if n == len(q.tags) {
		return 0
	}
	q.drop(n)
	for i := range configs {
		configs[i].at = q.tags[0].at
	}
	q.tags = append(configs, q.tags...)
	for _, c := range configs {
		q.bytes += len(c.body) + perTag
	}
	return n - len(configs)
}

// close ends the queue: what is in it is still there. Only the first call counts.
func (q *queue) close(err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.err == nil {
		q.err = err
	}
	q.cond.Broadcast()
}
