package srtp

import (
	"encoding/binary"
	"sync/atomic"
)

// Sealer protects what is sent on one connection.
type Sealer struct {
	profile   Profile // immutable
	rtp, rtcp half    // immutable
	rtcpIndex atomic.Uint32
}

// NewSealer returns a Sealer for the local keys.
func NewSealer(k Keys) (*Sealer, error) {
	rtp, err := newHalf(k.Profile, k.LocalKey, k.LocalSalt, labelRTPKey, labelRTPAuth, labelRTPSalt)
	if err != nil {
		return nil, err
	}
	rtcp, err := newHalf(k.Profile, k.LocalKey, k.LocalSalt, labelRTCPKey, labelRTCPAuth, labelRTCPSalt)
	if err != nil {
		return nil, err
	}
	return &Sealer{profile: k.Profile, rtp: rtp, rtcp: rtcp}, nil
}

// Profile returns what was negotiated.
func (s *Sealer) Profile() Profile { return s.profile }

// Overhead is what RTP adds to a packet, in bytes.
func (s *Sealer) Overhead() int {
	if s.rtp.aead != nil {
		return gcmTag
	}
	return sha1Tag
}

// Stream keeps the packet index of one SSRC that is sent: the sequence number
// with the rollover counter above it. The zero value begins at rollover 0 with
// whatever number comes first. It is safe for concurrent use.
type Stream struct {
	next atomic.Uint64 // highest index + 1, 0 = none yet
}

// Index returns the index of a sequence number, RFC 3711 §3.3.1. It is not ok
// for numbers from before the first, which have none.
func (s *Stream) Index(seq uint16) (index uint64, ok bool) {
	for {
		next := s.next.Load()
		if next == 0 {
			if s.next.CompareAndSwap(0, uint64(seq)+1) {
				return uint64(seq), true
			}
			continue
		}
		index, ok = nearest(next-1, seq)
		if !ok || index < next {
			return index, ok
		}
		if s.next.CompareAndSwap(next, index+1) {
			return index, true
		}
	}
}

// maxIndex is the last index there is before keys would have to change.
const maxIndex = 1<<48 - 1

// nearest extends seq to the index that is nearest to highest.
func nearest(highest uint64, seq uint16) (uint64, bool) {
	index := int64(highest) + int64(int16(seq-uint16(highest)))
	return uint64(index), index >= 0 && index <= maxIndex
}

// RTP seals a packet in place and returns it. Its first header bytes are its
// header; b needs Overhead bytes of room behind it.
func (s *Sealer) RTP(sc *Scratch, b []byte, header int, index uint64) []byte {
	ssrc := binary.BigEndian.Uint32(b[8:])
	if s.rtp.aead != nil {
		return s.rtp.aead.Seal(b[:header], s.rtp.nonce(sc, ssrc, index), b[header:], b[:header])
	}
	s.rtp.keyStream(sc, ssrc, index).XORKeyStream(b[header:], b[header:])
	binary.BigEndian.PutUint32(sc.word[:], uint32(index>>16))
	return append(b, s.rtp.mac(sc, b, sc.word[:])[:sha1Tag]...)
}

const (
	rtcpHeader = 8       // a header and the sender's SSRC, in the clear
	encrypted  = 1 << 31 // the flag E of SRTCP
)

// RTCP seals a compound packet in place and returns it; b needs MaxOverhead
// bytes of room behind it.
func (s *Sealer) RTCP(sc *Scratch, b []byte) []byte {
	index := s.rtcpIndex.Add(1) & (encrypted - 1)
	ssrc := binary.BigEndian.Uint32(b[4:])
	word := index | encrypted
	if s.rtcp.aead != nil {
		// RFC 7714 §9.2: the index is authenticated behind the header.
		aad := append(sc.aad[:0], b[:rtcpHeader]...)
		aad = binary.BigEndian.AppendUint32(aad, word)
		b = s.rtcp.aead.Seal(b[:rtcpHeader], s.rtcp.nonce(sc, ssrc, uint64(index)), b[rtcpHeader:], aad)
		return binary.BigEndian.AppendUint32(b, word)
	}
	s.rtcp.keyStream(sc, ssrc, uint64(index)).XORKeyStream(b[rtcpHeader:], b[rtcpHeader:])
	b = binary.BigEndian.AppendUint32(b, word)
	return append(b, s.rtcp.mac(sc, b, nil)[:sha1Tag]...)
}
