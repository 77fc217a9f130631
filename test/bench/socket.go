package main

import (
	"encoding/binary"
	"net"
	"net/netip"
	"sync"
	"time"
)

// mediaSocket is the UDP socket of one client connection. Of what arrives, it
// counts RTP by its clear header and drops it; everything else (STUN, DTLS,
// RTCP) goes up to pion. A client that decrypted every packet would cost as much
// as the server that is measured beside it.
type mediaSocket struct {
	conn *net.UDPConn // immutable

	mu      sync.Mutex
	streams map[uint32]*stream  // mu guards; by SSRC
	heard   func(packet []byte) // mu guards; nil unless somebody wants to know
}

// hear has a function called with each RTP packet.
func (s *mediaSocket) hear(f func(packet []byte)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.heard = f
}

// stream counts the packets of one SSRC.
type stream struct {
	received uint64
	base     uint64 // extended sequence number of the first packet
	highest  uint64 // extended sequence number
	seen     [windowWords]uint64
}

// A packet that comes late by less than the window is told from a duplicate.
const (
	window      = 1024
	windowWords = window / 64
)

// socketBuffer holds more than a key frame for a client that is not scheduled.
const socketBuffer = 2 << 20

func openMediaSocket() (*mediaSocket, error) {
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return nil, err
	}
	_ = conn.SetReadBuffer(socketBuffer)
	return &mediaSocket{conn: conn, streams: make(map[uint32]*stream)}, nil
}

// isRTP tells RTP from what shares its port, RTCP included (RFC 5761 §4, RFC 7983 §7).
func isRTP(b []byte) bool {
	return len(b) >= 12 && b[0]>>6 == 2 && (b[1] < 192 || b[1] > 223)
}

func (s *mediaSocket) count(b []byte) {
	seq, ssrc := binary.BigEndian.Uint16(b[2:]), binary.BigEndian.Uint32(b[8:])
	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.streams[ssrc]
	if st == nil {
		st = new(stream)
		s.streams[ssrc] = st
	}
	st.add(seq)
	if s.heard != nil {
		s.heard(b)
	}
}

func (st *stream) add(seq uint16) {
	if st.received == 0 {
		// The first cycle number leaves room below for packets before the first.
		st.base = 1<<16 | uint64(seq)
		st.highest = st.base
		st.mark(st.base)
		st.received = 1
		return
	}
	ext := st.highest + uint64(int64(int16(seq-uint16(st.highest))))
	switch {
	case ext > st.highest:
		for n := st.highest + 1; n <= ext; n++ {
			st.seen[n/64%windowWords] &^= 1 << (n % 64)
		}
		st.highest = ext
	case st.highest-ext >= window || ext < st.base:
		return // too old to tell, or from before we began
	case st.seen[ext/64%windowWords]&(1<<(ext%64)) != 0:
		return // a duplicate
	}
	st.mark(ext)
	st.received++
}

func (st *stream) mark(ext uint64) { st.seen[ext/64%windowWords] |= 1 << (ext % 64) }

// expected is how many packets there would be without loss.
func (st *stream) expected() uint64 {
	if st.received == 0 {
		return 0
	}
	return st.highest - st.base + 1
}

// tally is what subscribers have received, or what they received in between.
type tally struct {
	received, expected uint64
}

func (t tally) minus(u tally) tally {
	return tally{t.received - u.received, t.expected - u.expected}
}

// lost is the packets missing from the sequence numbers.
func (t tally) lost() uint64 {
	if t.expected <= t.received {
		return 0 // a packet lost earlier may have arrived late
	}
	return t.expected - t.received
}

// tally sums over the streams and says how many there are.
func (s *mediaSocket) tally() (t tally, streams int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, st := range s.streams {
		t.received += st.received
		t.expected += st.expected()
	}
	return t, len(s.streams)
}

// reception is what a receiver report tells of a stream.
type reception struct {
	ssrc    uint32
	lost    uint32
	highest uint32
}

func (s *mediaSocket) receptions() []reception {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := make([]reception, 0, len(s.streams))
	for ssrc, st := range s.streams {
		t := tally{st.received, st.expected()}
		list = append(list, reception{ssrc, uint32(t.lost()), uint32(st.highest - 1<<16)})
	}
	return list
}

// ReadFromAddrPort implements ice.AddrPortReaderWriter.
func (s *mediaSocket) ReadFromAddrPort(b []byte) (int, netip.AddrPort, error) {
	for {
		n, from, err := s.conn.ReadFromUDPAddrPort(b)
		if err == nil && isRTP(b[:n]) {
			s.count(b[:n])
			continue
		}
		return n, from, err
	}
}

// WriteToAddrPort implements ice.AddrPortReaderWriter.
func (s *mediaSocket) WriteToAddrPort(b []byte, to netip.AddrPort) (int, error) {
	return s.conn.WriteToUDPAddrPort(b, to)
}

// ReadFrom implements net.PacketConn.
func (s *mediaSocket) ReadFrom(b []byte) (int, net.Addr, error) {
	n, from, err := s.ReadFromAddrPort(b)
	if err != nil {
		return n, nil, err
	}
	return n, net.UDPAddrFromAddrPort(from), nil
}

// WriteTo implements net.PacketConn.
func (s *mediaSocket) WriteTo(b []byte, to net.Addr) (int, error) { return s.conn.WriteTo(b, to) }

func (s *mediaSocket) Close() error                       { return s.conn.Close() }
func (s *mediaSocket) LocalAddr() net.Addr                { return s.conn.LocalAddr() }
func (s *mediaSocket) SetDeadline(t time.Time) error      { return s.conn.SetDeadline(t) }
func (s *mediaSocket) SetReadDeadline(t time.Time) error  { return s.conn.SetReadDeadline(t) }
func (s *mediaSocket) SetWriteDeadline(t time.Time) error { return s.conn.SetWriteDeadline(t) }
