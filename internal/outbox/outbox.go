package outbox

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"
)

// writeTimeout is how long one write may take before the client counts as gone.
const writeTimeout = 10 * time.Second

// The reasons for which a connection is given up.
var (
	ErrUnread = errors.New("client does not read its messages")
	ErrSilent = errors.New("client does not answer pings")
)

// Message is what can be sent, in either encoding of the protocol.
type Message interface {
	Binary() ([]byte, error)
	JSON() ([]byte, error)
}

// Outbox is what goes out on one connection.
type Outbox struct {
	log   *slog.Logger // immutable
	limit int          // immutable; how many messages a client may be behind

	// The client last sent JSON, so it gets JSON.
	text atomic.Bool

	mu     sync.Mutex
	queue  []Message            // mu guards; not yet written
	closed bool                 // mu guards; nothing more is queued
	status websocket.StatusCode // mu guards; with which the connection is closed
	reason string               // mu guards
	wakec  chan struct{}        // has an element when queue or closed changed
	ctx    context.Context      // ends when the connection is given up at once
	cancel context.CancelFunc

	began   atomic.Int64    // when the write under way began, as Watch.now; 0: none is
	ended   atomic.Int64    // when the last one ended
	idlec   chan struct{}   // has an element when the connection is to be probed
	writing context.Context // ends when a write takes too long
	stop    context.CancelFunc
}

// New returns an outbox that holds up to limit messages.
func New(limit int, log *slog.Logger) *Outbox {
	o := &Outbox{log: log, limit: limit, status: websocket.StatusNormalClosure, wakec: make(chan struct{}, 1), idlec: make(chan struct{}, 1)}
	o.ctx, o.cancel = context.WithCancel(context.Background())
	o.writing, o.stop = context.WithCancel(o.ctx)
	return o
}

// Context ends when the connection is to be given up at once.
func (o *Outbox) Context() context.Context { return o.ctx }

// Answer notes how the client encoded its last message: it is answered likewise.
func (o *Outbox) Answer(kind websocket.MessageType) { o.text.Store(kind == websocket.MessageText) }

// Send queues m. A client too far behind loses its connection.
func (o *Outbox) Send(m Message) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed {
		return
	}
	if len(o.queue) >= o.limit {
		o.log.Warn("client cut off", "reason", ErrUnread, "queued", len(o.queue))
		o.closed = true
		o.cancel()
		return
	}
	o.queue = append(o.queue, m)
	o.wake()
}

// Close ends the connection after what was queued before.
func (o *Outbox) Close() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.closed = true
	o.wake()
}

// CloseAs sets with what status and reason the connection is closed in the end,
// in place of a normal closure.
func (o *Outbox) CloseAs(status websocket.StatusCode, reason string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.status, o.reason = status, reason
}

// Abandon ends the connection without writing what is queued.
func (o *Outbox) Abandon() {
	o.Close()
	o.cancel()
}

func (o *Outbox) wake() {
	select {
	case o.wakec <- struct{}{}:
	default:
	}
}

// take returns what is queued, and whether more may come.
func (o *Outbox) take() (queue []Message, more bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	queue, o.queue = o.queue, nil
	return queue, !o.closed
}

// Write sends what is queued, and probes a connection on which nothing was sent
// for the interval of watch, until either ends. It reports false if the connection
// cannot be written to any more. Pongs come in only while somebody reads.
func (o *Outbox) Write(conn *websocket.Conn, watch *Watch) bool {
	defer o.stop()
	o.ended.Store(watch.now())
	watch.add(o)
	defer watch.remove(o)
	for {
		select {
		case <-o.ctx.Done():
			return true
		case <-o.idlec:
			if time.Duration(watch.now()-o.ended.Load()) < watch.idle() {
				continue // something was sent meanwhile
			}
			if err := o.ping(conn); err != nil {
				o.lost(err, ErrSilent)
				return false
			}
			o.ended.Store(watch.now())
		case <-o.wakec:
			queue, more := o.take()
			for _, m := range queue {
				if err := o.write(conn, m, watch); err != nil {
					o.lost(err, ErrUnread)
					return false
				}
			}
			if !more {
				o.mu.Lock()
				status, reason := o.status, o.reason
				o.mu.Unlock()
				_ = conn.Close(status, reason)
				return true
			}
		}
	}
}

// lost tells why the connection cannot be written to any more: it broke, or the
// client let the time pass, which is reason.
func (o *Outbox) lost(err, reason error) {
	if o.ctx.Err() == nil && (errors.Is(err, context.DeadlineExceeded) || o.writing.Err() != nil) {
		o.log.Warn("client cut off", "reason", reason)
		return
	}
	o.log.Debug("write to client", "error", err)
}

func (o *Outbox) ping(conn *websocket.Conn) error {
	ctx, cancel := context.WithTimeout(o.ctx, writeTimeout)
	defer cancel()
	return conn.Ping(ctx)
}

func (o *Outbox) write(conn *websocket.Conn, m Message, watch *Watch) error {
	kind, encode := websocket.MessageBinary, m.Binary
	if o.text.Load() {
		kind, encode = websocket.MessageText, m.JSON
	}
	data, err := encode()
	if err != nil {
		// A message that cannot be encoded is ours; the client lives on without it.
		o.log.Error("encode message", "error", err)
		return nil
	}
	o.began.Store(watch.now())
	err = conn.Write(o.writing, kind, data)
	o.ended.Store(watch.now())
	o.began.Store(0)
	return err
}
