package tcp

import (
	"errors"
	"io"
	"net"
	"os"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/rollcall-rtc/rollcall/internal/rawfile"
)

// Conn is a TCP connection that was accepted.
type Conn struct {
	file          *rawfile.File // immutable
	local, remote net.Addr      // immutable
	closer        *closer       // immutable; of the file
	closed        atomic.Bool
}

// newConn takes over a socket that does not block.
func newConn(fd int, local, remote net.Addr, c *closer) (*Conn, error) {
	socket := os.NewFile(uintptr(fd), "tcp")
	file, err := rawfile.New(socket)
	if err != nil {
		_ = socket.Close()
		return nil, err
	}
	return &Conn{file: file, local: local, remote: remote, closer: c}, nil
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
	if err := c.shutdown(unix.SHUT_WR); err != nil || c.closed.Load() {
		return c.wrap("close", err)
	}
	return nil
}

// Close implements net.Conn. The other side and who reads or writes here see it at once;
// the descriptor is closed a little later, with others.
func (c *Conn) Close() error {
	if !c.closed.CompareAndSwap(false, true) {
		return c.wrap("close", net.ErrClosed)
	}
	_ = c.shutdown(unix.SHUT_RDWR) // fails where the other side has reset
	c.closer.add(c.file)
	return nil
}

func (c *Conn) shutdown(how uintptr) error {
	var e unix.Errno
	err := c.file.Control(func(fd uintptr) { _, _, e = unix.RawSyscall(unix.SYS_SHUTDOWN, fd, how, 0) })
	if err == nil && e != 0 {
		err = os.NewSyscallError("shutdown", e)
	}
	return err
}

func (c *Conn) setting(err error) error {
	if err != nil || c.closed.Load() {
		return c.wrap("set", err)
	}
	return nil
}

// Read implements net.Conn.
func (c *Conn) Read(b []byte) (int, error) {
	n, err := c.file.Read(b)
	if c.closed.Load() {
		return 0, c.wrap("read", net.ErrClosed)
	}
	if err != nil && !errors.Is(err, io.EOF) {
		err = c.wrap("read", err)
	}
	return n, err
}

// Write implements net.Conn.
func (c *Conn) Write(b []byte) (int, error) {
	n, err := c.file.Write(b)
	if err != nil || c.closed.Load() {
		err = c.wrap("write", err)
	}
	return n, err
}

// wrap has an error say what net says, also if a call that was made after Close has none.
func (c *Conn) wrap(op string, err error) error {
	if c.closed.Load() {
		err = net.ErrClosed
	}
	return &net.OpError{Op: op, Net: "tcp", Source: c.local, Addr: c.remote, Err: err}
}
