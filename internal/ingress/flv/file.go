package flv

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"time"
)

// Types of tags in a file, and of messages of RTMP.
const (
	TypeAudio  = 8
	TypeVideo  = 9
	TypeScript = 18
)

// ErrFile says that a file is no FLV.
var ErrFile = errors.New("no FLV file")

// A Reader reads the tags of a file as they come.
type Reader struct {
	in     *bufio.Reader
	max    int
	header bool
	buf    []byte
}

// NewReader returns a reader that refuses tags of more than max bytes.
func NewReader(in io.Reader, max int) *Reader {
	return &Reader{in: bufio.NewReaderSize(in, 64<<10), max: max}
}

// Next returns the next tag's type, its time, modulo 2³² ms, and its body, which is
// valid until the next call. It returns io.EOF at the end.
func (r *Reader) Next() (kind byte, at uint32, body []byte, err error) {
	var h [15]byte
	if !r.header {
		if _, err := io.ReadFull(r.in, h[:13]); err != nil {
			return 0, 0, nil, err
		}
		if string(h[:3]) != "FLV" || binary.BigEndian.Uint32(h[5:]) != 9 {
			return 0, 0, nil, ErrFile
		}
		r.header = true
	}
	if _, err := io.ReadFull(r.in, h[:11]); err != nil {
		return 0, 0, nil, err
	}
	size := int(h[1])<<16 | int(h[2])<<8 | int(h[3])
	if size > r.max {
		return 0, 0, nil, fmt.Errorf("%w: %d bytes", ErrTag, size)
	}
	at = uint32(h[7])<<24 | uint32(h[4])<<16 | uint32(h[5])<<8 | uint32(h[6])
	if size+4 > cap(r.buf) {
		r.buf = make([]byte, size+4)
	}
	r.buf = r.buf[:size+4]
	if _, err := io.ReadFull(r.in, r.buf); err != nil {
		return 0, 0, nil, fmt.Errorf("tag: %w", io.ErrUnexpectedEOF)
	}
	return h[0] & 31, at, r.buf[:size], nil
}

// AppendHeader appends what a file begins with.
func AppendHeader(b []byte, audio, video bool) []byte {
	flags := byte(0)
	if audio {
		flags |= 4
	}
	if video {
		flags |= 1
	}
	return append(b, 'F', 'L', 'V', 1, flags, 0, 0, 0, 9, 0, 0, 0, 0)
}

// AppendTag appends a tag whose body is the concatenation of parts. Times are kept
// modulo 2³² ms.
func AppendTag(b []byte, kind byte, at time.Duration, parts ...[]byte) []byte {
	size := 0
	for _, p := range parts {
		size += len(p)
	}
	ms := uint32(at.Milliseconds())
	b = append(b, kind, byte(size>>16), byte(size>>8), byte(size), byte(ms>>16), byte(ms>>8), byte(ms), byte(ms>>24), 0, 0, 0)
	for _, p := range parts {
		b = append(b, p...)
	}
	return binary.BigEndian.AppendUint32(b, uint32(size+11))
}
