package sctp

import (
	"crypto/subtle"
	"encoding/binary"
	"time"
)

const (
	initFixed  = 16
	maxStreams = 65535
	maxTries   = 10
	maxCookie  = 1024 // bytes
)

// appendInit appends what INIT and INIT ACK have in common.
func (a *Association) appendInit(b []byte) []byte {
	b = binary.BigEndian.AppendUint32(b, a.tag)
	b = binary.BigEndian.AppendUint32(b, uint32(a.opts.Window))
	b = binary.BigEndian.AppendUint16(b, maxStreams)
	b = binary.BigEndian.AppendUint16(b, maxStreams)
	b = binary.BigEndian.AppendUint32(b, a.sender.first)
	b = appendParam(b, paramExtensions, []byte{chunkReconfig, chunkForwardTSN})
	return appendParam(b, paramForwardTSN, nil)
}

func (a *Association) sendInit(now time.Time) {
	a.out.tag = 0
	a.out.chunk(chunkInit, 0, a.appendInit(nil))
	a.out.flush()
	a.armT1(now)
}

// armT1 waits for the answer to INIT or COOKIE ECHO, twice as long each time.
func (a *Association) armT1(now time.Time) {
	a.t1 = now.Add(min(initialRTO<<min(a.t1Tries, 6), maxRTO))
	a.t1Tries++
}

func (a *Association) retryHandshake(now time.Time) {
	if a.t1Tries > maxTries {
		a.end(ErrTimeout)
		return
	}
	switch a.state {
	case waiting:
		a.sendInit(now)
	case echoed:
		a.sendEcho(now)
	default:
		a.t1 = time.Time{}
	}
}

// parseInit reads an INIT or an INIT ACK. It is not ok when it makes no sense
// (RFC 9260 §3.3.2).
func parseInit(b []byte) (p peer, cookie []byte, ok bool) {
	if len(b) < initFixed {
		return peer{}, nil, false
	}
	p = peer{
		known: true, tag: binary.BigEndian.Uint32(b),
		window: binary.BigEndian.Uint32(b[4:]), tsn: binary.BigEndian.Uint32(b[12:]),
	}
	if p.tag == 0 || binary.BigEndian.Uint16(b[8:]) == 0 || binary.BigEndian.Uint16(b[10:]) == 0 {
		return peer{}, nil, false
	}
	for b = b[initFixed:]; ; {
		kind, value, rest, ok := nextParam(b)
		if !ok {
			return p, cookie, true
		}
		switch kind {
		case paramCookie:
			cookie = value
		case paramForwardTSN:
			p.forwardTSN = true
		}
		b = rest
	}
}

// handleInit answers an INIT, each with the same: our tag and our first TSN do
// not change, whoever's INIT wins (RFC 9260 §5.2.1). One with another tag would
// be a restart, which comes with a new DTLS connection only.
func (a *Association) handleInit(b []byte) {
	p, _, ok := parseInit(b)
	if !ok || a.peer.known && p.tag != a.peer.tag {
		return
	}
	if !a.peer.known {
		a.peer = p
	}
	a.out.tag = a.peer.tag
	a.out.chunk(chunkInitAck, 0, appendParam(a.appendInit(nil), paramCookie, a.cookie[:]))
	a.out.flush()
}

func (a *Association) handleInitAck(b []byte, now time.Time) {
	if a.state != waiting {
		return
	}
	p, cookie, ok := parseInit(b)
	if !ok || len(cookie) == 0 || len(cookie) > maxCookie || a.peer.known && p.tag != a.peer.tag {
		return
	}
	a.peer = p
	a.out.tag = p.tag
	a.echo = append([]byte(nil), cookie...)
	a.state, a.t1Tries = echoed, 0
	a.sendEcho(now)
}

func (a *Association) sendEcho(now time.Time) {
	a.out.chunk(chunkCookieEcho, 0, a.echo)
	a.out.flush()
	a.armT1(now)
}

func (a *Association) handleCookieEcho(cookie []byte, now time.Time) {
	if !a.peer.known || subtle.ConstantTimeCompare(cookie, a.cookie[:]) != 1 {
		return
	}
	a.establish(now)
	a.out.chunk(chunkCookieAck, 0, nil)
}

func (a *Association) establish(time.Time) {
	if a.state == established {
		return
	}
	a.state, a.t1, a.echo = established, time.Time{}, nil
	a.out.tag = a.peer.tag
	a.in.cum = a.peer.tsn - 1
	a.resets.expected = a.peer.tsn
	a.sender.peerWindow = int(a.peer.window)
	a.sender.forwardTSN = a.peer.forwardTSN
}
