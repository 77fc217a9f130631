package wire

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// FrameKind is what a frame holds.
type FrameKind byte

// The frames: one Job, then what happens to tracks and what comes of them, then
// End. All that is of a track begins with its number, of two bytes.
const (
	JobFrame     FrameKind = 'j' // JSON of a Job
	TrackFrame   FrameKind = 't' // JSON of a Track that is new, or has changed
	Gone         FrameKind = 'g' // number: nothing follows of the track
	Packet       FrameKind = 'p' // number, 8 bytes of Unix nanoseconds, and an RTP packet
	Clock        FrameKind = 'c' // number, 8 bytes of Unix nanoseconds, and the RTP time at that moment
	Lost         FrameKind = 'l' // number, 4 bytes: how many packets the worker was too slow for
	ControlFrame FrameKind = 'k' // JSON of a Control
	End          FrameKind = 'e' // nothing follows
)

// maxFrame bounds a frame. RTP packets are far below, and so is a Job.
const maxFrame = 1 << 20

// header is that of a frame: its kind, and the length of what follows.
const header = 5

// AppendFrame appends a frame.
func AppendFrame(b []byte, kind FrameKind, content ...[]byte) []byte {
	length := 0
	for _, c := range content {
		length += len(c)
	}
	b = append(b, byte(kind))
	b = binary.BigEndian.AppendUint32(b, uint32(length))
	for _, c := range content {
		b = append(b, c...)
	}
	return b
}

// AppendJSON appends a frame of JSON: a Job, a Track or a Control.
func AppendJSON(b []byte, kind FrameKind, v any) []byte {
	raw, err := json.Marshal(v)
	if err != nil {
		panic("BUG: encode for a worker: " + err.Error())
	}
	return AppendFrame(b, kind, raw)
}

// ErrFrame says that the bytes are none of ours.
var ErrFrame = errors.New("malformed frame")

// Reader reads frames.
type Reader struct {
	r    *bufio.Reader
	head [header]byte
	buf  []byte
}

// NewReader reads from r.
func NewReader(r io.Reader) *Reader { return &Reader{r: bufio.NewReaderSize(r, 64<<10)} }

// Next returns the next frame, whose content is valid until the next call. At the
// end of the input the error is io.EOF, within a frame io.ErrUnexpectedEOF.
func (r *Reader) Next() (FrameKind, []byte, error) {
	h := r.head[:]
	if _, err := io.ReadFull(r.r, h); err != nil {
		return 0, nil, err
	}
	length := binary.BigEndian.Uint32(h[1:])
	if length > maxFrame {
		return 0, nil, fmt.Errorf("%w: of %d bytes", ErrFrame, length)
	}
	if int(length) > cap(r.buf) {
		r.buf = make([]byte, length)
	}
	content := r.buf[:length]
	if _, err := io.ReadFull(r.r, content); err != nil {
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		return 0, nil, err
	}
	return FrameKind(h[0]), content, nil
}

// Job reads the first frame.
func (r *Reader) Job() (job Job, err error) {
	kind, content, err := r.Next()
	if err != nil {
		return job, err
	}
	if kind != JobFrame {
		return job, fmt.Errorf("%w: want a job first", ErrFrame)
	}
	if err := json.Unmarshal(content, &job); err != nil {
		return job, fmt.Errorf("%w: %w", ErrFrame, err)
	}
	return job, nil
}
