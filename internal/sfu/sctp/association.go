package sctp

import (
	"crypto/rand"
	"encoding/binary"
	"time"
)

// Options configure an Association. All are required.
type Options struct {
	// Write sends a packet, which is its own again when it returns.
	Write func(packet []byte)
	// Message takes a whole message. Its payload belongs to the receiver, who
	// says Consumed when it is done with it.
	Message func(m Message)
	// Reset says that the other side has closed its half of a stream, and that all
	// of it was given out.
	Reset func(stream uint16)
	// MaxMessage is the longest message that is taken, in bytes.
	MaxMessage int
	// Window is how much may wait to be consumed, in bytes.
	Window int
}

// Message is what arrived on a stream.
type Message struct {
	Stream  uint16
	Kind    uint32 // the payload protocol identifier
	Payload []byte
}

// Reliability says how a message travels.
type Reliability struct {
	Unordered bool
	// Limited messages are given up after so many Retransmissions.
	Limited         bool
	Retransmissions uint16
}

// An Association goes through these states:
//
//	idle         nothing was sent
//	waiting      our INIT waits for its answer
//	echoed       our COOKIE ECHO waits for its answer
//	established
//	ended        err says why
type state uint8

const (
	idle state = iota
	waiting
	echoed
	established
	ended
)

const (
	initialRTO = 500 * time.Millisecond
	minRTO     = 400 * time.Millisecond // above the other side's delay of acknowledgements
	maxRTO     = 10 * time.Second
	maxErrors  = 12 // timeouts in a row
)

// Association is one end of an association. See the package.
type Association struct {
	opts Options // immutable
	out  packer

	state  state
	err    error
	tag    uint32 // ours, which is in what we receive
	cookie [16]byte

	// The handshake.
	t1      time.Time // when our INIT or COOKIE ECHO is sent again
	t1Tries int
	echo    []byte // the cookie of the other side
	peer    peer

	in     inbound
	sender outbound
	resets resets
}

// peer is what the INIT of the other side, or its answer to ours, said.
type peer struct {
	known      bool
	tag, tsn   uint32
	window     uint32
	forwardTSN bool
}

// New returns an Association that waits for the other side, or for Connect.
func New(o Options) *Association {
	a := &Association{opts: o}
	a.out.write = o.Write
	var random [24]byte
	_, _ = rand.Read(random[:]) // never fails
	a.tag = binary.BigEndian.Uint32(random[:]) | 1
	copy(a.cookie[:], random[8:])
	a.sender.init(binary.BigEndian.Uint32(random[4:]))
	a.in.init(o)
	a.resets.request = a.sender.next // RFC 6525 §4.1: numbers begin like TSNs
	return a
}

// Connect opens the association, if the other side has not begun to.
func (a *Association) Connect(now time.Time) {
	if a.state == idle && !a.peer.known {
		a.state = waiting
		a.sendInit(now)
	}
}

// Established reports whether messages travel.
func (a *Association) Established() bool { return a.state == established }

// Err is why the association has ended, nil while it has not.
func (a *Association) Err() error { return a.err }

// Close ends the association at once and says so to the other side.
func (a *Association) Close() {
	if a.state != ended && a.peer.known {
		a.abort()
	}
	a.end(ErrClosed)
}

func (a *Association) abort() {
	a.out.chunk(chunkAbort, 0, []byte{0, 12, 0, 4}) // user-initiated, RFC 9260 §3.3.10.12
	a.out.flush()
}

func (a *Association) end(err error) {
	if a.state == ended {
		return
	}
	a.state, a.err = ended, err
	a.in.clear()
	a.sender.clear()
	a.echo = nil
}

// fail ends an association whose other side breaks the rules.
func (a *Association) fail(err error) {
	if a.state != ended {
		a.abort()
		a.end(err)
	}
}

