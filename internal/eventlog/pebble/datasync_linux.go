package pebble

import (
	"errors"
	"os"
	"syscall"
	"time"
	"unsafe"

	"github.com/cockroachdb/pebble/v2/vfs"
	"golang.org/x/sys/unix"
)

// datasync has the kernel sync the data of one file (io_submit(2), IOCB_CMD_FDSYNC),
// and hears from an eventfd(2) that it has: the goroutine waits like one that reads a
// socket. What is on the disk then, and what errors say, is as with fdatasync(2).
type datasync struct {
	file    uint32          // immutable; its descriptor
	context uintptr         // immutable; the kernel's queue
	ended   *os.File        // immutable; counts the syncs that have ended
	wait    syscall.RawConn // immutable; of ended
	eventfd uint32          // immutable; the descriptor of ended

	// Of the sync under way. The kernel reads and writes here during calls only.
	request  iocb
	requests [1]*iocb
	result   ioEvent
	count    uint64

	ending func() (n uintptr, e syscall.Errno) // collects the result; tests put another
}

// iocb is struct iocb of linux/aio_abi.h.
type iocb struct {
	data     uint64
	_        [2]uint32 // key and flags, in either order
	opcode   uint16
	priority int16
	file     uint32
	buffer   uint64
	bytes    uint64
	offset   int64
	_        uint64
	flags    uint32
	eventfd  uint32
}

// ioEvent is struct io_event.
type ioEvent struct {
	data, request uint64
	result, _     int64
}

const (
	opFdsync     = 3 // IOCB_CMD_FDSYNC
	flagEventfd  = 1 // IOCB_FLAG_RESFD
	maxSubmitted = 1
)

// newSyncer returns the best there is for a file, which is told whether it is a log, and
// why there is nothing better. It is nil if there is nothing.
func newSyncer(fd uintptr, log bool) (best syncer, lack error) {
	if fd == vfs.InvalidFd {
		return nil, unix.EBADF
	}
	if log {
		r, err := newRing(fd)
		if err == nil {
			return r, nil
		}
		lack = err
	}
	d, err := newDatasync(fd)
	if err != nil {
		return nil, errors.Join(lack, err)
	}
	return d, lack
}

// newDatasync returns one for a file. It fails where the system does not let us.
func newDatasync(fd uintptr) (*datasync, error) {
	d := &datasync{file: uint32(fd)}
	d.requests[0] = &d.request
	d.ending = d.collect
	if _, _, e := unix.Syscall(unix.SYS_IO_SETUP, maxSubmitted, uintptr(unsafe.Pointer(&d.context)), 0); e != 0 {
		return nil, e
	}
	eventfd, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		d.destroy()
		return nil, err
	}
	d.eventfd = uint32(eventfd)
	d.ended = os.NewFile(uintptr(eventfd), "eventfd")
	// Without the runtime's poller nobody would be told.
	if err := d.ended.SetReadDeadline(time.Time{}); err != nil {
		d.close()
		return nil, err
	}
	if d.wait, err = d.ended.SyscallConn(); err != nil {
		d.close()
		return nil, err
	}
	return d, nil
}

// sync syncs the file's data and returns what went wrong. begun is false if the
// kernel does not do that for this file; then nothing has happened, and err is why.
// None of its calls waits for the disk, so none is announced to the scheduler.
// io_submit allocates, and may wait for memory where that is short.
func (d *datasync) sync(int64) (begun bool, err error) {
	d.request = iocb{opcode: opFdsync, file: d.file, flags: flagEventfd, eventfd: d.eventfd}
	if _, _, e := unix.RawSyscall(unix.SYS_IO_SUBMIT, d.context, maxSubmitted, uintptr(unsafe.Pointer(&d.requests))); e != 0 {
		return false, os.NewSyscallError("io_submit", e)
	}
	for {
		if err := d.wait.Read(d.told); err != nil {
			return true, err
		}
		n, e := d.ending()
		switch {
		case e != 0 && e != unix.EINTR:
			return true, os.NewSyscallError("io_getevents", e)
		case e == 0 && n == 1:
			return true, d.result.err()
		}
	}
}

// collect takes the result of a sync that has ended, if one has.
func (d *datasync) collect() (n uintptr, e syscall.Errno) {
	n, _, e = unix.RawSyscall6(unix.SYS_IO_GETEVENTS, d.context, 0, maxSubmitted, uintptr(unsafe.Pointer(&d.result)), 0, 0)
	return n, e
}

// err is what fdatasync(2) would have returned.
func (e *ioEvent) err() error {
	if e.result < 0 {
		return os.NewSyscallError("fdatasync", syscall.Errno(-e.result))
	}
	return nil
}

// told takes what the eventfd has counted, and reports whether that was anything.
func (d *datasync) told(fd uintptr) bool {
	for {
		_, _, e := unix.RawSyscall(unix.SYS_READ, fd, uintptr(unsafe.Pointer(&d.count)), unsafe.Sizeof(d.count))
		if e != unix.EINTR {
			return e != unix.EAGAIN
		}
	}
}

func (d *datasync) keep([]byte) bool { return false }
func (d *datasync) take() []byte     { return nil }

// close must not be called during a sync.
func (d *datasync) close() {
	d.destroy()
	_ = d.ended.Close()
}

func (d *datasync) destroy() {
	_, _, _ = unix.Syscall(unix.SYS_IO_DESTROY, d.context, 0, 0)
}
