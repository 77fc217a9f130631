package peer

import (
	"errors"
	"sync"
	"time"

	"github.com/rollcall-rtc/rollcall/internal/sfu/record"
	"github.com/rollcall-rtc/rollcall/internal/sfu/sctp"
	"github.com/rollcall-rtc/rollcall/internal/sfu/transport"
)

const (
	// dataWindow is how much of what a client sends may wait for its handler.
	dataWindow = 1 << 20 // bytes

	// letConnect is how long the client may take to open an association that was
	// negotiated, as all do at once, before we do. Its packet says that it has our last message of
	// the handshake.
	letConnect = 500 * time.Millisecond

	// firstRests is how often the timer is stopped as soon as nothing is due, and restEvery
	// how often after that: where data comes and goes all the time one that ends too
	// early is cheaper.
	firstRests = 4
	restEvery  = time.Second
)

// association carries the data of a connection: SCTP in records of DTLS, both of
// our own, on the keys of pion's handshake. What is sent goes out on the goroutine that sends; what arrives is taken on
// the goroutine that read it, and goes to the handler on one of its channel.
type association struct {
	link    *transport.Link                   // immutable
	deliver func(ch *channel, m sctp.Message) // immutable; called with mu held
	accepts bool                              // immutable; the client may open channels
	proved  func()                            // immutable; called at the client's first record, with mu held
	spoilt  func()                            // immutable; called when too much is no SCTP, with mu held

	mu       sync.Mutex
	sctp     *sctp.Association   // mu guards; nil before the handshake
	sealer   *record.Sealer      // mu guards
	opener   *record.Opener      // mu guards
	early    [][]byte            // mu guards; records from before the handshake was complete here
	batch    *transport.Batch    // mu guards; what is being sent
	channels map[uint16]*channel // mu guards; by stream
	read     map[*channel]bool   // mu guards; those that have a reader now
	nextID   uint16              // mu guards; of ours, which are all even or all odd
	news     []sctp.Message      // mu guards; of the packet at hand
	resets   []uint16            // mu guards
	timer    *time.Timer         // mu guards
	wakeAt   time.Time           // mu guards; when the timer ends, zero if it does not run
	wanted   bool                // mu guards; the client has described it
	heard    bool                // mu guards; the client has sent data
	connect  time.Time           // mu guards; when we open the association
	rested   time.Time           // mu guards; when the timer was stopped last
	rests    int                 // mu guards; how often it was
	garbage  garbage             // mu guards; packets that are none of SCTP
	closed   bool                // mu guards
}

// channel is a data channel. request does not change, and id not after the handshake.
type channel struct {
	id      uint16 // association.mu guards
	request channelRequest

	open  bool           // association.mu guards; both sides have it
	gone  bool           // association.mu guards; the client has closed it
	inbox []sctp.Message // association.mu guards
	after []func()       // association.mu guards; called when the inbox was read
}

func (a *association) init(link *transport.Link, deliver func(*channel, sctp.Message)) {
	a.link, a.deliver, a.proved = link, deliver, func() {}
	a.nextID = 1 // the server of a handshake has the odd ones, RFC 8832 §6: mostly we
	a.channels, a.read = map[uint16]*channel{}, map[*channel]bool{}
}

// secured begins to use the keys of a handshake that has ended.
func (a *association) secured(k dataKeys, now time.Time) error {
	sealer, err := record.NewSealer(k.localKey, k.localSalt)
	if err != nil {
		return err
	}
	opener, err := record.NewOpener(k.remoteKey, k.remoteSalt)
	if err != nil {
		return err
	}
	defer a.end(a.begin(nil))
	if a.closed || a.sctp != nil {
		return nil
	}
	if k.client {
		a.haveEven()
	}
	a.sealer, a.opener = sealer, opener
	a.sctp = sctp.New(sctp.Options{
		Write:      a.write,
		Message:    func(m sctp.Message) { a.news = append(a.news, m) },
		Reset:      func(id uint16) { a.resets = append(a.resets, id) },
		MaxMessage: MaxMessageSize,
		Window:     dataWindow,
	})
	a.letConnect(now)
	for _, ch := range a.channels {
		a.ask(ch, now)
	}
	early := a.early
	a.early = nil
	for _, b := range early {
		a.receive(b, now)
	}
	return nil
}

