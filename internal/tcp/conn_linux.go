package tcp

import (
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Conn is a TCP connection that was accepted.
type Conn struct {
	file          *os.File // immutable; the runtime waits for its socket
	raw           syscall.RawConn
	local, remote net.Addr // immutable
	in, out       half
}

// half is one direction. Its system call is made on the goroutine that reads or
// writes, while the connection's own lock of that direction is held.
type half struct {
	mu   sync.Mutex
	op   string                         // immutable; "read" or "write"
	wait func(func(uintptr) bool) error // immutable; calls until it need not wait any more
	call func(fd uintptr) bool          // immutable; reports false when it has to wait
	b    []byte                         // mu guards; what is to be read into or written
	n    int                            // mu guards; how much of it was
	err  unix.Errno                     // mu guards
}

// newConn takes over a socket that does not block.
func newConn(fd int, local, remote net.Addr) (*Conn, error) {
	c := &Conn{file: os.NewFile(uintptr(fd), "tcp"), local: local, remote: remote}
	raw, err := c.file.SyscallConn()
	if err != nil {
		_ = c.file.Close()
		return nil, err
	}
	c.raw = raw
	c.in.op, c.in.wait, c.in.call = "read", raw.Read, c.in.read
	c.out.op, c.out.wait, c.out.call = "write", raw.Write, c.out.write
	return c, nil
}

// LocalAddr implements net.Conn.
func (c *Conn) LocalAddr() net.Addr { return c.local }

// RemoteAddr implements net.Conn.
func (c *Conn) RemoteAddr() net.Addr { return c.remote }

// SetDeadline implements net.Conn.
func (c *Conn) SetDeadline(t time.Time) error { return c.setting(c.file.SetDeadline(t)) }

// SetReadDeadline implements net.Conn.
func (c *Conn) SetReadDeadline(t time.Time) error { return c.setting(c.file.SetReadDeadline(t)) }

// SetWriteDeadline implements net.Conn.
func (c *Conn) SetWriteDeadline(t time.Time) error { return c.setting(c.file.SetWriteDeadline(t)) }

// CloseWrite ends what is sent, as that of net.TCPConn does.
func (c *Conn) CloseWrite() error {
	var e unix.Errno
	err := c.raw.Control(func(fd uintptr) {
		_, _, e = unix.RawSyscall(unix.SYS_SHUTDOWN, fd, unix.SHUT_WR, 0)
	})
	if err == nil && e != 0 {
		err = os.NewSyscallError("shutdown", e)
	}
	if err != nil {
		return c.wrap("close", closed(err))
	}
	return nil
}

// Close implements net.Conn.
func (c *Conn) Close() error {
	if err := c.file.Close(); err != nil {
		return c.wrap("close", closed(err))
	}
	return nil
}

func (c *Conn) setting(err error) error {
	if err != nil {
		return c.wrap("set", closed(err))
	}
	return nil
}

// closed is what net says of a connection that was closed, which files call otherwise.
func closed(err error) error {
	if _, ok := errors.AsType[unix.Errno](err); ok || errors.Is(err, os.ErrDeadlineExceeded) {
		return err
	}
	return net.ErrClosed
}

// Read implements net.Conn.
func (c *Conn) Read(b []byte) (int, error) {
	n, err := c.do(&c.in, b)
	if n == 0 && err == nil && len(b) > 0 {
		return 0, io.EOF
	}
	return n, err
}

// Write implements net.Conn.
func (c *Conn) Write(b []byte) (int, error) { return c.do(&c.out, b) }

// do reads into b, or writes it.
func (c *Conn) do(h *half, b []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.b, h.n, h.err = b, 0, 0
	err := h.wait(h.call)
	h.b = nil
	switch {
	case err != nil:
		return h.n, c.wrap(h.op, closed(err))
	case h.err != 0:
		return h.n, c.wrap(h.op, os.NewSyscallError(h.op, h.err))
	}
	return h.n, nil
}

// wrap has an error say what net says.
func (c *Conn) wrap(op string, err error) error {
	return &net.OpError{Op: op, Net: "tcp", Source: c.local, Addr: c.remote, Err: err}
}

// maxCall is how much one call reads or writes, in bytes: a call that copies
// megabytes would keep the scheduler waiting.
const maxCall = 256 << 10

func (h *half) read(fd uintptr) bool {
	b := h.b[:min(len(h.b), maxCall)]
	for {
		n, _, e := unix.RawSyscall(unix.SYS_READ, fd, uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)))
		switch e {
		case 0:
			h.n = int(n)
			return true
		case unix.EINTR:
		case unix.EAGAIN:
			return false
		default:
			h.err = e
			return true
		}
	}
}

func (h *half) write(fd uintptr) bool {
	for h.n < len(h.b) {
		b := h.b[h.n:min(len(h.b), h.n+maxCall)]
		n, _, e := unix.RawSyscall(unix.SYS_WRITE, fd, uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)))
		switch e {
		case 0:
			h.n += int(n)
		case unix.EINTR:
		case unix.EAGAIN:
			return false
		default:
			h.err = e
			return true
		}
	}
	return true
}
