package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"
	"github.com/livekit/protocol/livekit"
)

const (
	// streamChunk is how many bytes of a stream go into one packet.
	streamChunk = 15_000
	// maxStreams is how many incoming streams there can be at a time. One sender may have
	// them all while nobody else sends.
	maxStreams = 1000
)

// StreamInfo describes a data stream: text or bytes of any length.
type StreamInfo struct {
	ID, Topic, MimeType string
	// Name is a file's; text has none.
	Name string
	// Size is in bytes; negative if the sender does not know it.
	Size       int64
	Attributes map[string]string
	Timestamp  time.Time
	Text       bool
	// Identity is that of who says it: the sender's, but for a text that an agent writes
	// for somebody else, such as what that one has said.
	Identity string
}

// StreamReader reads an incoming data stream. It has the end of the stream as
// io.EOF, and ErrStreamLost if there is no such end.
type StreamReader struct {
	info StreamInfo // immutable

	mu     sync.Mutex
	wake   sync.Cond
	chunks [][]byte // mu guards; not yet read
	held   int      // mu guards; bytes of chunks
	err    error    // mu guards; what comes after them

	sid      string      // immutable; of the sender, empty if that is hidden
	number   uint64      // loop only; how many began before it
	next     uint64      // loop only; index of the next chunk
	received int64       // loop only; bytes
	stray    *time.Timer // loop only; ends when nothing follows from a sender who is not there; else nil
}

// Info describes the stream.
func (s *StreamReader) Info() StreamInfo { return s.info }

// Read implements io.Reader.
func (s *StreamReader) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.chunks) == 0 {
		if s.err != nil {
			return 0, s.err
		}
		s.wake.Wait()
	}
	n := copy(p, s.chunks[0])
	s.held -= n
	if s.chunks[0] = s.chunks[0][n:]; len(s.chunks[0]) == 0 {
		s.chunks = s.chunks[1:]
	}
	return n, nil
}

// add gives the reader another chunk, unless it is too far behind.
func (s *StreamReader) add(chunk []byte, limit int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.held+len(chunk) > limit {
		return false
	}
	if len(chunk) > 0 {
		s.chunks = append(s.chunks, chunk)
		s.held += len(chunk)
		s.wake.Broadcast()
	}
	return true
}

func (s *StreamReader) end(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err == nil {
		s.err = err
		s.wake.Broadcast()
	}
}

// streams are what comes in.
type streams struct {
	room *Room // immutable

	mu       sync.Mutex
	handlers map[streamKey]func(*StreamReader) // mu guards

	// loop only
	open  map[streamID]*StreamReader
	of    map[string]int // how many are open of each sender, by sid; those of who is hidden count together
	begun uint64         // streams that there were
}

type streamKey struct {
	topic string
	text  bool
}

// streamID is how a stream is known here: nobody writes into another's. Its sender is
// the session that the server names in each packet, which is empty of who is hidden. An
// identity would not do: a text that an agent writes for somebody else begins in that
// one's name, and goes on in the agent's.
type streamID struct{ sender, id string }

func newStreams(r *Room) *streams {
	return &streams{room: r, handlers: map[streamKey]func(*StreamReader){}, open: map[streamID]*StreamReader{}, of: map[string]int{}}
}

// HandleText calls fn, on a goroutine of its own, for each text stream with the
// topic; nil ends that. Streams that nobody handles are dropped. A stream whose
// reader falls behind by more than Options.StreamBuffer is lost. At 1,000 streams, who
// has most of them at a time loses its latest one to who has fewer, and gets no more.
func (r *Room) HandleText(topic string, fn func(*StreamReader)) {
	r.streams.handleWith(streamKey{topic: topic, text: true}, fn)
}

// HandleBytes is HandleText for streams of bytes.
func (r *Room) HandleBytes(topic string, fn func(*StreamReader)) {
	r.streams.handleWith(streamKey{topic: topic}, fn)
}

func (ss *streams) handleWith(k streamKey, fn func(*StreamReader)) {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	if fn == nil {
		delete(ss.handlers, k)
		return
	}
	ss.handlers[k] = fn
}

