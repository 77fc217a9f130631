package client_test

import (
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pion/transport/v5"
	"github.com/pion/transport/v5/stdnet"
	"github.com/pion/webrtc/v4"

	"github.com/rollcall-rtc/rollcall/client"
)

// link is a client's way into the network, which can be made narrow, or cut.
type link struct {
	*stdnet.Net

	rate atomic.Int64 // of what comes in, in bits per second; 0 is no limit
	cut  atomic.Bool  // nothing goes either way
}

// throughLink returns an option that has all media pass through the link.
func throughLink(t *testing.T) (*link, func(*client.Options)) {
	t.Helper()
	n, err := stdnet.NewNet()
	if err != nil {
		t.Fatal(err)
	}
	l := &link{Net: n}
	return l, func(o *client.Options) {
		o.NetworkTypes = []webrtc.NetworkType{webrtc.NetworkTypeUDP4}
		o.Configure = func(e *webrtc.SettingEngine) { e.SetNet(l) }
	}
}

// ListenUDP implements transport.Net.
func (l *link) ListenUDP(network string, addr *net.UDPAddr) (transport.UDPConn, error) {
	c, err := l.Net.ListenUDP(network, addr)
	if err != nil {
		return nil, err
	}
	// What waits in front of a narrow link is a queue, and not a long one.
	return &linkConn{UDPConn: c, link: l}, c.SetReadBuffer(24 << 10)
}

type linkConn struct {
	transport.UDPConn
	link *link
}

// ReadFrom implements net.PacketConn.
func (c *linkConn) ReadFrom(b []byte) (int, net.Addr, error) {
	for {
		n, from, err := c.UDPConn.ReadFrom(b)
		if err == nil && c.link.cut.Load() {
			continue
		}
		if rate := c.link.rate.Load(); rate > 0 && err == nil {
			time.Sleep(time.Duration(int64(n) * 8 * int64(time.Second) / rate))
		}
		return n, from, err
	}
}

// WriteTo implements net.PacketConn.
func (c *linkConn) WriteTo(b []byte, to net.Addr) (int, error) {
	if c.link.cut.Load() {
		return len(b), nil
	}
	return c.UDPConn.WriteTo(b, to)
}
