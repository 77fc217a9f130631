package transport

import (
	"encoding/binary"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// maxBrief is how many messages one call takes, so that it is too short to tell the
// scheduler of it. Telling wakes its watchdog, which then looks around for a while: a
// sixth of the CPU of a server with little to do. It also may take the processor away
// meanwhile, and the rest of the batch has to wait until it gets one again.
const maxBrief = 32

// outbox is the messages of a batch, for sendmmsg. Its slices are kept.
type outbox struct {
	msgs  []message
	paths []*Path
	first []int32 // entry each message begins with
	count []int32 // packets of each message
	iov   []unix.Iovec
	ctl   []byte

	transmit func(fd uintptr) bool
	at       int // messages that are done
	batch    *Batch
	sock     *socket
}

// add queues count packets, from entry i on, as one message.
func (o *outbox) add(_ *Batch, p *Path, i int32, count int) {
	if p.dest.n == 0 {
		return // another family than the socket's
	}
	o.paths = append(o.paths, p)
	o.first = append(o.first, i)
	o.count = append(o.count, int32(count))
}

// fill writes the headers. Nothing of a batch moves any more now.
func (o *outbox) fill(b *Batch) {
	n := len(o.paths)
	if cap(o.msgs) < n {
		o.msgs = make([]message, n, max(n, 2*cap(o.msgs)))
		o.ctl = make([]byte, cap(o.msgs)*controlSize)
	}
	o.msgs = o.msgs[:n]
	if cap(o.iov) < len(b.entries) {
		o.iov = make([]unix.Iovec, max(len(b.entries), 2*cap(o.iov)))
	}
	iov := o.iov[:cap(o.iov)]
	for m := range o.msgs {
		p, at, count := o.paths[m], o.first[m], int(o.count[m])
		h := &o.msgs[m].hdr
		*h = unix.Msghdr{Name: &p.dest.buf[0], Namelen: p.dest.n, Iov: &iov[0]}
		size := b.entries[at].n
		for i := range count {
			e := &b.entries[at]
			iov[i].Base = &b.arena[e.off]
			iov[i].SetLen(int(e.n))
			at = e.next
		}
		h.SetIovlen(count)
		iov = iov[count:]
		if count > 1 {
			c := o.ctl[m*controlSize : (m+1)*controlSize]
			ch := (*unix.Cmsghdr)(unsafe.Pointer(&c[0]))
			ch.Level, ch.Type = unix.SOL_UDP, unix.UDP_SEGMENT
			ch.SetLen(unix.CmsgLen(2))
			binary.NativeEndian.PutUint16(c[unix.CmsgLen(0):], uint16(size))
			h.Control = &c[0]
			h.SetControllen(unix.CmsgSpace(2))
		}
	}
}

// send sends what was queued for the socket.
func (s *socket) send(b *Batch) {
	o := &b.out
	if s.sys.plain {
		for m, at := range o.first {
			_, _ = s.members[s.through(b)].WriteToUDPAddrPort(b.bytes(at), o.paths[m].addr)
		}
		o.reset()
		return
	}
	o.fill(b)
	if o.transmit == nil {
		o.transmit = o.sendmmsg
	}
	o.at, o.batch, o.sock = 0, b, s
	// An error is that the socket is closed.
	_ = s.sys.raws[s.through(b)].Write(o.transmit)
	o.reset()
}

func (o *outbox) reset() {
	clear(o.paths)
	clear(o.msgs) // what they point to may be freed
	o.msgs, o.paths, o.first, o.count = o.msgs[:0], o.paths[:0], o.first[:0], o.count[:0]
	o.batch, o.sock = nil, nil
}

// sendmmsg sends all messages, and reports false when it has to wait for the
// socket.
func (o *outbox) sendmmsg(fd uintptr) bool {
	for o.at < len(o.msgs) {
		some := o.msgs[o.at:min(len(o.msgs), o.at+maxBrief)]
		n, _, e := unix.RawSyscall6(unix.SYS_SENDMMSG, fd, uintptr(unsafe.Pointer(&some[0])), uintptr(len(some)), unix.MSG_DONTWAIT, 0, 0)
		switch e {
		case 0:
			o.at += int(n)
			o.sock.sys.refusals.Store(0)
		case unix.EAGAIN:
			return false
		case unix.EINTR:
		default:
			if o.count[o.at] > 1 {
				if !o.refused(fd, e) {
					return false
				}
			}
			o.at++ // lost, as any packet may be
		}
	}
	return true
}

// refused sends the packets of a train that the kernel refuses one by one, and
// gives trains up where they are not taken at all.
func (o *outbox) refused(fd uintptr, e syscall.Errno) bool {
	if e == unix.EIO || e == unix.EINVAL || e == unix.EOPNOTSUPP {
		if n := o.sock.sys.refusals.Add(1); n >= maxRefusals || e != unix.EINVAL {
			o.sock.sys.segments.Store(false)
		}
	}
	p, at := o.paths[o.at], o.first[o.at]
	for range o.count[o.at] {
		b := o.batch.bytes(at)
		_, _, _ = unix.Syscall6(unix.SYS_SENDTO, fd, uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)),
			unix.MSG_DONTWAIT, uintptr(unsafe.Pointer(&p.dest.buf[0])), uintptr(p.dest.n))
		at = o.batch.entries[at].next
	}
	return true
}