// header begins a stream.
func (ss *streams) header(from, sid string, h *livekit.DataStream_Header) {
	_, text := h.GetContentHeader().(*livekit.DataStream_Header_TextHeader)
	ss.mu.Lock()
	fn := ss.handlers[streamKey{topic: h.GetTopic(), text: text}]
	ss.mu.Unlock()
	key := streamID{sid, h.GetStreamId()}
	if fn == nil || ss.open[key] != nil {
		return
	}
	if len(ss.open) >= maxStreams && !ss.makeWay(sid) {
		ss.room.log.Debug("too many data streams at a time", "from", from, "topic", h.GetTopic())
		return
	}
	s := &StreamReader{sid: sid, number: ss.begun, info: StreamInfo{
		ID: h.GetStreamId(), Topic: h.GetTopic(), MimeType: h.GetMimeType(), Name: h.GetByteHeader().GetName(), Size: -1,
		Attributes: maps.Clone(h.GetAttributes()), Timestamp: time.UnixMilli(h.GetTimestamp()), Text: text, Identity: from,
	}}
	s.wake.L = &s.mu
	if h.TotalLength != nil {
		s.info.Size = int64(min(h.GetTotalLength(), 1<<62))
	}
	ss.open[key] = s
	ss.of[sid]++
	ss.begun++
	if !ss.senderHere(s) {
		ss.awaitMore(key, s)
	}
	ss.room.running.Go(func() { fn(s) })
}

// makeWay ends the latest stream of who has most of them, for one of a sender who has
// fewer, also with that one: nobody keeps the others out.
func (ss *streams) makeWay(sender string) bool {
	most := sender
	for other, n := range ss.of {
		if n > ss.of[most] {
			most = other
		}
	}
	if ss.of[sender]+1 >= ss.of[most] {
		return false
	}
	var of streamID
	var latest *StreamReader
	for key, s := range ss.open {
		if key.sender == most && (latest == nil || s.number > latest.number) {
			of, latest = key, s
		}
	}
	ss.finish(of, latest, fmt.Errorf("%w: too many at a time", ErrStreamLost))
	return true
}

// chunk goes on with a stream.
func (ss *streams) chunk(sid string, c *livekit.DataStream_Chunk) {
	key := streamID{sid, c.GetStreamId()}
	s := ss.open[key]
	switch {
	case s == nil || c.GetChunkIndex() < s.next:
		return
	case c.GetChunkIndex() > s.next || !s.add(c.GetContent(), ss.room.opts.StreamBuffer):
		ss.finish(key, s, ErrStreamLost)
	default:
		s.next++
		s.received += int64(len(c.GetContent()))
		if s.stray != nil {
			ss.awaitMore(key, s)
		}
	}
}

// trailer ends a stream.
func (ss *streams) trailer(sid string, t *livekit.DataStream_Trailer) {
	key := streamID{sid, t.GetStreamId()}
	s := ss.open[key]
	if s == nil {
		return
	}
	switch {
	case t.GetReason() != "":
		ss.finish(key, s, fmt.Errorf("%w: %s", ErrStreamLost, t.GetReason()))
	case s.info.Size >= 0 && s.received != s.info.Size:
		ss.finish(key, s, fmt.Errorf("%w: %d of %d bytes", ErrStreamLost, s.received, s.info.Size))
	default:
		ss.finish(key, s, io.EOF)
	}
}

// finish ends a stream.
func (ss *streams) finish(key streamID, s *StreamReader, err error) {
	delete(ss.open, key)
	if ss.of[key.sender]--; ss.of[key.sender] == 0 {
		delete(ss.of, key.sender)
	}
	stop(s.stray)
	s.end(err)
}

// close ends all streams.
func (ss *streams) close() {
	for key, s := range ss.open {
		ss.finish(key, s, ErrStreamLost)
	}
}

// StreamOptions describe a data stream to its receivers.
type StreamOptions struct {
	Topic string
	// To are the identities of the receivers; empty means everybody else.
	To         []string
	Attributes map[string]string
	// MimeType is that of bytes; empty means application/octet-stream.
	MimeType string
	// Name is a file's.
	Name string
	// Size is the length in bytes, if it is known beforehand; 0 means that it is not.
	Size int64
}

// StreamWriter writes a data stream. Receivers have what was written so far
// before it is closed.
type StreamWriter struct {
	ctx    context.Context // that of OpenText or OpenBytes: it bounds all writing
	local  *LocalParticipant
	id     string
	to     []string
	text   bool
	next   uint64
	rest   []byte // the beginning of a character whose end is still to come
	closed bool
}

// OpenText begins a text stream. The context bounds all writing to it.
func (p *LocalParticipant) OpenText(ctx context.Context, o StreamOptions) (*StreamWriter, error) {
	o.MimeType = "text/plain"
	return p.openStream(ctx, o, true)
}

