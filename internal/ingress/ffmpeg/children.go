package ffmpeg

import (
	"os"
	"os/exec"
	"sync"
	"time"

	"github.com/rollcall-rtc/rollcall/internal/spawn"
)

// Children counts those that run, and what they and those before them have used. A
// nil one counts nothing.
type Children struct {
	mu   sync.Mutex
	live map[*os.Process]time.Duration // mu guards; what each had used when it was looked at
	gone time.Duration                 // mu guards; what the others have
}

// began counts a child that was started.
func (c *Children) began(cmd *exec.Cmd) {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.live == nil {
		c.live = make(map[*os.Process]time.Duration)
	}
	c.live[cmd.Process] = 0
}

// ended is for after Wait.
func (c *Children) ended(cmd *exec.Cmd) {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	used := c.live[cmd.Process]
	if s := cmd.ProcessState; s != nil {
		used = max(used, s.UserTime()+s.SystemTime())
	}
	c.gone += used
	delete(c.live, cmd.Process)
}

// Stats returns how many run, and the CPU time of all that there have been. It never
// decreases.
func (c *Children) Stats() (running int, cpu time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	cpu = c.gone
	for p, used := range c.live {
		if now, err := spawn.CPU(p.Pid); err == nil && now > used {
			used = now
			c.live[p] = now
		}
		cpu += used
	}
	return len(c.live), cpu
}