// Handle takes a packet that arrived. One of which not all can be read is ErrPacket, after
// what can.
func (a *Association) Handle(b []byte, now time.Time) error {
	tag, ok := tagOf(b)
	if !ok {
		return ErrPacket
	}
	if a.state == ended {
		return a.err
	}
	b = b[packetHeader:]
	data, whole := false, true
	for first := true; len(b) > 0; first = false {
		c, rest, ok := nextChunk(b)
		if !ok {
			whole = len(b) < chunkHeader && !first // padding, perhaps
			break
		}
		if !a.verified(tag, c) {
			return ErrPacket
		}
		alone := first && len(rest) == 0
		if c.kind == chunkInit && !alone {
			return ErrPacket // RFC 9260 §4.3
		}
		if c.kind == chunkData {
			data = true
		}
		if !a.handleChunk(c, now) || a.state == ended {
			break
		}
		b = rest
	}
	if a.state == ended {
		return a.err
	}
	if data {
		a.in.arrived(now)
	}
	a.pump(now)
	if !whole {
		return ErrPacket
	}
	return nil
}

// verified checks the verification tag, RFC 9260 §8.5.
func (a *Association) verified(tag uint32, c chunk) bool {
	switch c.kind {
	case chunkInit:
		return tag == 0
	case chunkAbort, chunkShutdownComplete:
		if c.flags&1 != 0 {
			return a.peer.known && tag == a.peer.tag
		}
	}
	return tag == a.tag
}

// handleChunk reports whether the chunks behind it are to be looked at.
func (a *Association) handleChunk(c chunk, now time.Time) bool {
	switch c.kind {
	case chunkInit:
		a.handleInit(c.value)
	case chunkInitAck:
		a.handleInitAck(c.value, now)
	case chunkCookieEcho:
		a.handleCookieEcho(c.value, now)
	case chunkCookieAck:
		if a.state == echoed {
			a.establish(now)
		}
	case chunkAbort:
		a.end(ErrAborted)
	case chunkShutdown, chunkShutdownAck:
		a.out.chunk(chunkShutdownAck+pick[uint8](c.kind == chunkShutdownAck, chunkShutdownComplete-chunkShutdownAck, 0), 0, nil)
		a.out.flush()
		a.end(ErrAborted)
	case chunkShutdownComplete:
		a.end(ErrAborted)
	case chunkHeartbeat:
		if len(c.value) <= maxPacket-packetHeader-chunkHeader {
			a.out.chunk(chunkHeartbeatAck, 0, c.value)
		}
	case chunkHeartbeatAck, chunkError:
	case chunkData, chunkSack, chunkForwardTSN, chunkReconfig:
		a.handleTransfer(c, now)
	default:
		// The two highest bits say what to do with the unknown (RFC 9260 §3.2).
		return c.kind&0x80 != 0
	}
	return true
}

// handleTransfer takes the chunks that mean something once there are numbers to
// count from. DATA behind a COOKIE ECHO, and acknowledgements before ours of the
// cookie, say that the other side is there already.
func (a *Association) handleTransfer(c chunk, now time.Time) {
	if a.state == echoed {
		a.establish(now)
	}
	if a.state != established {
		return
	}
	switch c.kind {
	case chunkData:
		a.handleData(c)
	case chunkSack:
		a.handleSack(c.value, now)
	case chunkForwardTSN:
		a.handleForwardTSN(c.value)
	case chunkReconfig:
		a.handleReconfig(c.value)
	}
}

// Tick is told the time, at the Deadline or later.
func (a *Association) Tick(now time.Time) {
	if a.state == ended {
		return
	}
	if due(a.t1, now) {
		a.retryHandshake(now)
	}
	if due(a.sender.t3, now) {
		a.timeout(now)
	}
	if due(a.resets.again, now) {
		a.resets.send = true
	}
	if due(a.in.ackAt, now) {
		a.in.ackNow = true
	}
	if a.state != ended {
		a.pump(now)
	}
}

func due(at, now time.Time) bool { return !at.IsZero() && !now.Before(at) }

// Deadline is when Tick wants to be called next; zero is never.
func (a *Association) Deadline() time.Time {
	var first time.Time
	if a.state == ended {
		return first
	}
	for _, at := range [...]time.Time{a.t1, a.sender.t3, a.resets.again, a.in.ackAt} {
		if !at.IsZero() && (first.IsZero() || at.Before(first)) {
			first = at
		}
	}
	return first
}

// pump sends what may be sent.
func (a *Association) pump(now time.Time) {
	if a.state == established {
		if a.in.ackNow {
			a.sendSack()
		}
		a.sendResets(now)
		a.transmit(now)
	}
	a.out.flush()
}