// OpenBytes begins a stream of bytes. The context bounds all writing to it.
func (p *LocalParticipant) OpenBytes(ctx context.Context, o StreamOptions) (*StreamWriter, error) {
	if o.MimeType == "" {
		o.MimeType = "application/octet-stream"
	}
	return p.openStream(ctx, o, false)
}

func (p *LocalParticipant) openStream(ctx context.Context, o StreamOptions, text bool) (*StreamWriter, error) {
	w := &StreamWriter{ctx: ctx, local: p, id: uuid.NewString(), to: o.To, text: text}
	h := &livekit.DataStream_Header{
		StreamId: w.id, Timestamp: time.Now().UnixMilli(), Topic: o.Topic, MimeType: o.MimeType, Attributes: o.Attributes,
		ContentHeader: &livekit.DataStream_Header_ByteHeader{ByteHeader: &livekit.DataStream_ByteHeader{Name: o.Name}},
	}
	if text {
		h.ContentHeader = &livekit.DataStream_Header_TextHeader{TextHeader: &livekit.DataStream_TextHeader{}}
	}
	if o.Size > 0 {
		size := uint64(o.Size)
		h.TotalLength = &size
	}
	if err := w.send(&livekit.DataPacket{Value: &livekit.DataPacket_StreamHeader{StreamHeader: h}}); err != nil {
		return nil, fmt.Errorf("open stream: %w", err)
	}
	return w, nil
}

// ID identifies the stream.
func (w *StreamWriter) ID() string { return w.id }

// Write implements io.Writer.
func (w *StreamWriter) Write(p []byte) (int, error) {
	if w.closed {
		return 0, ErrStreamClosed
	}
	data := append(w.rest, p...)
	for w.rest = nil; len(data) > 0; {
		n := min(len(data), streamChunk)
		if w.text {
			n = wholeCharacters(data[:n])
		}
		if n == 0 {
			w.rest = data
			break
		}
		if err := w.chunk(data[:n]); err != nil {
			return 0, err
		}
		data = data[n:]
	}
	return len(p), nil
}

// wholeCharacters returns how much of b does not end within a character.
func wholeCharacters(b []byte) int {
	for n := len(b) - 1; n >= 0 && n >= len(b)-utf8.UTFMax; n-- {
		if utf8.RuneStart(b[n]) {
			if utf8.FullRune(b[n:]) {
				return len(b)
			}
			return n
		}
	}
	return len(b) // no text at all
}

func (w *StreamWriter) chunk(b []byte) error {
	c := &livekit.DataStream_Chunk{StreamId: w.id, ChunkIndex: w.next, Content: b}
	w.next++
	return w.send(&livekit.DataPacket{Value: &livekit.DataPacket_StreamChunk{StreamChunk: c}})
}

// Close ends the stream.
func (w *StreamWriter) Close() error { return w.finish("") }

// CloseWithError ends the stream before its end: readers get ErrStreamLost with
// the reason.
func (w *StreamWriter) CloseWithError(reason string) error {
	if reason == "" {
		reason = "error"
	}
	return w.finish(reason)
}

func (w *StreamWriter) finish(reason string) error {
	if w.closed {
		return nil
	}
	if len(w.rest) > 0 && reason == "" {
		if err := w.chunk(w.rest); err != nil {
			return err
		}
	}
	w.closed = true
	t := &livekit.DataStream_Trailer{StreamId: w.id, Reason: reason}
	return w.send(&livekit.DataPacket{Value: &livekit.DataPacket_StreamTrailer{StreamTrailer: t}})
}

func (w *StreamWriter) send(m *livekit.DataPacket) error {
	m.DestinationIdentities = w.to
	return w.local.room.data.send(w.ctx, m)
}

// SendText sends a text as a stream.
func (p *LocalParticipant) SendText(ctx context.Context, text string, o StreamOptions) error {
	o.Size = int64(len(text))
	w, err := p.OpenText(ctx, o)
	if err != nil {
		return err
	}
	if _, err := io.WriteString(w, text); err != nil {
		return err
	}
	return w.Close()
}

// SendFile sends a file as a stream of bytes.
func (p *LocalParticipant) SendFile(ctx context.Context, path string, o StreamOptions) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return err
	}
	if o.Name == "" {
		o.Name = filepath.Base(path)
	}
	o.Size = st.Size()
	w, err := p.OpenBytes(ctx, o)
	if err != nil {
		return err
	}
	if _, err := io.Copy(w, f); err != nil {
		return errors.Join(err, w.CloseWithError(err.Error()))
	}
	return w.Close()
}
