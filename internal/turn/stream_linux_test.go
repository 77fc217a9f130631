package turn

import (
	"net"
	"syscall"
	"testing"
)

// A client's address and port may be connected to two of the server's addresses.
func TestOneAddressConnectsToTwo(t *testing.T) {
	tc := newRig(t, func(o *Options) { o.ExternalTLS, o.BindAddresses = true, []string{"127.0.0.1", "127.0.0.2"} })
	var local net.Addr
	for _, l := range tc.server.tcp {
		d := net.Dialer{LocalAddr: local, Control: func(_, _ string, c syscall.RawConn) (err error) {
			if e := c.Control(func(fd uintptr) { err = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_REUSEADDR, 1) }); e != nil {
				return e
			}
			return err
		}}
		if local == nil {
			d.LocalAddr = &net.TCPAddr{IP: loopback.AsSlice()}
		}
		conn, err := d.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		local = conn.LocalAddr()
	}
	tc.eventually("both to count", func() bool { return tc.server.Stats().Connections == 2 })
}
