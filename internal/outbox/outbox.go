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

// maxWaiting is how much a client may be behind, in bytes, beside the longest message
// that it was sent so far: that of somebody who comes into a room of thousands is longer,
// and more follows before it is read.
const maxWaiting = 16 << 20

// Message is what can be sent, in either encoding of the protocol. Size is about how long
// the first is, in bytes, and must not change.
type Message interface {
	Binary() ([]byte, error)
	JSON() ([]byte, error)
	Size() int
}

// Outbox is what goes out on one connection.
type Outbox struct {
	log   *slog.Logger // immutable
	limit int          // immutable; how many messages a client may be behind
	bytes int64        // immutable; how many bytes, as maxWaiting has it

	// The client last sent JSON, so it gets JSON.
	text atomic.Bool

	unwritten atomic.Int64 // bytes that are not yet written

	turn   chan struct{} // has an element while somebody writes
	failed error         // who has the turn; why nothing more can be written

	mu     sync.Mutex
	conn   *Conn                // mu guards; nil before Begin
	watch  *Watch               // mu guards; likewise
	queue  []Message            // mu guards; not yet written
	most   int64                // mu guards; the longest message there was, in bytes
	closed bool                 // mu guards; nothing more is queued
	gone   bool                 // mu guards; the client has ended the connection
	going  bool                 // mu guards; it is about to
	status websocket.StatusCode // mu guards; with which the connection is closed
	reason string               // mu guards
	wakec  chan struct{}        // has an element when queue or closed changed
	ctx    context.Context      // ends when the connection is given up at once
	cancel context.CancelFunc

	drop func() bool // keeps writing's end from dropping conn; set by Begin

	began   atomic.Int64    // when the write under way began, as Watch.now; 0: none is
	ended   atomic.Int64    // when the last one ended
	idlec   chan struct{}   // has an element when the connection is to be probed
	writing context.Context // ends when a write takes too long
	stop    context.CancelFunc
}

// New returns an outbox that holds up to limit messages.
func New(limit int, log *slog.Logger) *Outbox {
	o := &Outbox{log: log, limit: limit, bytes: maxWaiting, status: websocket.StatusNormalClosure}
	o.turn, o.wakec, o.idlec = make(chan struct{}, 1), make(chan struct{}, 1), make(chan struct{}, 1)
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
	if o.queued(m) {
		o.wake()
	}
}

// Hold queues m, which is in no hurry: it leaves with the next message, or when watch
// looks around.
func (o *Outbox) Hold(m Message) { o.queued(m) }

// Reply is Send for the goroutine that reads: it writes m itself, behind what was
// queued before, unless somebody else writes.
func (o *Outbox) Reply(m Message) {
	if !o.queued(m) {
		return
	}
	o.mu.Lock()
	conn, watch := o.conn, o.watch
	o.mu.Unlock()
	if conn == nil {
		return // Begin begins with it
	}
	select {
	case o.turn <- struct{}{}:
	default:
		o.wake()
		return
	}
	defer func() { <-o.turn }()
	if _, err := o.write(conn, watch); err != nil {
		o.wake() // Write says so
	}
}

// queued queues m, and reports whether it may be written.
func (o *Outbox) queued(m Message) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed {
		return false
	}
	size, behind := int64(m.Size()), o.unwritten.Load()
	o.most = max(o.most, size)
	if len(o.queue) >= o.limit || behind > o.bytes+o.most {
		o.log.Warn("client cut off", "reason", ErrUnread, "queued", len(o.queue), "bytes", behind)
		o.closed = true
		o.cancel()
		return false
	}
	o.unwritten.Add(size)
	o.queue = append(o.queue, m)
	return true
}

// Close ends the connection after what was queued before.
func (o *Outbox) Close() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.closed = true
	o.wake()
}

// Goodbye says that the client is about to end the connection: Close leaves that to it,
// for a while.
func (o *Outbox) Goodbye() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.going = true
}

// Gone says that the client has ended the connection: nothing more is written.
func (o *Outbox) Gone() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.closed, o.gone, o.queue = true, true, nil
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
	o.cancel()
	o.Close()
}

