package peer

import (
	"errors"
	"io"
	"sync"

	"github.com/pion/datachannel"
	"github.com/pion/webrtc/v4"
)

// firstMessage is the room that a channel has for its first message. It grows
// with what comes: most clients hardly send, and there are two channels for each.
const firstMessage = 256

// readers are the goroutines that read channels.
type readers struct {
	mu      sync.Mutex
	closed  bool // mu guards
	running sync.WaitGroup
}

// enter reports whether a reader may run; if so it says leave in the end.
func (r *readers) enter() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.closed {
		r.running.Add(1)
	}
	return !r.closed
}

func (r *readers) leave() { r.running.Done() }

// close lets no more readers begin, and waits for those that run.
func (r *readers) close() {
	r.mu.Lock()
	r.closed = true
	r.mu.Unlock()
	r.running.Wait()
}

// receive hands the messages of a channel to the handler, on the goroutine that
// reads them: a handler in use slows the client down. opened is called once both
// sides have the channel; ours says that we have asked for it.
func (c *conn) receive(dc *webrtc.DataChannel, ours bool, opened func()) {
	dc.OnOpen(func() {
		if !c.readers.enter() {
			return
		}
		defer c.readers.leave()
		raw, err := dc.Detach()
		if err != nil {
			c.log.Debug("channel not read", "error", err)
			return
		}
		if channel, ok := raw.(*datachannel.DataChannel); ok && ours {
			// Data must not get to the client ahead of our request to open.
			channel.OnOpen(opened)
		} else {
			opened()
		}
		c.read(raw, kindOfLabel(dc), dc.Label())
	})
}

// read runs until the channel or the connection is closed.
func (c *conn) read(channel datachannel.Reader, kind DataKind, label string) {
	room := make([]byte, firstMessage)
	for {
		n, _, err := channel.ReadDataChannel(room)
		switch {
		case err == nil:
			if !c.pass(kind, label, n) {
				continue // the next read says if it is closed
			}
			payload := append([]byte(nil), room[:n]...)
			c.call(func() { c.events.data(kind, label, payload) })
		case errors.Is(err, io.ErrShortBuffer) && len(room) < MaxMessageSize:
			room = make([]byte, min(2*len(room), MaxMessageSize)) // it is still there
		default:
			c.log.Debug("channel ended", "label", label, "error", err)
			return
		}
	}
}
