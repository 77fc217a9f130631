package pebble

import (
	"sync"

	"github.com/cockroachdb/pebble/v2"
)

// compactions lets as many compactions run as the database allows, but none
// before it is open. Pebble waits for those that run before it looks for files to
// remove, which it does while it opens: after a burst of writes and a crash that
// is seconds.
//
// Its lock is taken after the database's, so the database is not called under it,
// and compactions that had to wait begin on a goroutine of their own.
type compactions struct {
	db    pebble.DBForCompaction // immutable after Register
	look  chan struct{}          // one may begin
	stop  chan struct{}
	ended chan struct{}

	mu      sync.Mutex
	open    bool
	running int
}

func newCompactions() *compactions {
	return &compactions{look: make(chan struct{}, 1), stop: make(chan struct{}), ended: make(chan struct{})}
}

// begin lets compactions run.
func (c *compactions) begin() {
	c.mu.Lock()
	c.open = true
	c.mu.Unlock()
	c.UpdateGetAllowedWithoutPermission()
}

// Register implements pebble.CompactionScheduler.
func (c *compactions) Register(_ int, db pebble.DBForCompaction) {
	c.db = db
	go c.loop()
}

// abandon ends what a database that did not open may have registered.
func (c *compactions) abandon() {
	if c.db != nil {
		c.Unregister()
	}
}

// Unregister implements pebble.CompactionScheduler.
func (c *compactions) Unregister() {
	close(c.stop)
	<-c.ended
	c.mu.Lock()
	c.open = false
	c.mu.Unlock()
}

// TrySchedule implements pebble.CompactionScheduler.
func (c *compactions) TrySchedule() (bool, pebble.CompactionGrantHandle) {
	if !c.take() {
		return false, nil
	}
	return true, c
}

// UpdateGetAllowedWithoutPermission implements pebble.CompactionScheduler.
func (c *compactions) UpdateGetAllowedWithoutPermission() {
	select {
	case c.look <- struct{}{}:
	default:
	}
}

// take takes the permission for one compaction.
func (c *compactions) take() bool {
	allowed := c.db.GetAllowedWithoutPermission()
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.open || c.running >= allowed {
		return false
	}
	c.running++
	return true
}

func (c *compactions) giveBack() {
	c.mu.Lock()
	c.running--
	c.mu.Unlock()
}

// loop begins compactions that had to wait.
func (c *compactions) loop() {
	defer close(c.ended)
	for {
		select {
		case <-c.stop:
			return
		case <-c.look:
		}
		for c.take() {
			if !c.db.Schedule(c) {
				c.giveBack()
				break
			}
		}
	}
}

// Done implements pebble.CompactionGrantHandle.
func (c *compactions) Done() {
	c.giveBack()
	c.UpdateGetAllowedWithoutPermission()
}

// Started implements pebble.CompactionGrantHandle.
func (c *compactions) Started() {}

// MeasureCPU implements pebble.CompactionGrantHandle.
func (c *compactions) MeasureCPU(pebble.CompactionGoroutineKind) {}

// CumulativeStats implements pebble.CompactionGrantHandle.
func (c *compactions) CumulativeStats(pebble.CompactionGrantHandleStats) {}
