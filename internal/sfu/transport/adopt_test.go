package transport

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"github.com/pion/ice/v4"
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

// framed is pion's ICE-TCP multiplexer, and when names are removed from it.
type framed struct {
	*ice.TCPMuxDefault
	removed chan string
}

func (m framed) RemoveConnByUfrag(ufrag string) {
	m.TCPMuxDefault.RemoveConnByUfrag(ufrag)
	m.removed <- ufrag
}

// sendFramed sends a packet over TCP (RFC 4571 §2).
func sendFramed(t *testing.T, to net.Conn, packet []byte) {
	t.Helper()
	if _, err := to.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(packet))), packet...)); err != nil {
		t.Fatal(err)
	}
}

// Most clients come by UDP: their share of the listener ends with their agent.
func TestAShareThatNobodyConnectedToEndsAtOnce(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	inner := framed{ice.NewTCPMuxDefault(ice.TCPMuxParams{Listener: l, ReadBufferSize: 8}), make(chan string, 1)}
	defer inner.Close()
	shares := NewLink(nil, new(catcher)).Streams(inner)
	c, err := shares.GetConnByUfrag("name", false, net.IPv4(127, 0, 0, 1))
	if err != nil {
		t.Fatal(err)
	}
	other, err := inner.GetConnByUfrag("name", false, net.IPv4(127, 0, 0, 1))
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(other.Close(), c.Close(), c.Close()); err != nil {
		t.Fatal(err)
	}
	if err := c.(*adopted).PacketConn.(*streams).rest.SetReadDeadline(time.Now()); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("the rest is open: %v", err)
	}
	shares.RemoveConnByUfrag("name")
	select {
	case <-inner.removed:
	default:
		t.Error("its name waits for nobody")
	}
}

func TestTCPConnectionsOutliveTheirAgentForAWhile(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	inner := framed{ice.NewTCPMuxDefault(ice.TCPMuxParams{Listener: l, ReadBufferSize: 8}), make(chan string, 1)}
	defer inner.Close()
	media := new(catcher)
	streams := NewLink(nil, media).Streams(inner)
	c, err := streams.GetConnByUfrag("name", false, net.IPv4(127, 0, 0, 1))
	if err != nil {
		t.Fatal(err)
	}
	theirs, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer theirs.Close()
	b := make([]byte, 100)
	for _, packet := range [][]byte{check("name"), {0x80, 1}, {1, 2, 3}} {
		sendFramed(t, theirs, packet)
	}
	for _, want := range [][]byte{check("name"), {1, 2, 3}} {
		n, from, err := c.ReadFrom(b)
		if err != nil || !bytes.Equal(b[:n], want) || from.String() != theirs.LocalAddr().String() {
			t.Fatalf("%x from %v, %v; want %x", b[:n], from, err, want)
		}
	}
	if media.count() != 1 {
		t.Errorf("%d packets of media", media.count())
	}
	reading := make(chan error, 1)
	go func() {
		_, _, err := c.ReadFrom(make([]byte, 100))
		reading <- err
	}()
	streams.RemoveConnByUfrag("name")
	_ = c.Close()
	if err := <-reading; !errors.Is(err, net.ErrClosed) {
		t.Errorf("read at the end: %v", err)
	}
	if _, _, err := c.ReadFrom(b); !errors.Is(err, net.ErrClosed) {
		t.Errorf("read after the end: %v", err)
	}
	if _, err := c.WriteTo(b, theirs.LocalAddr()); !errors.Is(err, net.ErrClosed) {
		t.Errorf("write after the end: %v", err)
	}
	for _, packet := range [][]byte{{1, 2, 3}, {0x80, 2}} {
		sendFramed(t, theirs, packet)
	}
	eventually(t, "what is on its way is taken", func() bool { return media.count() == 2 })
	select {
	case <-inner.removed:
		t.Error("the connection ended with its agent")
	default:
	}
	if name := <-inner.removed; name != "name" {
		t.Errorf("ended %q", name)
	}
	if _, err := theirs.Read(b); err == nil {
		t.Error("the connection never ends")
	}
}
