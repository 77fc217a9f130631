package srtp

import (
	"crypto/subtle"
	"encoding/binary"
)

// Opener checks and decrypts what is received on one connection.
type Opener struct {
	rtp, rtcp         half // immutable
	rtpSeen, rtcpSeen windows
}

// NewOpener returns an Opener for the remote keys.
func NewOpener(k Keys) (*Opener, error) {
	rtp, err := newHalf(k.Profile, k.RemoteKey, k.RemoteSalt, labelRTPKey, labelRTPAuth, labelRTPSalt)
	if err != nil {
		return nil, err
	}
	rtcp, err := newHalf(k.Profile, k.RemoteKey, k.RemoteSalt, labelRTCPKey, labelRTCPAuth, labelRTCPSalt)
	if err != nil {
		return nil, err
	}
	return &Opener{rtp: rtp, rtcp: rtcp}, nil
}

// HeaderLen returns how long the header of an RTP packet is, its extension
// included; 0 if it is not one.
func HeaderLen(b []byte) int {
	if len(b) < 12 || b[0]>>6 != 2 {
		return 0
	}
	n := 12 + 4*int(b[0]&0x0f)
	if b[0]&0x10 != 0 {
		if len(b) < n+4 {
			return 0
		}
		n += 4 + 4*int(binary.BigEndian.Uint16(b[n+2:]))
	}
	if len(b) < n {
		return 0
	}
	return n
}

// RTP opens a packet in place and returns it without its tag. What fails
// leaves the state as it was.
func (o *Opener) RTP(sc *Scratch, b []byte) ([]byte, error) {
	header := HeaderLen(b)
	if header == 0 {
		return nil, ErrShort
	}
	ssrc, seq := binary.BigEndian.Uint32(b[8:]), binary.BigEndian.Uint16(b[2:])
	w := o.rtpSeen.find(ssrc)
	index, ok := uint64(seq), true
	if w != nil {
		index, ok = nearest(w.highest, seq)
	}
	if !ok || w != nil && w.has(index) {
		return nil, ErrReplay
	}
	if o.rtp.aead != nil {
		if len(b) < header+gcmTag {
			return nil, ErrShort
		}
		plain, err := o.rtp.aead.Open(b[header:header], o.rtp.nonce(sc, ssrc, index), b[header:], b[:header])
		if err != nil {
			return nil, ErrAuth
		}
		b = b[:header+len(plain)]
	} else {
		n := len(b) - sha1Tag
		if n < header {
			return nil, ErrShort
		}
		binary.BigEndian.PutUint32(sc.word[:], uint32(index>>16))
		if subtle.ConstantTimeCompare(o.rtp.mac(sc, b[:n], sc.word[:])[:sha1Tag], b[n:]) != 1 {
			return nil, ErrAuth
		}
		b = b[:n]
		o.rtp.keyStream(sc, ssrc, index).XORKeyStream(b[header:], b[header:])
	}
	o.rtpSeen.note(w, ssrc, index)
	return b, nil
}

// RTCP opens a compound packet in place and returns it without what SRTCP
// added.
func (o *Opener) RTCP(sc *Scratch, b []byte) ([]byte, error) {
	tail := indexed
	if o.rtcp.aead == nil {
		tail += sha1Tag
	}
	if len(b) < rtcpHeader+tail {
		return nil, ErrShort
	}
	at := len(b) - tail
	if o.rtcp.aead != nil {
		at = len(b) - indexed
	}
	word := binary.BigEndian.Uint32(b[at:])
	index, ssrc := uint64(word&(encrypted-1)), binary.BigEndian.Uint32(b[4:])
	w := o.rtcpSeen.find(ssrc)
	if w != nil && w.has(index) {
		return nil, ErrReplay
	}
	var plain []byte
	var ok bool
	if o.rtcp.aead != nil {
		plain, ok = o.openGCM(sc, b[:at], word, ssrc)
	} else {
		if ok = subtle.ConstantTimeCompare(o.rtcp.mac(sc, b[:at+indexed], nil)[:sha1Tag], b[at+indexed:]) == 1; ok {
			plain = b[:at]
			if word&encrypted != 0 {
				o.rtcp.keyStream(sc, ssrc, index).XORKeyStream(plain[rtcpHeader:], plain[rtcpHeader:])
			}
		}
	}
	if !ok {
		return nil, ErrAuth
	}
	o.rtcpSeen.note(w, ssrc, index)
	return plain, nil
}

// openGCM opens a packet that has its tag at the end, RFC 7714 §9.2 and §9.3.
func (o *Opener) openGCM(sc *Scratch, b []byte, word, ssrc uint32) ([]byte, bool) {
	if len(b) < rtcpHeader+gcmTag {
		return nil, false
	}
	nonce := o.rtcp.nonce(sc, ssrc, uint64(word&(encrypted-1)))
	if word&encrypted == 0 {
		n := len(b) - gcmTag
		aad := binary.BigEndian.AppendUint32(append([]byte(nil), b[:n]...), word)
		_, err := o.rtcp.aead.Open(nil, nonce, b[n:], aad)
		return b[:n], err == nil
	}
	aad := append(sc.aad[:0], b[:rtcpHeader]...)
	aad = binary.BigEndian.AppendUint32(aad, word)
	plain, err := o.rtcp.aead.Open(b[rtcpHeader:rtcpHeader], nonce, b[rtcpHeader:], aad)
	return b[:rtcpHeader+len(plain)], err == nil
}