// Wake has what was held back written.
func (o *Outbox) Wake() { o.wake() }

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

// Begin writes what is queued to conn, which watch looks after from now on. Call Write
// next.
func (o *Outbox) Begin(conn *Conn, watch *Watch) {
	o.drop = context.AfterFunc(o.writing, conn.Drop)
	o.ended.Store(watch.now())
	o.mu.Lock()
	o.conn, o.watch = conn, watch
	o.mu.Unlock()
	watch.add(o)
	o.turn <- struct{}{}
	defer func() { <-o.turn }()
	if more, err := o.write(conn, watch); err != nil || !more {
		o.wake() // Write says so
	}
}

// Write sends what is queued, and probes a connection on which nothing was sent
// for the interval of the watch, until either ends. It reports false if the connection
// cannot be written to any more. Pongs come in only while somebody reads.
func (o *Outbox) Write() bool {
	conn, watch := o.conn, o.watch // of Begin, once and for all
	defer o.stop()
	defer o.drop()
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
			o.turn <- struct{}{}
			more, err := o.write(conn, watch)
			<-o.turn
			if err != nil {
				o.lost(err, ErrUnread)
				return false
			}
			if !more {
				o.end(conn)
				return true
			}
		}
	}
}

// goodbyeTimeout is how long a client that says goodbye may take to end the connection.
const goodbyeTimeout = time.Second

// end closes the connection when all is written, unless the client has, or is about to.
func (o *Outbox) end(conn *Conn) {
	o.mu.Lock()
	gone, going := o.gone, o.going
	o.mu.Unlock()
	if going && !gone {
		gone = o.waitGone()
	}
	if gone {
		return
	}
	o.mu.Lock()
	status, reason := o.status, o.reason
	o.mu.Unlock()
	// Close waits for the end of a message that has begun, which may never come.
	defer time.AfterFunc(writeTimeout, o.stop).Stop()
	_ = conn.Close(status, reason)
}

// waitGone waits for the client to end the connection, and reports whether it has.
func (o *Outbox) waitGone() bool {
	timer := time.NewTimer(goodbyeTimeout)
	defer timer.Stop()
	select {
	case <-o.wakec:
	case <-timer.C:
	case <-o.ctx.Done():
		return true
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.gone || o.ctx.Err() != nil
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

func (o *Outbox) ping(conn *Conn) error {
	ctx, cancel := context.WithTimeout(o.ctx, writeTimeout)
	defer cancel()
	return conn.Ping(ctx)
}

// write sends what is queued, in one call if that is short, and reports whether more
// may come. Who calls it has the turn.
func (o *Outbox) write(conn *Conn, watch *Watch) (more bool, err error) {
	if o.failed != nil {
		return false, o.failed
	}
	queue, more := o.take()
	frames := o.encode(queue)
	if len(frames) == 0 {
		o.failed = conn.line.flush() // the answer waits for what cannot be encoded
		return more, o.failed
	}
	for i, f := range frames {
		conn.line.hold(i < len(frames)-1)
		o.began.Store(watch.now())
		if o.failed = conn.Write(context.Background(), f.kind, f.data); o.failed != nil {
			break
		}
		o.unwritten.Add(-f.size)
		frames[i] = frame{} // what is written need not wait for the rest
	}
	o.ended.Store(watch.now())
	o.began.Store(0)
	return more, o.failed
}

// frame is a message as it is sent.
type frame struct {
	kind websocket.MessageType
	data []byte
	size int64 // of the message
}

// encode makes messages what is sent.
func (o *Outbox) encode(queue []Message) []frame {
	frames := make([]frame, 0, len(queue))
	for i, m := range queue {
		kind, encode := websocket.MessageBinary, m.Binary
		if o.text.Load() {
			kind, encode = websocket.MessageText, m.JSON
		}
		data, err := encode()
		if err != nil {
			// A message that cannot be encoded is ours; the client lives on without it.
			o.log.Error("encode message", "error", err)
			o.unwritten.Add(-int64(m.Size()))
			continue
		}
		frames = append(frames, frame{kind, data, int64(m.Size())})
		queue[i] = nil
	}
	return frames
}
