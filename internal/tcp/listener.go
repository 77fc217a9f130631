package tcp

import "net"

// Wrap returns a listener whose connections are Conns, where the system has them;
// elsewhere l, which is closed with it.
func Wrap(l net.Listener) net.Listener {
	if t, ok := l.(*net.TCPListener); ok {
		if quick, err := wrap(t); err == nil {
			return quick
		}
	}
	return l
}
