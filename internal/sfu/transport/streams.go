package transport

import (
	"encoding/binary"
	"errors"
	"io"
	"log/slog"
	"maps"
	"math"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/rollcall-rtc/rollcall/internal/sfu/stun"
)

const (
	// acceptPause is how long a listener waits when the system has no more files or
	// memory for a connection.
	acceptPause = 100 * time.Millisecond

	// unclaimedFor is how long a connection may take to say whom it is for. Names
	// are registered before a client knows the port.
	unclaimedFor = time.Second

	// Connections that have not said yet whom they are for: in all, and of one address,
	// or of one network of IPv6.
	maxUnclaimed      = 1024
	maxUnclaimedOfOne = 64

	maxStreams = 8 // of one link

	// endFor is how long what is queued may take to be written when a connection is
	// ended, and the client to end its side.
	endFor = 500 * time.Millisecond

	maxFramed = 8192 // bytes of the longest packet that is read

	// tcpWriteQueue bounds what waits to be written to one client, in bytes. A slow
	// client loses packets instead of blocking.
	tcpWriteQueue = 4 << 20

	// A connection begins to read with a small buffer, as most say little, and has a
	// larger one when it says more, in bytes.
	firstRead = 1 << 10
	maxRead   = 16 << 10

	frameHeader = 2 // bytes, of the length before each packet, RFC 4571 §2
)

// Streams accepts the connections of ICE-TCP, of which we have the passive side
// (RFC 6544). A connection belongs to the link that its first packet, a
// connectivity check, names, and stays with it until the client ends it or the
// link does. It is read by a goroutine of its own.
type Streams struct {
	log       *slog.Logger   // immutable
	listeners []net.Listener // immutable
	began     time.Time      // immutable
	done      chan struct{}  // immutable; closed by Close
	tasks     sync.WaitGroup // accepting, reading, writing

	mu        sync.Mutex
	closed    bool                 // mu guards
	ufrags    map[string]*Link     // mu guards
	claimed   map[*Link][]*stream  // mu guards
	all       map[*stream]struct{} // mu guards; also those that are ending
	unclaimed map[netip.Addr]int   // mu guards; by sourceOf
	waiting   int                  // mu guards; the sum of unclaimed
	refused   int                  // mu guards; since it was logged
}

// ListenStreams begins to accept from the listeners, which are its own from now on.
func ListenStreams(ls []*net.TCPListener, log *slog.Logger) *Streams {
	listeners := make([]net.Listener, len(ls))
	for i, l := range ls {
		listeners[i] = l
	}
	return listenStreams(listeners, log)
}

func listenStreams(ls []net.Listener, log *slog.Logger) *Streams {
	s := &Streams{
		log: log, listeners: ls, began: time.Now(), done: make(chan struct{}),
		ufrags: map[string]*Link{}, claimed: map[*Link][]*stream{},
		all: map[*stream]struct{}{}, unclaimed: map[netip.Addr]int{},
	}
	for _, l := range ls {
		s.tasks.Go(func() { s.accept(l) })
	}
	return s
}

// Close ends accepting and all connections, and waits until they have ended: what
// is queued to be written has endFor.
func (s *Streams) Close() error {
	s.mu.Lock()
	if !s.closed {
		s.closed = true
		close(s.done)
	}
	all := slices.Collect(maps.Keys(s.all))
	s.mu.Unlock()
	var errs []error
	for _, l := range s.listeners {
		errs = append(errs, l.Close())
	}
	for _, st := range all {
		if st.path.Load() == nil {
			st.cut()
		} else {
			st.end()
		}
	}
	s.tasks.Wait()
	return errors.Join(errs...)
}

// register makes the connections l's whose checks name a user name fragment. It
// returns errTaken if that is another link's, ErrClosed after Close.
func (s *Streams) register(l *Link, ufrag string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return ErrClosed
	}
	if other := s.ufrags[ufrag]; other != nil && other != l {
		return errTaken
	}
	s.ufrags[ufrag] = l
	return nil
}

// unregister ends that for new connections. Those that are there stay: a client
// whose connection ends at once, and that still writes to it, may take its whole
// transport for dead.
func (s *Streams) unregister(l *Link, ufrag string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ufrags[ufrag] == l {
		delete(s.ufrags, ufrag)
	}
}

// drop ends the connections of l, whose names were unregistered. It does not wait:
// what is queued for the client, such as a close_notify, is written within endFor. A
// packet that has arrived may be with the handler meanwhile.
func (s *Streams) drop(l *Link) {
	s.mu.Lock()
	streams := s.claimed[l]
	delete(s.claimed, l)
	s.mu.Unlock()
	for _, st := range streams {
		st.end()
	}
}

