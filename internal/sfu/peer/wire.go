package peer

import (
	"net"
	"sync/atomic"
	"time"

	"github.com/pion/transport/v5/packetio"
)

// maxWaiting is how many datagrams of a handshake wait to be read, as in a socket.
const maxWaiting = 64

// wire is what pion's DTLS takes for its socket: records are pushed into it, and what is
// written goes where media does.
type wire struct {
	in     *packetio.Buffer
	write  func(b []byte) // immutable
	closed atomic.Bool
}

func newWire(write func(b []byte)) *wire {
	w := &wire{in: packetio.NewBuffer(), write: write}
	w.in.SetLimitCount(maxWaiting)
	return w
}

// push has a datagram read. What does not fit is lost.
func (w *wire) push(b []byte) { _, _ = w.in.Write(b, nil) }

// ReadFrom implements net.PacketConn.
func (w *wire) ReadFrom(b []byte) (int, net.Addr, error) {
	n, _, err := w.in.Read(b, nil)
	return n, wireAddr{}, err
}

// WriteTo implements net.PacketConn. It never waits, and loses what cannot be sent.
func (w *wire) WriteTo(b []byte, _ net.Addr) (int, error) {
	if w.closed.Load() {
		return 0, net.ErrClosed
	}
	w.write(b)
	return len(b), nil
}

// Close implements net.PacketConn.
func (w *wire) Close() error {
	w.closed.Store(true)
	return w.in.Close()
}

// LocalAddr implements net.PacketConn.
func (w *wire) LocalAddr() net.Addr { return wireAddr{} }

// SetDeadline implements net.PacketConn.
func (w *wire) SetDeadline(t time.Time) error { return w.SetReadDeadline(t) }

// SetReadDeadline implements net.PacketConn.
func (w *wire) SetReadDeadline(t time.Time) error { return w.in.SetReadDeadline(t) }

// SetWriteDeadline does nothing: writing does not wait.
func (w *wire) SetWriteDeadline(time.Time) error { return nil }

// wireAddr is where a wire ends: wherever ICE has found the client.
type wireAddr struct{}

// Network implements net.Addr.
func (wireAddr) Network() string { return "ice" }

// String implements net.Addr.
func (wireAddr) String() string { return "ice" }
