package ffmpeg

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"sync"
	"time"

	"github.com/rollcall-rtc/rollcall/internal/spawn"
)

// child is a running ffmpeg.
type child struct {
	cmd   *exec.Cmd
	saved *spawn.Tail
	once  sync.Once
	donec chan struct{} // closed when it is gone
	err   error         // how; after donec
}

// start starts the program with these arguments. files become its descriptors from
// 3 on, and are closed here.
func (p *Program) start(args []string, in, out *os.File, files ...*os.File) (*child, error) {
	c := &child{saved: spawn.NewTail(maxTail), cmd: exec.Command(p.Path, append([]string{"-hide_banner", "-nostdin", "-loglevel", "error"}, args...)...), donec: make(chan struct{})}
	if in != nil {
		c.cmd.Stdin = in
	}
	if out != nil {
		c.cmd.Stdout = out
	}
	c.cmd.Stderr, c.cmd.ExtraFiles = c.saved, files
	// What inherits its output, of which there should be nothing, does not hold us up.
	c.cmd.WaitDelay = time.Second
	spawn.Bind(c.cmd)
	err := c.cmd.Start()
	for _, f := range append(files, in, out) {
		if f != nil {
			_ = f.Close()
		}
	}
	if err != nil {
		return nil, err
	}
	go func() {
		c.err = c.cmd.Wait()
		close(c.donec)
	}()
	return c, nil
}

// end waits until it is gone, and kills it after that long.
func (c *child) end(patience time.Duration) error {
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-c.donec:
	case <-timer.C:
		c.kill()
		<-c.donec
		return fmt.Errorf("ffmpeg did not end within %v", patience)
	}
	return c.problem()
}

func (c *child) kill() { c.once.Do(func() { _ = c.cmd.Process.Kill() }) }

// problem is how it ended, with the last that it said; it must be gone.
func (c *child) problem() error {
	if c.err == nil {
		return nil
	}
	said := c.saved.Last()
	if said == "" {
		return fmt.Errorf("ffmpeg: %w", c.err)
	}
	return errors.New("ffmpeg: " + said)
}

// pipe makes a pipe with room for as much as the system gives, so that a picture
// takes few turns.
func pipe() (r, w *os.File, err error) {
	if r, w, err = os.Pipe(); err == nil {
		widen(w)
	}
	return r, w, err
}

// maxTail bounds what is kept of what a child says, in bytes.
const maxTail = 2048