// accept is a listener's goroutine.
func (s *Streams) accept(l net.Listener) {
	short := false
	for {
		conn, err := l.Accept()
		switch {
		case err == nil:
			short = false
			s.admit(conn)
		case errors.Is(err, net.ErrClosed):
			return
		case errors.Is(err, syscall.ECONNABORTED): // the client's doing
		default:
			if !short {
				s.log.Warn("TCP connections for media are not accepted", "error", err)
			}
			short = true
			select {
			case <-time.After(acceptPause):
			case <-s.done:
			}
		}
	}
}

// admit begins to read a connection, unless too many wait to be claimed.
func (s *Streams) admit(conn net.Conn) {
	remote, _ := conn.RemoteAddr().(*net.TCPAddr) // nil: the client is gone
	from := canonical(remote.AddrPort())
	source := sourceOf(from.Addr())
	st := &stream{owner: s, conn: conn, from: from}
	s.mu.Lock()
	if !from.IsValid() || s.closed || s.waiting >= maxUnclaimed || s.unclaimed[source] >= maxUnclaimedOfOne {
		s.refused++
		s.mu.Unlock()
		_ = conn.Close()
		return
	}
	s.all[st] = struct{}{}
	s.unclaimed[source]++
	s.waiting++
	refused := s.refused
	s.refused = 0
	s.tasks.Go(st.read)
	s.mu.Unlock()
	if refused > 0 {
		s.log.Debug("TCP connections for media were refused", "count", refused)
	}
}

// sourceOf is what one client has of addresses: a network of IPv6 is one's alone.
func sourceOf(a netip.Addr) netip.Addr {
	if a.Is4() {
		return a
	}
	network, _ := a.Prefix(64) // fails for no address
	return network.Addr()
}

// claim gives a connection to the link of a name. It reports false if there is none.
func (s *Streams) claim(st *stream, ufrag []byte) bool {
	s.mu.Lock()
	l := s.ufrags[string(ufrag)]
	if l == nil {
		s.mu.Unlock()
		return false
	}
	_ = st.conn.SetReadDeadline(time.Time{}) // before anybody else can set one, see end
	st.link, st.ufrag = l, string(ufrag)
	st.hear()
	st.path.Store(&Path{stream: st, addr: st.from})
	s.settle(st)
	others, excess := makeRoom(s.claimed[l], l.Path())
	s.claimed[l] = append(others, st)
	s.mu.Unlock()
	if excess != nil {
		excess.cut()
	}
	return true
}

// makeRoom takes one out if there is no room for another: the one that was heard least
// recently, and is not where media goes.
func makeRoom(streams []*stream, media *Path) (rest []*stream, excess *stream) {
	if len(streams) < maxStreams {
		return streams, nil
	}
	at := -1
	for i, st := range streams {
		if st.path.Load() != media && (at < 0 || st.heard.Load() < streams[at].heard.Load()) {
			at = i
		}
	}
	excess = streams[at]
	return slices.Delete(streams, at, at+1), excess
}

// settle counts a connection as unclaimed no more. Streams.mu is held.
func (s *Streams) settle(st *stream) {
	source := sourceOf(st.from.Addr())
	if s.unclaimed[source]--; s.unclaimed[source] == 0 {
		delete(s.unclaimed, source)
	}
	s.waiting--
}

// has reports whether a name is l's.
func (s *Streams) has(l *Link, ufrag []byte) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ufrags[string(ufrag)] == l
}

// forget takes a connection out that is at its end.
func (s *Streams) forget(st *stream) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.all, st)
	if st.path.Load() == nil {
		s.settle(st)
		return
	}
	rest := slices.DeleteFunc(s.claimed[st.link], func(other *stream) bool { return other == st })
	if s.claimed[st.link] = rest; len(rest) == 0 {
		delete(s.claimed, st.link)
	}
}

// stream is one connection.
type stream struct {
	owner *Streams       // immutable
	conn  net.Conn       // immutable
	from  netip.AddrPort // immutable

	link  *Link                // immutable once there is a path
	path  atomic.Pointer[Path] // once a link has claimed it
	ufrag string               // reader only: what a check has named last
	heard atomic.Int64         // when, in ns since Streams.began

	ending atomic.Bool // set with mu; nothing more is dispatched, or queued

	mu      sync.Mutex
	writing bool      // mu guards; there is a goroutine for it
	queue   []*[]byte // mu guards; chunks that wait to be written
	queued  int       // mu guards; bytes, with those that are being written
}

// chunks are what is written at once: most connections have none but for a moment.
var chunks = sync.Pool{New: func() any { b := make([]byte, 0, 16<<10); return &b }}

// read is a connection's goroutine.
func (s *stream) read() {
	defer s.owner.forget(s)
	defer s.cut()
	_ = s.conn.SetReadDeadline(time.Now().Add(unclaimedFor))
	f := frames{r: s.conn, buf: make([]byte, firstRead)}
	b, err := f.wait()
	if err != nil {
		return
	}
	if ufrag := stun.Ufrag(b); ufrag == nil || !s.owner.claim(s, ufrag) {
		return
	}
	for err == nil {
		s.hear()
		batch := Borrow()
		for b != nil && err == nil {
			s.take(b, batch)
			b, err = f.next()
		}
		batch.Return()
		if err == nil {
			b, err = f.wait()
		}
	}
}

