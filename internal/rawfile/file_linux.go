package rawfile

import (
	"errors"
	"io"
	"os"
	"sync"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// File is a pipe or a socket. To the race detector a read is not after the write that it
// waited for, as it is with os.File. Its errors are those of os.File, without a path: one
// that says that it is closed is os.ErrClosed.
type File struct {
	file    *os.File        // immutable; the runtime waits for it
	raw     syscall.RawConn // immutable
	in, out half
}

// half is one direction. Its system call is made on the goroutine that reads or
// writes, while the file's own lock of that direction is held.
type half struct {
	mu   sync.Mutex
	op   string                         // immutable; "read" or "write"
	wait func(func(uintptr) bool) error // immutable; calls until it need not wait any more
	call func(fd uintptr) bool          // immutable; reports false when it has to wait
	b    []byte                         // mu guards; what is to be read into or written
	n    int                            // mu guards; how much of it was
	err  unix.Errno                     // mu guards
}

// New takes over a pipe of os.Pipe, or a socket that does not block. Nothing else may
// read or write it then.
func New(file *os.File) (*File, error) {
	raw, err := file.SyscallConn()
	if err != nil {
		return nil, err
	}
	f := &File{file: file, raw: raw}
	f.in.op, f.in.wait, f.in.call = "read", raw.Read, f.in.read
	f.out.op, f.out.wait, f.out.call = "write", raw.Write, f.out.write
	return f, nil
}

// Read implements io.Reader.
func (f *File) Read(b []byte) (int, error) {
	n, err := f.in.do(b)
	if n == 0 && err == nil && len(b) > 0 {
		return 0, io.EOF
	}
	return n, err
}

// Write implements io.Writer.
func (f *File) Write(b []byte) (int, error) { return f.out.do(b) }

// SetDeadline is that of os.File.
func (f *File) SetDeadline(t time.Time) error { return f.file.SetDeadline(t) }

// SetReadDeadline is that of os.File.
func (f *File) SetReadDeadline(t time.Time) error { return f.file.SetReadDeadline(t) }

// SetWriteDeadline is that of os.File.
func (f *File) SetWriteDeadline(t time.Time) error { return f.file.SetWriteDeadline(t) }

// Close is that of os.File: who reads or writes returns.
func (f *File) Close() error { return f.file.Close() }

// Control calls with the descriptor, which is open until that returns.
func (f *File) Control(call func(fd uintptr)) error { return closed(f.raw.Control(call)) }

// closed is what os says of a file that was closed, which its raw form calls otherwise.
func closed(err error) error {
	var e unix.Errno
	if err == nil || errors.As(err, &e) || errors.Is(err, os.ErrDeadlineExceeded) {
		return err
	}
	return os.ErrClosed
}

// do reads into b, or writes it.
func (h *half) do(b []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.b, h.n, h.err = b, 0, 0
	err := h.wait(h.call)
	h.b = nil
	switch {
	case err != nil:
		return h.n, closed(err)
	case h.err != 0:
		return h.n, os.NewSyscallError(h.op, h.err)
	}
	return h.n, nil
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
