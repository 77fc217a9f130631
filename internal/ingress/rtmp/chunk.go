package rtmp

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// Limits of what a client may send.
const (
	// MaxMessage bounds a message, in bytes: a key frame of 4K at the highest
	// quality is a fourth of it.
	MaxMessage = 8 << 20

	// maxBefore is MaxMessage, and bounds all that is kept, until one publishes.
	maxBefore = 64 << 10

	maxChunkStreams = 64
	defaultChunk    = 128 // §5.4.1
)

// What a client does wrong.
var (
	ErrChunk      = errors.New("malformed RTMP chunk")
	ErrMessage    = errors.New("malformed RTMP message")
	ErrTooLarge   = errors.New("RTMP message is too large")
	ErrHandshake  = errors.New("malformed RTMP handshake")
	ErrCommand    = errors.New("malformed RTMP command")
	ErrNotPublish = errors.New("only publishing is possible here")
)

// A message is one message of the protocol.
type message struct {
	kind   byte
	stream uint32
	at     uint32 // in milliseconds, modulo 2³²
	body   []byte // valid until the next read
}

// chunkStream is the state of one chunk stream (§5.3).
type chunkStream struct {
	kind      byte
	stream    uint32
	size      int
	at        uint32
	delta     uint32
	field     uint32 // the last timestamp field, as it was sent
	extended  bool   // it was in the extended field
	begun     bool   // there was a full header
	absolute  bool   // and the last one was such
	body      []byte
	unfolding bool // a message is incomplete
}

// A chunkReader puts messages together from chunks.
type chunkReader struct {
	in      *bufio.Reader
	chunk   int
	streams map[uint32]*chunkStream
	limit   int    // of a message, and of all that are incomplete, in bytes
	partly  int    // bytes of messages that are incomplete
	read    uint64 // bytes
}

func newChunkReader(in io.Reader) *chunkReader {
	return &chunkReader{in: bufio.NewReaderSize(in, 16<<10), chunk: defaultChunk, limit: maxBefore, streams: make(map[uint32]*chunkStream)}
}

// next returns the next message.
func (r *chunkReader) next() (message, error) {
	for {
		m, whole, err := r.readChunk()
		if err != nil || whole {
			return m, err
		}
	}
}

func (r *chunkReader) bytes(b []byte) error {
	n, err := io.ReadFull(r.in, b)
	r.read += uint64(n)
	return err
}

// readChunk reads one chunk; whole says that it completes a message.
func (r *chunkReader) readChunk() (m message, whole bool, err error) {
	var b [11]byte
	if err := r.bytes(b[:1]); err != nil {
		return m, false, err
	}
	format, id := b[0]>>6, uint32(b[0]&63)
	switch id { // §5.3.1.1
	case 0:
		if err := r.bytes(b[:1]); err != nil {
			return m, false, unexpected(err)
		}
		id = uint32(b[0]) + 64
	case 1:
		if err := r.bytes(b[:2]); err != nil {
			return m, false, unexpected(err)
		}
		id = uint32(b[1])<<8 + uint32(b[0]) + 64
	}
	s := r.streams[id]
	if s == nil {
		if len(r.streams) >= maxChunkStreams {
			return m, false, fmt.Errorf("%w: more than %d chunk streams", ErrChunk, maxChunkStreams)
		}
		s = new(chunkStream)
		r.streams[id] = s
	}
	if err := r.header(s, format); err != nil {
		return m, false, err
	}
	n := min(s.size-len(s.body), r.chunk)
	if r.partly+n > r.limit {
		return m, false, ErrTooLarge
	}
	had := len(s.body)
	for left := n; left > 0; { // memory is taken as bytes come, not as they are announced
		piece := min(left, 64<<10)
		s.body = grow(s.body, piece, s.size)
		if err := r.bytes(s.body[len(s.body)-piece:]); err != nil {
			return m, false, unexpected(err)
		}
		left -= piece
	}
	if len(s.body) < s.size {
		s.unfolding, r.partly = true, r.partly+n
		return m, false, nil
	}
	r.partly -= had
	m = message{kind: s.kind, stream: s.stream, at: s.at, body: s.body}
	r.empty(s)
	return m, true, nil
}

