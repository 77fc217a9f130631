package transport

import (
	"net/netip"
	"sync"

	"golang.org/x/sys/unix"
)

// portReads is how many datagrams a Port reads by one call, and each may be a train.
const portReads = 8

// portInboxes are lent to a Port while it has something to read: there may be thousands
// that wait. Those of the second are for trains.
var portInboxes = [2]sync.Pool{
	{New: func() any { return newInbox(nil, readRoomOne, portReads) }},
	{New: func() any { return newInbox(nil, readRoom, portReads) }},
}

// portInbox is what a wake-up of a Port brought. It is its reader's.
type portInbox struct {
	pool    *sync.Pool            // immutable
	receive func(fd uintptr) bool // immutable; a method value, so that calls allocate nothing

	wait    bool
	looks   int    // since the wake-up
	taken   int    // datagrams since the wake-up
	lent    *inbox // nil while there is nothing
	at      int    // the next message of it
	rest    []byte // of the message before, with from whom and in parts of what size
	from    netip.AddrPort
	segment int
}

// adopt is newSocket for one that is bound.
func (s *socket) adopt(o Options) error {
	raw, err := s.members[0].SyscallConn()
	if err != nil {
		return err
	}
	s.sys.raws = append(s.sys.raws, raw)
	s.sys.plain = o.Plain
	if !o.Plain {
		s.sys.coalesce = setInt(raw, unix.SOL_UDP, unix.UDP_GRO, 1) == nil
		s.sys.segments.Store(probeSegments(raw))
	}
	return nil
}

func (p *Port) begin() {
	p.in.pool = &portInboxes[0]
	if p.sock.sys.coalesce {
		p.in.pool = &portInboxes[1]
	}
	p.in.receive = p.in.recvmmsg
}

// Wait returns when there is something for Next. Its error is net.ErrClosed, or the
// socket is as before.
func (p *Port) Wait() error {
	p.in.looks, p.in.taken = 0, 0
	return p.in.read(p.sock, true)
}

// Next returns a datagram that the last wake-up brought, and from whom. It is valid until
// the next call. That is false when there are no more: what follows from them has to be
// sent before Wait.
func (p *Port) Next() (b []byte, from netip.AddrPort, ok bool) {
	in := &p.in
	for {
		switch {
		case len(in.rest) > in.segment:
			b, in.rest = in.rest[:in.segment:in.segment], in.rest[in.segment:]
			in.taken++
			return b, in.from, true
		case len(in.rest) > 0:
			b, in.rest = in.rest, nil
			in.taken++
			return b, in.from, true
		case in.lent != nil && in.at < in.lent.got:
			in.from = in.lent.from(in.at)
			in.rest, in.segment = in.lent.datagram(in.at)
			in.at++
		case in.lent == nil || in.looks == maxLooks || in.taken > maxGather:
			in.giveBack()
			return nil, netip.AddrPort{}, false
		default:
			in.looks++
			_ = in.read(p.sock, false) // an error comes again
		}
	}
}

// read reads what there is. It waits for some if it is told to.
func (in *portInbox) read(s *socket, wait bool) error {
	in.wait = wait
	if err := s.sys.raws[0].Read(in.receive); err != nil {
		in.giveBack()
		return err
	}
	if in.lent.errno != 0 {
		err := in.lent.errno
		in.giveBack()
		return err
	}
	if in.lent.got == 0 {
		in.giveBack()
	}
	return nil
}

func (in *portInbox) recvmmsg(fd uintptr) bool {
	if in.lent == nil {
		in.lent = in.pool.Get().(*inbox)
	}
	in.at = 0
	in.lent.prepare(in.wait)
	if !in.lent.recvmmsg(fd) {
		in.giveBack() // it may take long until there is something
		return false
	}
	return true
}

func (in *portInbox) giveBack() {
	if in.lent != nil {
		in.pool.Put(in.lent)
		in.lent = nil
	}
}