// negotiated says that the client's description has a section for data. To one that has
// none we send none: it need not know what SCTP is, and GStreamer's webrtcbin ends with
// a record that it has no use for.
func (a *association) negotiated(now time.Time) {
	defer a.end(a.begin(nil))
	if a.closed || a.wanted {
		return
	}
	a.wanted = true
	a.letConnect(now)
}

// letConnect has us open the association if the client does not. mu is held.
func (a *association) letConnect(now time.Time) {
	if a.wanted && a.sctp != nil && !a.heard {
		a.connect = now.Add(letConnect)
	}
}

// haveEven numbers our channels as those of a client of the handshake. mu is held.
func (a *association) haveEven() {
	renumbered := make(map[uint16]*channel, len(a.channels))
	for _, ch := range a.channels {
		ch.id--
		renumbered[ch.id] = ch
	}
	a.channels = renumbered
	a.nextID--
}

// ours reports whether a stream is one that we would open. mu is held.
func (a *association) ours(id uint16) bool { return id%2 == a.nextID%2 }

// begin takes the lock for an operation that may send, with the batch if there is
// one. end ends it with what begin returned.
func (a *association) begin(batch *transport.Batch) (own *transport.Batch) {
	a.mu.Lock()
	if a.batch = batch; batch == nil {
		own = transport.Borrow()
		a.batch = own
	}
	return own
}

func (a *association) end(own *transport.Batch) {
	a.arm()
	a.batch = nil
	a.mu.Unlock()
	if own != nil {
		own.Return()
	}
}

// write sends a packet of SCTP.
func (a *association) write(packet []byte) { a.send(record.ApplicationData, packet) }

func (a *association) send(kind record.Kind, payload []byte) {
	path := a.link.Path()
	if path == nil {
		return // lost, as any packet may be
	}
	room := a.batch.Reserve(len(payload) + record.Overhead)
	if b, err := a.sealer.Seal(room[:0], kind, payload); err == nil {
		a.batch.Add(path, len(b))
	}
}

// handle takes a record that arrived.
func (a *association) handle(b []byte, batch *transport.Batch) {
	defer a.end(a.begin(batch))
	switch {
	case a.closed:
	case a.sctp != nil:
		a.receive(b, time.Now())
	case len(a.early) < maxEarly:
		a.early = append(a.early, append([]byte(nil), b...))
	}
}

// ends reports whether a record is an alert that ends the connection: close_notify, or a
// fatal one (RFC 5246 §7.2).
func (a *association) ends(b []byte) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.opener == nil || !record.IsAlert(b) {
		return false
	}
	alert, err := a.opener.Open(b)
	const fatal, closeNotify = 2, 0
	return err == nil && len(alert) == 2 && (alert[0] == fatal || alert[1] == closeNotify)
}

// receive takes a record. mu is held.
func (a *association) receive(b []byte, now time.Time) {
	packet, err := a.opener.Open(b)
	if err != nil {
		return
	}
	if !a.heard {
		a.heard, a.connect = true, time.Time{}
		a.proved()
	}
	// That it has ended shows when something is sent.
	err = a.sctp.Handle(packet, now)
	if (errors.Is(err, sctp.ErrPacket) || errors.Is(err, sctp.ErrMessage)) && a.garbage.add(now, maxGarbage) {
		a.spoilt()
	}
	a.takeNews(now)
}

func (a *association) takeNews(now time.Time) {
	for len(a.news) > 0 || len(a.resets) > 0 {
		news, resets := a.news, a.resets
		a.news, a.resets = nil, nil
		for _, m := range news {
			a.take(m, now)
		}
		for _, id := range resets {
			if ch := a.channels[id]; ch != nil {
				ch.gone = true
				delete(a.channels, id)
			}
			a.sctp.ResetStream(id, now) // our half too, RFC 8831 §6.7
		}
	}
}

// take takes a message to its channel, or makes one.
func (a *association) take(m sctp.Message, now time.Time) {
	ch := a.channels[m.Stream]
	if m.Kind != ppidControl {
		if ch == nil {
			a.sctp.Consumed(m, now)
			return
		}
		a.deliver(ch, m)
		return
	}
	a.sctp.Consumed(m, now)
	switch {
	case len(m.Payload) == 0:
	case m.Payload[0] == dcepAck && ch != nil:
		a.opened(ch)
		if a.allOpen() {
			a.sctp.Acknowledge(now) // no more is to come for now
		}
	case m.Payload[0] == dcepOpen && ch == nil:
		request, err := parseRequest(m.Payload)
		if err != nil || !a.accepts || a.theirs() >= maxChannels || a.ours(m.Stream) {
			a.sctp.ResetStream(m.Stream, now)
			return
		}
		ch = &channel{id: m.Stream, request: request}
		a.channels[ch.id] = ch
		_ = a.sctp.Send(ch.id, ppidControl, []byte{dcepAck}, sctp.Reliability{}, now)
		a.opened(ch)
	}
}

