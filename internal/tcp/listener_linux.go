package tcp

import (
	"encoding/binary"
	"errors"
	"net"
	"os"
	"strconv"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

const supported = true

// listener accepts Conns.
type listener struct {
	net.Listener                 // immutable; the address is its
	file         *os.File        // immutable; the same socket, which the runtime waits for
	raw          syscall.RawConn // immutable
	closer       closer          // of the connections
}

// keptAlive is what net sets for each connection that it accepts. Connections have it
// from their listener.
var keptAlive = []struct{ level, option, value int }{
	{unix.IPPROTO_TCP, unix.TCP_NODELAY, 1},
	{unix.SOL_SOCKET, unix.SO_KEEPALIVE, 1},
	{unix.IPPROTO_TCP, unix.TCP_KEEPIDLE, 15}, // seconds
	{unix.IPPROTO_TCP, unix.TCP_KEEPINTVL, 15},
	{unix.IPPROTO_TCP, unix.TCP_KEEPCNT, 9},
}

func wrap(l *net.TCPListener) (net.Listener, error) {
	file, err := l.File()
	if err != nil {
		return nil, err
	}
	raw, err := file.SyscallConn()
	if err == nil {
		err = raw.Control(func(fd uintptr) {
			for _, o := range keptAlive {
				if e := unix.SetsockoptInt(int(fd), o.level, o.option, o.value); e != nil && err == nil {
					err = os.NewSyscallError("setsockopt", e)
				}
			}
		})
	}
	if err != nil {
		_ = file.Close()
		return nil, err
	}
	return &listener{Listener: l, file: file, raw: raw}, nil
}

// Accept implements net.Listener.
func (l *listener) Accept() (net.Conn, error) {
	var fd int
	var from unix.RawSockaddrAny
	var e unix.Errno
	err := l.raw.Read(func(s uintptr) bool {
		fd, e = accept(s, &from)
		return e != unix.EAGAIN
	})
	switch {
	case err != nil:
		return nil, &net.OpError{Op: "accept", Net: "tcp", Addr: l.Addr(), Err: closed(err)}
	case e != 0:
		if e == unix.EMFILE {
			l.closer.close()
		}
		return nil, &net.OpError{Op: "accept", Net: "tcp", Addr: l.Addr(), Err: os.NewSyscallError("accept4", e)}
	}
	return newConn(fd, localAddr(fd), address(&from), &l.closer)
}

// Close implements net.Listener.
func (l *listener) Close() error {
	_ = l.file.Close()
	return l.Listener.Close()
}

// closed is what net says of a listener that was closed, which files call otherwise.
func closed(err error) error {
	if _, ok := errors.AsType[unix.Errno](err); ok || errors.Is(err, os.ErrDeadlineExceeded) {
		return err
	}
	return net.ErrClosed
}

// accept is accept4(2), which never blocks here.
func accept(s uintptr, from *unix.RawSockaddrAny) (fd int, e unix.Errno) {
	for {
		size := uint32(unix.SizeofSockaddrAny)
		n, _, e := unix.RawSyscall6(unix.SYS_ACCEPT4, s, uintptr(unsafe.Pointer(from)), uintptr(unsafe.Pointer(&size)),
			unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0, 0)
		switch e {
		case 0:
			return int(n), 0
		case unix.EINTR, unix.ECONNABORTED: // who has gone again while it waited is nobody's business
		default:
			return -1, e
		}
	}
}

// localAddr returns the address that a client has connected to.
func localAddr(fd int) net.Addr {
	var at unix.RawSockaddrAny
	size := uint32(unix.SizeofSockaddrAny)
	_, _, _ = unix.RawSyscall(unix.SYS_GETSOCKNAME, uintptr(fd), uintptr(unsafe.Pointer(&at)), uintptr(unsafe.Pointer(&size)))
	return address(&at)
}

// address is a system's address as net has it; empty if it is of no kind that TCP has.
func address(a *unix.RawSockaddrAny) *net.TCPAddr {
	switch a.Addr.Family {
	case unix.AF_INET:
		in := (*unix.RawSockaddrInet4)(unsafe.Pointer(a))
		return &net.TCPAddr{IP: append(net.IP(nil), in.Addr[:]...), Port: port(&in.Port)}
	case unix.AF_INET6:
		in := (*unix.RawSockaddrInet6)(unsafe.Pointer(a))
		return &net.TCPAddr{IP: append(net.IP(nil), in.Addr[:]...), Port: port(&in.Port), Zone: zone(in.Scope_id)}
	}
	return &net.TCPAddr{}
}

// port reads a port, which is in network byte order.
func port(p *uint16) int { return int(binary.BigEndian.Uint16((*[2]byte)(unsafe.Pointer(p))[:])) }

// zone names the interface of a link-local address.
func zone(index uint32) string {
	if index == 0 {
		return ""
	}
	if i, err := net.InterfaceByIndex(int(index)); err == nil {
		return i.Name
	}
	return strconv.FormatUint(uint64(index), 10)
}
