package tcp

import "net"

// Wrap returns a listener whose connections are Conns, where the system has them;
// elsewhere l.
func Wrap(l net.Listener) net.Listener {
	if !supported {
		return l
	}
	return listener{l}
}

type listener struct{ net.Listener }

// Accept implements net.Listener.
func (l listener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if tcp, ok := conn.(*net.TCPConn); ok && err == nil {
		if quick, err := newConn(tcp); err == nil {
			return quick, nil
		}
	}
	return conn, err
}
