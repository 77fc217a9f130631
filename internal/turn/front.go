package turn

import (
	"errors"
	"net"
	"net/netip"

	"github.com/rollcall-rtc/rollcall/internal/sfu/transport"
)

// frontBuffer is asked of the kernel for a front, in bytes each way: all that clients send
// and get by UDP goes through it.
const frontBuffer = 4 << 20

// front is a UDP port that clients talk to. Answers of the relay itself are pion's to
// write, at once, by the connection's own methods. pion reads by one goroutine, which
// relays what it has read before it reads again: what a wake-up brought for media leaves
// when there is no more of it.
type front struct {
	*net.UDPConn                 // immutable
	port         *transport.Port // immutable

	batch *transport.Batch // reader only; nil while nothing waits in it
	from  netip.AddrPort   // reader only; of the last packet
	name  *net.UDPAddr     // reader only; the same
}

func newFront(conn *net.UDPConn) (*front, error) {
	_ = conn.SetReadBuffer(frontBuffer)
	_ = conn.SetWriteBuffer(frontBuffer)
	port, err := transport.NewPort(conn, transport.Options{})
	return &front{UDPConn: conn, port: port}, err
}

// ReadFrom implements net.PacketConn. It fails only when the port is closed, as pion
// expects.
func (f *front) ReadFrom(p []byte) (int, net.Addr, error) {
	for {
		b, from, ok := f.port.Next()
		if !ok {
			f.flush()
			if err := f.port.Wait(); errors.Is(err, net.ErrClosed) {
				return 0, nil, err
			}
			continue
		}
		if from != f.from {
			f.from, f.name = from, net.UDPAddrFromAddrPort(from) // pion may keep it
		}
		return copy(p, b), f.name, nil
	}
}

// send sends a packet of a client to media, with what else the wake-up brought. It is the
// reader's.
func (f *front) send(way *transport.Path, p []byte) {
	if f.batch == nil {
		f.batch = transport.BorrowWide()
	}
	copy(f.batch.Reserve(len(p)), p)
	f.batch.Add(way, len(p))
}

func (f *front) flush() {
	if f.batch != nil {
		f.batch.Return()
		f.batch = nil
	}
}
