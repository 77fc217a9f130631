package tcp

import (
	"io"
	"net"
	"os"
	"sync"
	"unsafe"

	"golang.org/x/sys/unix"
)

const supported = true

// Conn is a TCP connection. It is used like the one in it.
type Conn struct {
	*net.TCPConn
	in, out half
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

func newConn(tcp *net.TCPConn) (*Conn, error) {
	raw, err := tcp.SyscallConn()
	if err != nil {
		return nil, err
	}
	c := &Conn{TCPConn: tcp}
	c.in.op, c.in.wait, c.in.call = "read", raw.Read, c.in.read
	c.out.op, c.out.wait, c.out.call = "write", raw.Write, c.out.write
	return c, nil
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
	if err == nil && h.err != 0 {
		err = os.NewSyscallError(h.op, h.err)
	}
	if err != nil {
		return h.n, c.wrap(h.op, err)
	}
	return h.n, nil
}

// wrap has an error say what net says.
func (c *Conn) wrap(op string, err error) error {
	if in, ok := err.(*net.OpError); ok {
		err = in.Err
	}
	return &net.OpError{Op: op, Net: "tcp", Source: c.LocalAddr(), Addr: c.RemoteAddr(), Err: err}
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
