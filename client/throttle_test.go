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
	lose atomic.Int64 // of the media that comes in, each packet of so many is lost; 0 is none
	lost atomic.Int64 // packets
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
	link  *link
	media atomic.Int64 // packets of it
}

// loses reports whether a packet that has come is lost on the way: RTP, by RFC 7983
// §7 and RFC 5761 §4.
func (c *linkConn) loses(b []byte) bool {
	n := c.link.lose.Load()
	if n == 0 || len(b) < 2 || b[0] < 128 || b[0] > 191 || b[1] >= 192 && b[1] <= 223 || c.media.Add(1)%n != 0 {
		return false
	}
	c.link.lost.Add(1)
	return true
}

// ReadFrom implements net.PacketConn.
func (c *linkConn) ReadFrom(b []byte) (int, net.Addr, error) {
	for {
		n, from, err := c.UDPConn.ReadFrom(b)
		if err == nil && (c.link.cut.Load() || c.loses(b[:n])) {
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
