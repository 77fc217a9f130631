package peer

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/pion/dtls/v3"

	"github.com/rollcall-rtc/rollcall/internal/sfu/record"
)

// handshakeTimeout is how long a client has from its first record on.
const handshakeTimeout = 30 * time.Second

// shakeState is how far a handshake is.
type shakeState int

const (
	shakeNone    shakeState = iota // it waits: see shake.maybeRun
	shakeRunning                   // messages go both ways
	shakeDone                      // media and data have keys
	shakeFailed                    // there will be none
	shakeEnded                     // the client has said that it closes the connection
)

// shake is the DTLS of a connection: pion's, on the path that ICE has chosen. It ends
// with the keys of media and data, which do without it then. What is left for it is to
// repeat its last message to a client that has missed it, until the client is known to have it,
// as who sends data has. From then on the connection costs nothing.
type shake struct {
	// immutable
	write   func(b []byte)                          // to where media goes
	make    func(*wire, *shake) (*dtls.Conn, error) // of the role and the fingerprints here
	hello   func(b []byte)                          // sees the records of a client that is the server
	secured func() error                            // takes the keys
	ends    func(b []byte) bool                     // reports whether a record says that the client closes the connection
	changed func()                                  // called when the state is another
	log     *slog.Logger

	mu           sync.Mutex
	state        shakeState // mu guards
	wire         *wire      // mu guards; nil before there is something to read
	described    bool       // mu guards; the client's description is here
	reachable    bool       // mu guards; there is a path
	client       bool       // mu guards; we are the client, once described
	fingerprints []string   // mu guards; of the client's certificate, once described
	cancel       func()     // mu guards; nil before it runs
	proved       bool       // mu guards; the client has our last message
	closed       bool       // mu guards
	alerts       [][]byte   // mu guards; that came before we had keys to read them

	running sync.WaitGroup // of the goroutine that has pion's connection
}

func (h *shake) init(c *conn) {
	h.write = func(b []byte) {
		if p := c.packets.link.Path(); p != nil {
			p.Write(b)
		}
	}
	h.make, h.hello, h.secured, h.ends = c.newDTLS, c.packets.keys.sawRecords, c.packets.secured, c.packets.data.ends
	c.packets.data.proved = h.prove
	h.changed, h.log = c.shook, c.log
}

// arrive takes records of the client.
func (h *shake) arrive(b []byte) {
	h.mu.Lock()
	done := h.state == shakeDone
	switch {
	case h.closed || done && h.proved:
	case done:
		h.repeat(b)
	default:
		if h.wire == nil {
			h.wire = newWire(h.write)
		}
		if h.client {
			h.hello(b)
		}
		if record.IsAlert(b) && len(h.alerts) < maxAlerts {
			h.alerts = append(h.alerts, slices.Clone(b))
		}
		h.wire.push(b)
		h.maybeRun()
	}
	h.mu.Unlock()
	if done {
		h.heed(b)
	}
}

// repeat gives pion what a client sends again that has missed our last message. Of
// anything else in the clear, which anybody may have sent, pion would end the connection.
// mu is held.
func (h *shake) repeat(b []byte) {
	for one, rest, ok := record.Split(b); ok; one, rest, ok = record.Split(rest) {
		if record.IsHandshake(one) {
			h.wire.push(one)
		}
	}
}

// maxAlerts is how many datagrams with alerts wait for the keys.
const maxAlerts = 8

// heed takes the client's farewell, if it is one. pion does not tell its own end from
// what it was let go for.
func (h *shake) heed(b []byte) {
	for one, rest, ok := record.Split(b); ok; one, rest, ok = record.Split(rest) {
		if h.ends(one) {
			h.enter(shakeEnded)
		}
	}
}

// prove says that the client has our last message.
func (h *shake) prove() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.proved = true
	h.maybeRetire()
}

// maybeRetire lets pion's connection go once nothing is left for it to do. mu is held.
func (h *shake) maybeRetire() {
	if h.proved && h.state == shakeDone || h.state == shakeEnded {
		_ = h.wire.Close()
	}
}

// describe says what the client's description does. Only the first counts: a connection
// has one handshake.
func (h *shake) describe(client bool, fingerprints []string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.described {
		return
	}
	h.described, h.client, h.fingerprints = true, client, fingerprints
	h.maybeRun()
}

// reach says that there is a path.
func (h *shake) reach() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.reachable = true
	h.maybeRun()
}

// maybeRun begins when everything is there: a description, a path, and a message of the
// client if that has to speak first. mu is held.
func (h *shake) maybeRun() {
	if h.state != shakeNone || h.closed || !h.described || !h.reachable || !h.client && h.wire == nil {
		return
	}
	if h.wire == nil {
		h.wire = newWire(h.write)
	}
	ctx, cancel := context.WithTimeout(context.Background(), handshakeTimeout)
	h.state, h.cancel = shakeRunning, cancel
	h.running.Go(func() { h.run(ctx, cancel, h.wire) })
}

// run makes the handshake, and listens until the end of the connection.
func (h *shake) run(ctx context.Context, cancel func(), w *wire) {
	conn, err := h.make(w, h)
	if err == nil {
		defer conn.Close()
		err = conn.HandshakeContext(ctx)
		cancel() // its timer would go on
		if err == nil {
			err = h.secured()
		}
	}
	if err != nil {
		if !h.isClosed() {
			h.log.Warn("DTLS handshake failed", "error", err)
		}
		h.enter(shakeFailed)
		return
	}
	h.enter(shakeDone)
	var b [1]byte // nothing comes: data does not come this way
	for err == nil || !errors.Is(err, io.EOF) && !h.isOver() {
		_, err = conn.Read(b[:])
	}
	if !h.isOver() {
		h.enter(shakeEnded)
	}
}

func (h *shake) enter(s shakeState) {
	h.mu.Lock()
	if h.state == s {
		h.mu.Unlock()
		return
	}
	told, alerts := !h.closed, h.alerts
	h.state, h.alerts = s, nil
	h.maybeRetire()
	h.mu.Unlock()
	if told {
		h.changed()
	}
	if s == shakeDone {
		for _, b := range alerts {
			h.heed(b)
		}
	}
}

// isOver reports whether nobody listens to pion any more.
func (h *shake) isOver() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.closed || h.proved
}

func (h *shake) isClosed() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.closed
}

func (h *shake) current() shakeState {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.state
}

// close ends the handshake, without a word, and waits for it.
func (h *shake) close() {
	h.mu.Lock()
	h.closed = true
	if h.cancel != nil {
		h.cancel()
	}
	if h.wire != nil {
		_ = h.wire.Close()
	}
	h.mu.Unlock()
	h.running.Wait()
}
