package ffmpeg

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"time"
)

// child is a running ffmpeg.
type child struct {
	cmd   *exec.Cmd
	saved tail
	once  sync.Once
	donec chan struct{} // closed when it is gone
	err   error         // how; after donec
}

// start starts the program with these arguments. files become its descriptors from
// 3 on, and are closed here.
func (p *Program) start(args []string, in, out *os.File, files ...*os.File) (*child, error) {
	c := &child{cmd: exec.Command(p.Path, append([]string{"-hide_banner", "-nostdin", "-loglevel", "error"}, args...)...), donec: make(chan struct{})}
	if in != nil {
		c.cmd.Stdin = in
	}
	if out != nil {
		c.cmd.Stdout = out
	}
	c.cmd.Stderr, c.cmd.ExtraFiles = &c.saved, files
	// What inherits its output, of which there should be nothing, does not hold us up.
	c.cmd.WaitDelay = time.Second
	dieWithParent(c.cmd)
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
	said := c.saved.String()
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

// tail keeps the end of what is written to it.
type tail struct {
	mu  sync.Mutex
	buf []byte
}

// Write implements io.Writer.
func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.buf = append(t.buf, p...)
	if len(t.buf) > maxTail {
		t.buf = append(t.buf[:0], t.buf[len(t.buf)-maxTail:]...)
	}
	return len(p), nil
}

// String is the last line that says something.
func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	lines := strings.Split(strings.TrimSpace(string(bytes.ToValidUTF8(t.buf, nil))), "\n")
	return strings.TrimSpace(lines[len(lines)-1])
}

var _ io.Writer = (*tail)(nil)
