package transport

import (
	"context"
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	// A wake-up takes at most so many datagrams before what follows from them is
	// sent, and each, with UDP_GRO, may be a train.
	maxReads    = 32
	readRoom    = 1 << 16 // bytes, with UDP_GRO
	readRoomOne = 2048    // bytes, without

	// What arrived while the first packets were handled is of the same wake-up:
	// a frame comes packet by packet, and the first one wakes us. So many more
	// looks are taken, while there is little to send.
	maxLooks  = 4
	maxGather = 512 // packets

	// maxRefusals is how many trains in a row a path may refuse before no more
	// are tried: one may be too long for a link, all of them mean the device.
	maxRefusals = 8
)

// sysSocket is what Linux adds to a socket.
type sysSocket struct {
	raws     []syscall.RawConn // immutable; by member
	plain    bool              // immutable
	segments atomic.Bool       // UDP_SEGMENT works
	refusals atomic.Int32      // in a row
	coalesce bool              // immutable; UDP_GRO works
}

// newSocket binds an address once for each reader. The port stays exclusive:
// only while we bind our own are others of it let in.
func newSocket(addr netip.AddrPort, o Options) (*socket, error) {
	s := &socket{ufrags: map[string]*share{}}
	s.sys.plain = o.Plain
	s.sys.coalesce = !o.Plain
	for i := range o.Readers {
		c, err := bind(addr, i > 0)
		if err != nil {
			if i > 0 {
				break // fewer readers do as well
			}
			return nil, err
		}
		raw, err := c.SyscallConn()
		if err != nil {
			_ = c.Close()
			return nil, err
		}
		s.members, s.sys.raws = append(s.members, c), append(s.sys.raws, raw)
		addr = canonical(c.LocalAddr().(*net.UDPAddr).AddrPort())
		_ = setInt(raw, unix.SOL_SOCKET, unix.SO_REUSEPORT, 1)
		if !o.Plain {
			s.sys.coalesce = s.sys.coalesce && setInt(raw, unix.SOL_UDP, unix.UDP_GRO, 1) == nil
			s.sys.segments.Store(probeSegments(raw))
		}
	}
	for _, raw := range s.sys.raws {
		_ = setInt(raw, unix.SOL_SOCKET, unix.SO_REUSEPORT, 0)
	}
	s.addr = addr
	return s, nil
}

func bind(addr netip.AddrPort, shared bool) (*net.UDPConn, error) {
	var lc net.ListenConfig
	if shared {
		lc.Control = func(_, _ string, raw syscall.RawConn) error {
			return setInt(raw, unix.SOL_SOCKET, unix.SO_REUSEPORT, 1)
		}
	}
	c, err := lc.ListenPacket(context.Background(), "udp", addr.String())
	if err != nil {
		return nil, err
	}
	u := c.(*net.UDPConn)
	_ = u.SetReadBuffer(bufferSize)
	_ = u.SetWriteBuffer(bufferSize)
	return u, nil
}

func setInt(raw syscall.RawConn, level, name, value int) error {
	var err error
	if e := raw.Control(func(fd uintptr) { err = unix.SetsockoptInt(int(fd), level, name, value) }); e != nil {
		return e
	}
	return err
}

// probeSegments reports whether the kernel knows UDP_SEGMENT. Whether the
// device takes trains shows when one is sent.
func probeSegments(raw syscall.RawConn) bool {
	var err error
	if e := raw.Control(func(fd uintptr) { _, err = unix.GetsockoptInt(int(fd), unix.SOL_UDP, unix.UDP_SEGMENT) }); e != nil {
		return false
	}
	return err == nil
}

func (s *socket) trains() bool { return s.sys.segments.Load() }

// rawAddr is an address as the kernel has it, with its length.
type rawAddr struct {
	buf [unix.SizeofSockaddrInet6]byte
	n   uint32
}

