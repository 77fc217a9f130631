package pebble

import (
	"errors"
	"fmt"
	"io"
	"os"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// ring has the kernel write to the end of one file and sync its data, both by one call
// (io_uring(7)). What is to be written it keeps until then. The goroutine waits like one
// that reads a socket.
type ring struct {
	file  int32                 // immutable; its descriptor
	uring *os.File              // immutable; of which the runtime says when there is news
	fd    uintptr               // immutable; its descriptor
	wait  syscall.RawConn       // immutable; of uring
	told  func(fd uintptr) bool // immutable; collect, which is made once

	queues, requests []byte // immutable; what is shared with the kernel
	begun            *queue // immutable; in queues: requests that the kernel is to take
	ended            *queue // immutable; in queues: results that we are to take
	results          []byte // immutable; in queues
	pending          []byte // what is to be written; outside of what Go collects, for it is read between calls
	size             int64  // of the file, if no thread has written; what is beyond the log's end counts for nothing

	// Of the sync under way.
	writes    int   // how much it writes, in bytes
	unwritten bool  // that failed
	result    error // why it failed, once it has ended
}

// queue is a ring of requests or of results. Who takes moves the head, who puts the tail.
type queue struct {
	head, tail *uint32 // atomic
	mask       uint32
}

const (
	ringSize  = 2        // a write and a sync
	ringKeeps = 64 << 10 // bytes
	ringGrows = 32 << 10 // bytes; half of what it keeps, at most
	sqeSize   = int(unsafe.Sizeof(sqe{}))
	cqeSize   = int(unsafe.Sizeof(cqe{}))
	mapQueues = 0          // IORING_OFF_SQ_RING
	mapSQEs   = 0x10000000 // IORING_OFF_SQES
	opFsync   = 3          // IORING_OP_FSYNC
	opWrite   = 23         // IORING_OP_WRITE
	linked    = 1 << 2     // IOSQE_IO_LINK: the next one is for when this one has succeeded
	onlyFails = 1 << 6     // IOSQE_CQE_SKIP_SUCCESS
	syncsData = 1          // IORING_FSYNC_DATASYNC

	// IORING_FEAT_SINGLE_MMAP and _CQE_SKIP: since Linux 5.17.
	ringFeatures = 1<<0 | 1<<11
)

// sqe is struct io_uring_sqe of linux/io_uring.h.
type sqe struct {
	opcode, flags   uint8
	priority        uint16
	file            int32
	offset, address uint64
	length, options uint32
	request         uint64
	_               [3]uint64
}

// cqe is struct io_uring_cqe.
type cqe struct {
	request uint64
	result  int32
	_       uint32
}

// ringParams is struct io_uring_params.
type ringParams struct {
	requests, results, flags, cpu, idle, features, workers uint32
	_                                                      [3]uint32
	sq                                                     struct { // where in the queues each is
		head, tail, mask, size, flags, dropped, array, _ uint32
		_                                                uint64
	}
	cq struct { // as sq
		head, tail, mask, size, overflow, entries, flags, _ uint32
		_                                                   uint64
	}
}

// newRing returns one for a file, which nothing is written to or synced past it from
// then on. It fails where the system does not let us; then the file is as it was.
func newRing(fd uintptr) (*ring, error) {
	var p ringParams
	n, _, e := unix.Syscall(unix.SYS_IO_URING_SETUP, ringSize, uintptr(unsafe.Pointer(&p)), 0)
	if e != 0 {
		return nil, os.NewSyscallError("io_uring_setup", e)
	}
	r := &ring{file: int32(fd), fd: n}
	r.told = r.collect
	_ = unix.SetNonblock(int(n), true) // which tells NewFile that the runtime can wait for it
	r.uring = os.NewFile(n, "io_uring")
	err := r.share(&p)
	if err == nil {
		err = r.uring.SetReadDeadline(time.Time{}) // without the runtime's poller nobody would be told
	}
	if err == nil {
		r.wait, err = r.uring.SyscallConn()
	}
	if err == nil {
		err = r.measure()
	}
	if err == nil {
		err = r.try()
	}
	if err != nil {
		r.close()
		return nil, err
	}
	return r, nil
}

// share maps what is shared with the kernel.
func (r *ring) share(p *ringParams) error {
	if p.features&ringFeatures != ringFeatures {
		return fmt.Errorf("io_uring: %w: features %#x", errors.ErrUnsupported, p.features)
	}
	size := max(int(p.sq.array+4*p.requests), int(p.cq.entries)+cqeSize*int(p.results))
	var err error
	if r.queues, err = r.mapped(mapQueues, size); err != nil {
		return err
	}
	if r.requests, err = r.mapped(mapSQEs, sqeSize*int(p.requests)); err != nil {
		return err
	}
	kept, err := unix.Mmap(-1, 0, ringKeeps, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
	if err != nil {
		return os.NewSyscallError("mmap", err)
	}
	r.pending = kept[:0]
	r.begun = &queue{r.word(p.sq.head), r.word(p.sq.tail), *r.word(p.sq.mask)}
	r.ended = &queue{r.word(p.cq.head), r.word(p.cq.tail), *r.word(p.cq.mask)}
	r.results = r.queues[p.cq.entries:]
	for i := range p.requests {
		*r.word(p.sq.array + 4*i) = i // each place is of one request
	}
	return nil
}

func (r *ring) mapped(offset int64, size int) ([]byte, error) {
	b, err := unix.Mmap(int(r.fd), offset, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED|unix.MAP_POPULATE)
	return b, os.NewSyscallError("mmap", err)
}

func (r *ring) word(offset uint32) *uint32 { return (*uint32)(unsafe.Pointer(&r.queues[offset])) }

// measure reads the size of the file: a log that is used again is long.
func (r *ring) measure() error {
	var stat unix.Stat_t
	if err := unix.Fstat(int(r.file), &stat); err != nil {
		return os.NewSyscallError("fstat", err)
	}
	r.size = stat.Size
	return nil
}

// try writes nothing and syncs that, both as later.
func (r *ring) try() error {
	begun, err := r.begin(0, true)
	if begun {
		err = r.end()
	}
	return err
}

// keep has b written by the next sync. It reports whether there is room for it.
func (r *ring) keep(b []byte) bool {
	if len(b) > cap(r.pending)-len(r.pending) {
		return false
	}
	r.pending = append(r.pending, b...)
	return true
}

// take returns what is kept, which is no more, and valid until the next call of keep.
func (r *ring) take() []byte {
	b := r.pending
	r.pending = r.pending[:0]
	return b
}

// sync writes what is kept to a place in the file, syncs its data and returns what went
// wrong; it is kept still. begun is false if the kernel does not do that now, and err is why:
// then nothing is synced. After another error the file is not to be used.
func (r *ring) sync(at int64) (begun bool, err error) {
	if begun, err = r.begin(at, len(r.pending) > 0); !begun {
		return false, err
	}
	err = r.end()
	return !r.unwritten, err
}

// begin hands the kernel a sync, and before that a write of what is kept if write is set.
// The call takes the requests and waits for no disk: what would have to wait, a worker of
// the kernel does.
func (r *ring) begin(at int64, write bool) (begun bool, err error) {
	r.writes, r.unwritten = len(r.pending), false
	tail := *r.begun.tail // only we move it
	next := tail
	if write {
		r.grow(at)
		*r.place(next) = sqe{
			opcode: opWrite, flags: linked | onlyFails, file: r.file, offset: uint64(at),
			address: uint64(uintptr(unsafe.Pointer(unsafe.SliceData(r.pending)))), length: uint32(r.writes), request: opWrite,
		}
		next++
	}
	*r.place(next) = sqe{opcode: opFsync, file: r.file, options: syncsData, request: opFsync}
	next++
	atomic.StoreUint32(r.begun.tail, next)
	n, _, e := unix.RawSyscall6(unix.SYS_IO_URING_ENTER, r.fd, uintptr(next-tail), 0, 0, 0, 0)
	if e != 0 && atomic.LoadUint32(r.begun.head) == tail { // none is taken
		atomic.StoreUint32(r.begun.tail, tail)
		return false, os.NewSyscallError("io_uring_enter", e)
	}
	if e != 0 {
		return true, os.NewSyscallError("io_uring_enter", e)
	}
	if n != uintptr(next-tail) {
		return true, fmt.Errorf("io_uring_enter: %w: %d requests of %d", io.ErrShortWrite, n, next-tail)
	}
	return true, nil
}

// grow has zeros written after what is kept where the file ends there: up to the next
// multiple of ringGrows. A file that does not become longer is synced without its inode,
// which on a file system with a journal is a second write, and a second wait. Pebble takes
// zeros for the end of its log.
func (r *ring) grow(at int64) {
	end := at + int64(len(r.pending))
	if end <= r.size {
		return
	}
	r.size = min((end+ringGrows-1)/ringGrows*ringGrows, at+int64(cap(r.pending)))
	r.writes = int(r.size - at)
	clear(r.pending[len(r.pending):r.writes])
}

func (r *ring) place(at uint32) *sqe {
	return (*sqe)(unsafe.Pointer(&r.requests[int(at&r.begun.mask)*sqeSize]))
}

// end waits for the sync.
func (r *ring) end() error {
	if err := r.wait.Read(r.told); err != nil {
		return err
	}
	return r.result
}

// collect takes the results there are, and reports whether the sync has ended: with that of
// the sync itself, or with the first failure.
func (r *ring) collect(uintptr) bool {
	head := *r.ended.head // only we move it
	for tail := atomic.LoadUint32(r.ended.tail); head != tail; {
		c := *(*cqe)(unsafe.Pointer(&r.results[int(head&r.ended.mask)*cqeSize]))
		head++
		atomic.StoreUint32(r.ended.head, head)
		r.result = c.err(r.writes)
		if c.request == opFsync || r.result != nil {
			r.unwritten = c.request == opWrite
			return true
		}
	}
	return false
}

// err is what write(2) or fdatasync(2) would have returned.
func (c *cqe) err(writes int) error {
	call := "fdatasync"
	if c.request == opWrite {
		call = "write"
	}
	switch {
	case c.result < 0:
		return os.NewSyscallError(call, syscall.Errno(-c.result))
	case c.request == opWrite && int(c.result) < writes:
		return io.ErrShortWrite
	}
	return nil
}

// close must not be called during a sync. What is kept is lost.
func (r *ring) close() {
	for _, m := range [][]byte{r.queues, r.requests, r.pending[:cap(r.pending)]} {
		if m != nil {
			_ = unix.Munmap(m)
		}
	}
	_ = r.uring.Close()
}
