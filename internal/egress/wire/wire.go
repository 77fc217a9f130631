package wire

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"
)

// Kind is what a frame holds.
type Kind byte

// The frames, in the order in which they come: one Job, then packets and losses,
// then End.
const (
	JobFrame Kind = 'j' // JSON of a Job
	Packet   Kind = 'p' // 8 bytes of Unix nanoseconds, and an RTP packet
	Lost     Kind = 'l' // 4 bytes: how many packets the worker was too slow for
	End      Kind = 'e' // nothing follows
)

// maxFrame bounds a frame. RTP packets are far below, and so is a Job.
const maxFrame = 1 << 20

// header is that of a frame: its kind, and the length of what follows.
const header = 5

// Job is what a worker has to do.
type Job struct {
	ID    string `json:"id"`
	Path  string `json:"path"` // of the file, absolute; its extension is the format
	Track Track  `json:"track"`
}

// Track is what the packets are of.
type Track struct {
	MimeType  string `json:"mimeType"`
	ClockRate uint32 `json:"clockRate"` // hertz
	Channels  int    `json:"channels,omitempty"`
}

// Report is a line that a worker says.
type Report struct {
	Kind ReportKind `json:"kind"`
	// Begun is when the first frame came, Unix nanoseconds; of Active and Done.
	Begun int64 `json:"begun,omitempty"`
	// Plays is how long the file is, in nanoseconds, Bytes how large; of Done.
	Plays time.Duration `json:"plays,omitempty"`
	Bytes int64         `json:"bytes,omitempty"`
	// Missing is how much of that could not be recorded, in nanoseconds.
	Missing time.Duration `json:"missing,omitempty"`
	// Error says why there is no file; of Failed.
	Error string `json:"error,omitempty"`
}

// ReportKind is what a worker says.
type ReportKind string

// What workers say.
const (
	Active   ReportKind = "active"   // the first frame is in the file
	Keyframe ReportKind = "keyframe" // something is lost, please have one sent
	Done     ReportKind = "done"     // the file is whole, and on the disk
	Failed   ReportKind = "failed"   // it cannot be written; what there is of it may be repaired
)

// AppendFrame appends a frame.
func AppendFrame(b []byte, kind Kind, content ...[]byte) []byte {
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

// AppendJob appends a job's frame.
func AppendJob(b []byte, job Job) []byte {
	raw, err := json.Marshal(job)
	if err != nil {
		panic("BUG: encode job: " + err.Error())
	}
	return AppendFrame(b, JobFrame, raw)
}

// ErrFrame says that the bytes are none of ours.
var ErrFrame = errors.New("malformed frame")

// Reader reads frames.
type Reader struct {
	r   *bufio.Reader
	buf []byte
}

// NewReader reads from r.
func NewReader(r io.Reader) *Reader { return &Reader{r: bufio.NewReaderSize(r, 64<<10)} }

// Next returns the next frame, whose content is valid until the next call. At the
// end of the input the error is io.EOF, within a frame io.ErrUnexpectedEOF.
func (r *Reader) Next() (Kind, []byte, error) {
	var h [header]byte
	if _, err := io.ReadFull(r.r, h[:]); err != nil {
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
	return Kind(h[0]), content, nil
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