func rawAddrOf(a netip.AddrPort, six bool) rawAddr {
	var r rawAddr
	if !six {
		sa := (*unix.RawSockaddrInet4)(unsafe.Pointer(&r.buf[0]))
		sa.Family, sa.Addr = unix.AF_INET, a.Addr().As4()
		binary.BigEndian.PutUint16((*[2]byte)(unsafe.Pointer(&sa.Port))[:], a.Port())
		r.n = unix.SizeofSockaddrInet4
		return r
	}
	binary.NativeEndian.PutUint16(r.buf[0:], unix.AF_INET6)
	binary.BigEndian.PutUint16(r.buf[2:], a.Port())
	ip := a.Addr().As16()
	copy(r.buf[8:], ip[:])
	r.n = unix.SizeofSockaddrInet6
	return r
}

func (s *socket) path(a netip.AddrPort) *Path {
	p := &Path{addr: a}
	if s.addr.Addr().Is4() == a.Addr().Is4() {
		p.dest = rawAddrOf(a, !a.Addr().Is4())
	}
	return p
}

// letter is one datagram on its way, for sendto.
type letter struct {
	b        []byte
	dest     rawAddr
	errno    syscall.Errno
	transmit func(fd uintptr) bool
}

var letters = sync.Pool{New: func() any {
	l := &letter{}
	l.transmit = l.sendto
	return l
}}

// write sends one datagram by itself.
func (s *socket) write(b []byte, to netip.AddrPort) (int, error) {
	if s.sys.plain || len(b) == 0 || to.Addr().Zone() != "" || s.addr.Addr().Is4() != to.Addr().Unmap().Is4() {
		return s.members[0].WriteToUDPAddrPort(b, to)
	}
	l := letters.Get().(*letter)
	defer letters.Put(l)
	to = canonical(to)
	l.b, l.dest, l.errno = b, rawAddrOf(to, !to.Addr().Is4()), 0
	err := s.sys.raws[0].Write(l.transmit)
	l.b = nil
	if err == nil && l.errno != 0 {
		err = l.errno
	}
	if err != nil {
		return 0, err
	}
	return len(b), nil
}

func (l *letter) sendto(fd uintptr) bool {
	for {
		_, _, l.errno = unix.RawSyscall6(unix.SYS_SENDTO, fd, uintptr(unsafe.Pointer(&l.b[0])), uintptr(len(l.b)),
			unix.MSG_DONTWAIT, uintptr(unsafe.Pointer(&l.dest.buf[0])), uintptr(l.dest.n))
		switch l.errno {
		case unix.EAGAIN:
			return false
		case unix.EINTR:
		default:
			return true
		}
	}
}

type message struct {
	hdr unix.Msghdr
	n   uint32
}

var controlSize = unix.CmsgSpace(4)

// read is a reader's goroutine.
func (s *socket) read(member int, batch *Batch) {
	size := readRoomOne
	if s.sys.coalesce {
		size = readRoom
	}
	in := newInbox(s.sys.raws[member], size, maxReads)
	for {
		n, err := in.read(true)
		for looks := 0; err == nil && n > 0; looks++ {
			s.handle(in, n, batch)
			if looks == maxLooks || len(batch.entries) == 0 || len(batch.entries) > maxGather {
				break
			}
			n, err = in.read(false)
		}
		batch.Flush()
		switch {
		case errors.Is(err, net.ErrClosed):
			return
		case err != nil:
			time.Sleep(time.Millisecond) // out of memory; the socket is as before
		}
	}
}

// handle dispatches what was read.
func (s *socket) handle(in *inbox, n int, batch *Batch) {
	for i := range n {
		from := in.from(i)
		b, segment := in.datagram(i)
		for len(b) > segment {
			s.dispatch(b[:segment:segment], from, batch)
			b = b[segment:]
		}
		s.dispatch(b, from, batch)
	}
}