// empty has a stream begin anew. What it keeps of the memory is so little that all
// streams together keep no more than one message may take.
func (r *chunkReader) empty(s *chunkStream) {
	if s.unfolding, s.body = false, s.body[:0]; cap(s.body) > r.limit/maxChunkStreams {
		s.body = nil
	}
}

// grow makes b longer by n, of size in the end.
func grow(b []byte, n, size int) []byte {
	if need := len(b) + n; need > cap(b) {
		grown := make([]byte, len(b), min(max(2*cap(b), need, 512), max(size, need)))
		copy(grown, b)
		b = grown
	}
	return b[:len(b)+n]
}

func unexpected(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// header reads the message header of that format (§5.3.1.2) and the extended
// timestamp (§5.3.1.3).
func (r *chunkReader) header(s *chunkStream, format byte) error {
	if format != 0 && !s.begun {
		return fmt.Errorf("%w: type %d without one before it", ErrChunk, format)
	}
	if s.unfolding && format != 3 {
		return fmt.Errorf("%w: type %d within a message", ErrChunk, format)
	}
	var b [11]byte
	n := [4]int{11, 7, 3, 0}[format]
	if err := r.bytes(b[:n]); err != nil {
		return unexpected(err)
	}
	if format <= 1 {
		s.size = int(b[3])<<16 | int(b[4])<<8 | int(b[5])
		s.kind = b[6]
		if s.size > r.limit {
			return fmt.Errorf("%w: %d bytes", ErrTooLarge, s.size)
		}
	}
	if format == 0 {
		s.stream, s.begun = binary.LittleEndian.Uint32(b[7:]), true
	}
	if format <= 2 {
		s.field = uint32(b[0])<<16 | uint32(b[1])<<8 | uint32(b[2])
		if s.extended = s.field == 0xffffff; s.extended {
			if err := r.bytes(b[:4]); err != nil {
				return unexpected(err)
			}
			s.field = binary.BigEndian.Uint32(b[:])
		}
	} else if s.extended {
		// Some clients leave the field out here; then these are bytes of the body.
		if ahead, err := r.in.Peek(4); err == nil && binary.BigEndian.Uint32(ahead) == s.field {
			if err := r.bytes(b[:4]); err != nil {
				return unexpected(err)
			}
		}
	}
	if s.unfolding {
		return nil
	}
	s.advance(format)
	return nil
}

// advance sets the time of a message that begins.
func (s *chunkStream) advance(format byte) {
	// §5.3.1.2.4 has a type 3 after a type 0 repeat its timestamp as a delta, which
	// ffmpeg means. librtmp and those made of it mean the same time again, and there
	// it may be hours.
	const plausible = 1000
	switch format {
	case 0:
		s.at, s.delta, s.absolute = s.field, 0, true
	case 1, 2:
		s.delta, s.absolute = s.field, false
		s.at += s.delta
	case 3:
		if s.absolute {
			s.absolute = false
			if s.field <= plausible {
				s.delta = s.field
			}
		}
		s.at += s.delta
	}
}

// setChunk takes what the client says about its chunks (§5.4.1).
func (r *chunkReader) setChunk(size uint32) error {
	if size < 1 || size > 0x7fffffff {
		return fmt.Errorf("%w: chunks of %d bytes", ErrChunk, size)
	}
	r.chunk = int(min(size, MaxMessage))
	return nil
}

// abort drops what there is of a message (§5.4.2).
func (r *chunkReader) abort(id uint32) {
	if s := r.streams[id]; s != nil && s.unfolding {
		r.partly -= len(s.body)
		r.empty(s)
	}
}

// appendMessage appends a message in chunks of that size, on a chunk stream below
// 64.
func appendMessage(b []byte, chunk int, id byte, m message) []byte {
	field := min(m.at, 0xffffff)
	b = append(b, id&63, byte(field>>16), byte(field>>8), byte(field),
		byte(len(m.body)>>16), byte(len(m.body)>>8), byte(len(m.body)), m.kind)
	b = binary.LittleEndian.AppendUint32(b, m.stream)
	body := m.body
	for first := true; first || len(body) > 0; first = false {
		if !first {
			b = append(b, 0xc0|id&63)
		}
		if field == 0xffffff {
			b = binary.BigEndian.AppendUint32(b, m.at)
		}
		n := min(chunk, len(body))
		b, body = append(b, body[:n]...), body[n:]
	}
	return b
}