// opened has the channel's reader told that both sides have it, once.
func (a *association) opened(ch *channel) {
	if !ch.open {
		ch.open = true
		a.deliver(ch, sctp.Message{Stream: ch.id, Kind: ppidControl})
	}
}

func (a *association) allOpen() bool {
	for _, ch := range a.channels {
		if !ch.open {
			return false
		}
	}
	return true
}

func (a *association) theirs() (n int) {
	for id := range a.channels {
		if !a.ours(id) {
			n++
		}
	}
	return n
}

// open asks for a channel, at once or when the handshake has ended.
func (a *association) open(request channelRequest) {
	defer a.end(a.begin(nil))
	if a.closed {
		return
	}
	ch := &channel{id: a.nextID, request: request}
	a.nextID += 2
	a.channels[ch.id] = ch
	if a.sctp != nil {
		a.ask(ch, time.Now())
	}
}

func (a *association) ask(ch *channel, now time.Time) {
	_ = a.sctp.Send(ch.id, ppidControl, ch.request.append(nil), sctp.Reliability{}, now)
}

// sendData sends a message, unless more than limit bytes wait on the channel.
func (a *association) sendData(batch *transport.Batch, ch *channel, payload []byte, limit int, full error) error {
	defer a.end(a.begin(batch))
	switch {
	case a.closed:
		return ErrClosed
	case ch.gone:
		return ErrDataEnded
	}
	if a.sctp.Buffered(ch.id)+len(payload) > limit {
		return full
	}
	if err := a.sctp.Err(); err != nil {
		return err
	}
	kind := uint32(ppidBinary)
	if len(payload) == 0 {
		kind, payload = ppidBinaryEmpty, []byte{0} // RFC 8831 §6.6
	}
	return a.sctp.Send(ch.id, kind, payload, ch.request.rel, time.Now())
}

// arm has the timer end when it is needed first. One that ends too early is cheaper
// than one that is set anew for each packet.
func (a *association) arm() {
	if a.sctp == nil || a.closed {
		return
	}
	at := a.sctp.Deadline()
	if !a.connect.IsZero() && (at.IsZero() || a.connect.Before(at)) {
		at = a.connect
	}
	if at.IsZero() {
		a.rest()
		return
	}
	if !a.wakeAt.IsZero() && !at.Before(a.wakeAt) {
		return
	}
	a.wakeAt = at
	if wait := max(0, time.Until(at)); a.timer == nil {
		a.timer = time.AfterFunc(wait, a.tick)
	} else {
		a.timer.Reset(wait)
	}
}

// rest stops the timer, for nothing is due: most associations have no more than their
// handshake, and a timer that ends wakes the process. mu is held.
func (a *association) rest() {
	if a.wakeAt.IsZero() || !a.sctp.Established() {
		return
	}
	if now := time.Now(); a.rests < firstRests || now.Sub(a.rested) >= restEvery {
		a.timer.Stop()
		a.wakeAt, a.rested = time.Time{}, now
		a.rests++
	}
}

func (a *association) tick() {
	defer a.end(a.begin(nil))
	if a.closed {
		return
	}
	now := time.Now()
	a.wakeAt = time.Time{}
	if !a.connect.IsZero() && !now.Before(a.connect) {
		a.connect = time.Time{}
		a.sctp.Connect(now)
	}
	a.sctp.Tick(now)
}

// consumed says that the handler has had a message.
func (a *association) consumed(m sctp.Message) {
	defer a.end(a.begin(nil))
	if !a.closed {
		a.sctp.Consumed(m, time.Now())
	}
}

// close ends the association and says so, and that the connection ends too.
func (a *association) close() {
	defer a.end(a.begin(nil))
	if a.closed {
		return
	}
	if a.sctp != nil {
		a.sctp.Close()
		a.send(record.Alert, []byte{1, 0}) // close_notify, RFC 5246 §7.2.1
	}
	a.closed, a.early, a.channels = true, nil, nil
	if a.timer != nil {
		a.timer.Stop()
	}
}