// inbox is where a reader's datagrams come to lie.
type inbox struct {
	raw   syscall.RawConn
	room  []byte
	size  int
	names []unix.RawSockaddrInet6
	iov   []unix.Iovec
	ctl   []byte
	msgs  []message

	receive func(fd uintptr) bool // a method value, so that calls allocate nothing
	wait    bool
	got     int
	errno   syscall.Errno
}

// newInbox returns one for so many datagrams of a size. raw is nil if others call recvmmsg.
func newInbox(raw syscall.RawConn, size, reads int) *inbox {
	in := &inbox{
		raw: raw, size: size, room: make([]byte, reads*size),
		names: make([]unix.RawSockaddrInet6, reads), iov: make([]unix.Iovec, reads),
		ctl: make([]byte, reads*controlSize), msgs: make([]message, reads),
	}
	for i := range in.msgs {
		in.iov[i].Base = &in.room[i*size]
		in.iov[i].SetLen(size)
		h := &in.msgs[i].hdr
		h.Name = (*byte)(unsafe.Pointer(&in.names[i]))
		h.Iov = &in.iov[i]
		h.SetIovlen(1)
	}
	in.receive = in.recvmmsg
	return in
}

// read returns how many datagrams there are. It waits for some if it is told to.
func (in *inbox) read(wait bool) (int, error) {
	in.prepare(wait)
	if err := in.raw.Read(in.receive); err != nil {
		return 0, err
	}
	if in.errno != 0 {
		return 0, in.errno
	}
	return in.got, nil
}

// prepare makes the headers ready for recvmmsg.
func (in *inbox) prepare(wait bool) {
	in.wait = wait
	for i := range in.msgs {
		h := &in.msgs[i].hdr
		h.Namelen = unix.SizeofSockaddrInet6
		h.Control = &in.ctl[i*controlSize]
		h.SetControllen(controlSize)
	}
}

func (in *inbox) recvmmsg(fd uintptr) bool {
	for {
		// It never waits, so the scheduler need not know (see maxBrief).
		n, _, e := unix.RawSyscall6(unix.SYS_RECVMMSG, fd, uintptr(unsafe.Pointer(&in.msgs[0])), uintptr(len(in.msgs)), unix.MSG_DONTWAIT, 0, 0)
		switch e {
		case 0:
			in.got, in.errno = int(n), 0
			return true
		case unix.EINTR:
		case unix.EAGAIN:
			in.got, in.errno = 0, 0
			return !in.wait
		default:
			in.got, in.errno = 0, e
			return true
		}
	}
}

func (in *inbox) from(i int) netip.AddrPort {
	sa := &in.names[i]
	port := binary.BigEndian.Uint16((*[2]byte)(unsafe.Pointer(&sa.Port))[:])
	if sa.Family == unix.AF_INET {
		v4 := (*unix.RawSockaddrInet4)(unsafe.Pointer(sa))
		return netip.AddrPortFrom(netip.AddrFrom4(v4.Addr), port)
	}
	return netip.AddrPortFrom(netip.AddrFrom16(sa.Addr).Unmap(), port)
}

// datagram returns what was read, and how long each datagram of it is.
func (in *inbox) datagram(i int) (b []byte, segment int) {
	m := &in.msgs[i]
	n := min(int(m.n), in.size)
	b = in.room[i*in.size : i*in.size+n : (i+1)*in.size]
	if m.hdr.Flags&unix.MSG_TRUNC != 0 {
		return nil, 1
	}
	ctl := in.ctl[i*controlSize:][:min(int(m.hdr.Controllen), controlSize)]
	if len(ctl) >= unix.SizeofCmsghdr+4 {
		h := (*unix.Cmsghdr)(unsafe.Pointer(&ctl[0]))
		if h.Level == unix.SOL_UDP && h.Type == unix.UDP_GRO {
			if size := int(binary.NativeEndian.Uint32(ctl[unix.CmsgLen(0):])); size > 0 {
				return b, size
			}
		}
	}
	return b, max(n, 1)
}