// take hands on one packet. A check may name another session of the same link, as
// ICE restarts on the connections that it has.
func (s *stream) take(b []byte, batch *Batch) {
	if s.ending.Load() {
		return
	}
	if ufrag := stun.Ufrag(b); ufrag != nil && string(ufrag) != s.ufrag {
		if !s.owner.has(s.link, ufrag) {
			return
		}
		s.ufrag = string(ufrag)
	}
	s.link.dispatch(b, s.path.Load(), batch)
}

func (s *stream) hear() { s.heard.Store(int64(time.Since(s.owner.began))) }

// write sends one packet. It is lost if too much waits already, or the connection is
// gone, as any datagram may be.
func (s *stream) write(b []byte) {
	if len(b) == 0 || len(b) > math.MaxUint16 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ending.Load() || s.queued+frameHeader+len(b) > tcpWriteQueue {
		return
	}
	n := frameHeader + len(b)
	last := len(s.queue) - 1
	if last < 0 || cap(*s.queue[last])-len(*s.queue[last]) < n {
		s.queue = append(s.queue, chunks.Get().(*[]byte))
		last++
	}
	*s.queue[last] = append(binary.BigEndian.AppendUint16(*s.queue[last], uint16(len(b))), b...)
	s.queued += n
	if !s.writing {
		s.writing = true
		s.owner.tasks.Add(1) // not from zero: the reader counts until it has set ending
		go s.drain()
	}
}

// drain is the goroutine that writes what is queued, for as long as there is any.
func (s *stream) drain() {
	defer s.owner.tasks.Done()
	s.mu.Lock()
	for len(s.queue) > 0 {
		chunk := s.queue[0]
		s.queue = slices.Delete(s.queue, 0, 1)
		s.mu.Unlock()
		if _, err := s.conn.Write(*chunk); err != nil {
			s.cut() // the reader ends by it
		}
		s.mu.Lock()
		s.queued -= len(*chunk)
		*chunk = (*chunk)[:0]
		chunks.Put(chunk)
	}
	s.writing = false
	s.mu.Unlock()
	if s.ending.Load() {
		s.bye()
	}
}

// end has what is queued written, and no more, and tells the client that this is
// the end. It does not wait. The reader goes on until the client knows: a
// connection that is closed with something to read takes what is on its way to the
// client with it.
func (s *stream) end() {
	s.mu.Lock()
	if s.ending.Swap(true) {
		s.mu.Unlock()
		return
	}
	_ = s.conn.SetDeadline(time.Now().Add(endFor))
	idle := !s.writing
	s.mu.Unlock()
	if idle {
		s.bye()
	}
}

// bye closes our side.
func (s *stream) bye() {
	if c, ok := s.conn.(interface{ CloseWrite() error }); ok && c.CloseWrite() == nil {
		return
	}
	_ = s.conn.Close()
}

// cut ends the connection at once.
func (s *stream) cut() {
	s.mu.Lock()
	s.ending.Store(true)
	s.queue = nil
	s.mu.Unlock()
	_ = s.conn.Close()
}

// frames takes packets out of a stream of bytes, RFC 4571 §2.
type frames struct {
	r        io.Reader
	buf      []byte
	from, to int // what has been read and not taken, in buf
}

// wait returns the next packet, which is valid until the next call.
func (f *frames) wait() ([]byte, error) {
	for {
		if b, err := f.next(); b != nil || err != nil {
			return b, err
		}
		if err := f.fill(); err != nil {
			return nil, err
		}
	}
}

// next returns the next packet if it has been read, else nil. It is valid until the next
// wait. Empty ones say nothing.
func (f *frames) next() ([]byte, error) {
	for f.to-f.from >= frameHeader {
		n := int(binary.BigEndian.Uint16(f.buf[f.from:]))
		if n > maxFramed {
			return nil, io.ErrShortBuffer // no client sends it
		}
		end := f.from + frameHeader + n
		if end > f.to {
			return nil, nil
		}
		b := f.buf[f.from+frameHeader : end : end]
		f.from = end
		if n > 0 {
			return b, nil
		}
	}
	return nil, nil
}

// fill reads what there is, but not nothing. A buffer that was full is too small.
func (f *frames) fill() error {
	full := f.to == len(f.buf)
	f.to = copy(f.buf, f.buf[f.from:f.to])
	f.from = 0
	if full && len(f.buf) < maxRead {
		f.buf = append(f.buf, make([]byte, len(f.buf))...)
	}
	n, err := f.r.Read(f.buf[f.to:])
	f.to += n
	if n > 0 {
		return nil // an error comes again
	}
	return err
}
