package tcp

import (
	"sync"
	"time"

	"github.com/rollcall-rtc/rollcall/internal/rawfile"
)

// closer closes descriptors of connections that have ended, several at a time. It is the
// one call of a connection that os makes, which announces it.
type closer struct {
	mu    sync.Mutex
	files []*rawfile.File // mu guards; shut down, and open still
	due   *time.Timer     // mu guards; calls close; nil before the first
}

const (
	closePatience = time.Second // the longest that a descriptor stays open for others
	closeCrowd    = 64          // how many do not wait any longer
)

// add closes file some time later. Both its directions have been shut down.
func (c *closer) add(file *rawfile.File) {
	c.mu.Lock()
	c.files = append(c.files, file)
	n := len(c.files)
	switch {
	case n == 1 && c.due == nil:
		c.due = time.AfterFunc(closePatience, c.close)
	case n == 1:
		c.due.Reset(closePatience)
	case n == closeCrowd:
		c.due.Stop()
	}
	c.mu.Unlock()
	if n == closeCrowd {
		c.close()
	}
}

// close closes all that wait for it.
func (c *closer) close() {
	c.mu.Lock()
	files := c.files
	c.files = nil
	c.mu.Unlock()
	for _, file := range files {
		_ = file.Close()
	}
}
