package turn

import (
	"encoding/binary"
	"net"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// trains is a client's socket that reads a train as one, and hands its packets on.
type trains struct {
	*net.UDPConn
	reads []int // packets of each
	room  []byte
	rest  []byte
	size  int
	from  net.Addr
}

func newTrains(t testing.TB, c *net.UDPConn) *trains {
	t.Helper()
	raw, err := c.SyscallConn()
	if err == nil {
		e := raw.Control(func(fd uintptr) { err = unix.SetsockoptInt(int(fd), unix.SOL_UDP, unix.UDP_GRO, 1) })
		if err == nil {
			err = e
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	return &trains{UDPConn: c, room: make([]byte, 1<<16)}
}

func (c *trains) ReadFrom(p []byte) (int, net.Addr, error) {
	if len(c.rest) == 0 {
		oob := make([]byte, unix.CmsgSpace(4))
		n, oobn, _, from, err := c.ReadMsgUDP(c.room, oob)
		if err != nil {
			return 0, nil, err
		}
		c.rest, c.size, c.from = c.room[:n], n, from
		if oobn > 0 {
			c.size = int(binary.NativeEndian.Uint32(oob[unix.CmsgLen(0):]))
		}
		c.reads = append(c.reads, (n+c.size-1)/max(c.size, 1))
	}
	n := copy(p, c.rest[:min(len(c.rest), c.size)])
	c.rest = c.rest[n:]
	return n, c.from, nil
}

// newTrainRig is a client with a relay, which nobody reads yet, and media that has a channel
// to it.
func newTrainRig(t *testing.T) (*trains, *relay, media) {
	t.Helper()
	tc := newRig(t, func(o *Options) { o.MediaPorts, o.Limits.Bitrate = [2]uint16{1, 65535}, -1 })
	client := newTrains(t, tc.dial("udp").(*net.UDPConn))
	r := tc.relay("PA_alice", client.UDPConn)
	m := newMedia(t)
	r.bind(addrOf(m.LocalAddr()), 0x4001)
	return client, r, m
}

// A burst that media sends as a train arrives at the client as one.
func TestABurstIsOneTrainToAClient(t *testing.T) {
	client, r, m := newTrainRig(t)
	go func() { _, _, _ = r.ReadFrom(make([]byte, maxPacket)) }()
	for range 5 {
		client.reads = nil
		m.send(r.LocalAddr(), 0, burst, alike)
		b := make([]byte, maxPacket)
		_ = client.SetReadDeadline(time.Now().Add(20 * time.Second))
		for i := range burst {
			if n, _, err := client.ReadFrom(b); err != nil || n != frameHeader+alike(i) {
				t.Fatalf("packet %d: %d bytes, %v", i, n, err)
			}
		}
		if len(client.reads) != 1 || client.reads[0] != burst {
			t.Errorf("the burst came as trains of %v packets", client.reads)
		}
	}
}

// Packets that differ by less than the padding are of one train, too.
func TestPaddingMakesTrainsLonger(t *testing.T) {
	client, r, m := newTrainRig(t)
	m.send(r.LocalAddr(), 0, burst, func(i int) int { return 1097 + i%4 })
	// All have come before they are read.
	go func() { _, _, _ = r.ReadFrom(make([]byte, maxPacket)) }()
	b := make([]byte, maxPacket)
	_ = client.SetReadDeadline(time.Now().Add(20 * time.Second))
	for i := range burst {
		n, _, err := client.ReadFrom(b)
		if err != nil || n != frameHeader+1100 || int(binary.BigEndian.Uint16(b[2:])) != 1097+i%4 {
			t.Fatalf("packet %d: %d bytes, %v", i, n, err)
		}
	}
	if len(client.reads) != 1 {
		t.Errorf("the burst came as trains of %v packets", client.reads)
	}
}

// The other way, too: what one wake-up of the port brought of a client.
func TestABurstOfAClientIsOneTrainToMedia(t *testing.T) {
	tc := newRig(t, func(o *Options) { o.MediaPorts, o.Limits.Bitrate = [2]uint16{1, 65535}, -1 })
	c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: loopback.AsSlice()})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	m := newTrains(t, c)
	relayed := tc.allocate(tc.admitted("udp", "PA_alice"))
	r := tc.server.relayAt("PA_alice", relayed.LocalAddr())
	b := make([]byte, maxPacket)
	read := func() int {
		t.Helper()
		_ = m.SetReadDeadline(time.Now().Add(20 * time.Second))
		n, _, err := m.ReadFrom(b)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	write := func(p []byte) {
		t.Helper()
		if _, err := relayed.WriteTo(p, m.LocalAddr()); err != nil {
			t.Fatal(err)
		}
	}
	write([]byte("bind"))
	read()
	for range 5 {
		m.reads = nil
		r.mu.Lock() // who reads the port is held up by the first
		for i := range burst {
			write(make([]byte, alike(i)))
		}
		r.mu.Unlock()
		for i := range burst {
			if n := read(); n != alike(i) {
				t.Fatalf("packet %d has %d bytes", i, n)
			}
		}
		if len(m.reads) != 1 {
			t.Errorf("the burst came as trains of %v packets", m.reads)
		}
	}
}
