package transport

import (
	"errors"
	"io"
	"net"
	"testing"
)

// gone is what ICE-TCP has for a client whose connection ended.
type gone struct{ net.PacketConn }

func (gone) WriteTo([]byte, net.Addr) (int, error) { return 0, io.ErrClosedPipe }

func TestATCPConnectionThatEndedLosesPacketsOnly(t *testing.T) {
	l := NewLink(newMux(t, Options{}), new(catcher))
	_, err := l.Adopt(gone{}, true).WriteTo([]byte{1}, &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1})
	if !errors.Is(err, net.ErrClosed) || errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("write: %v", err)
	}
}

// oneConn is an ICE-TCP multiplexer with one connection.
type oneConn struct {
	net.PacketConn
	removed chan string
}

func (m oneConn) GetConnByUfrag(string, bool, net.IP) (net.PacketConn, error) {
	return m.PacketConn, nil
}

func (m oneConn) RemoveConnByUfrag(ufrag string) { m.removed <- ufrag }

func TestTCPConnectionsOutliveTheirAgentForAWhile(t *testing.T) {
	ours, err := net.ListenPacket("udp", "127.0.0.1:0") // it is framed already
	if err != nil {
		t.Fatal(err)
	}
	theirs, err := net.Dial("udp", ours.LocalAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer theirs.Close()
	inner := oneConn{ours, make(chan string, 1)}
	media := new(catcher)
	streams := NewLink(nil, media).Streams(inner)
	c, err := streams.GetConnByUfrag("name", false, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range [][]byte{{0x80, 1}, {1, 2, 3}} {
		if _, err := theirs.Write(b); err != nil {
			t.Fatal(err)
		}
	}
	b := make([]byte, 100)
	n, from, err := c.ReadFrom(b)
	if err != nil || n != 3 || from.String() != theirs.LocalAddr().String() || media.count() != 1 {
		t.Fatalf("%d bytes from %v, %v; %d of media", n, from, err, media.count())
	}
	streams.RemoveConnByUfrag("name")
	_ = c.Close()
	if _, _, err := c.ReadFrom(b); !errors.Is(err, net.ErrClosed) {
		t.Errorf("read after the end: %v", err)
	}
	if _, err := c.WriteTo(b, theirs.LocalAddr()); !errors.Is(err, net.ErrClosed) {
		t.Errorf("write after the end: %v", err)
	}
	select {
	case <-inner.removed:
		t.Error("the connection ended with its agent")
	default:
	}
	if name := <-inner.removed; name != "name" {
		t.Errorf("ended %q", name)
	}
	_ = ours.Close()
}
