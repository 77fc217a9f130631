package ffmpeg

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"time"
)

// errIVF says that a child has written something else than it was told.
var errIVF = errors.New("malformed IVF")

// An ivfReader reads frames of IVF as they come: that is how VP8 leaves the child, for
// FLV of older versions knows none.
type ivfReader struct {
	in         *bufio.Reader
	max        int
	header     bool
	num, denom uint64 // a tick is num/denom seconds
	buf        []byte
}

// newIVFReader returns a reader that refuses frames of more than max bytes.
func newIVFReader(in io.Reader, max int) *ivfReader {
	return &ivfReader{in: bufio.NewReaderSize(in, 64<<10), max: max}
}

// next returns the next frame, which is valid until the next call, and its time. It
// returns io.EOF at the end.
func (r *ivfReader) next() (at time.Duration, data []byte, err error) {
	var h [32]byte
	if !r.header {
		if _, err := io.ReadFull(r.in, h[:]); err != nil {
			return 0, nil, err
		}
		r.denom, r.num = uint64(binary.LittleEndian.Uint32(h[16:])), uint64(binary.LittleEndian.Uint32(h[20:]))
		if string(h[:4]) != "DKIF" || binary.LittleEndian.Uint16(h[6:]) != uint16(len(h)) || r.num == 0 || r.denom == 0 {
			return 0, nil, errIVF
		}
		r.header = true
	}
	if _, err := io.ReadFull(r.in, h[:12]); err != nil {
		return 0, nil, err
	}
	size, ticks := uint64(binary.LittleEndian.Uint32(h[:])), binary.LittleEndian.Uint64(h[4:])
	if size > uint64(r.max) || ticks > 1<<62/r.num {
		return 0, nil, fmt.Errorf("%w: a frame of %d bytes at %d", errIVF, size, ticks)
	}
	if int(size) > cap(r.buf) {
		r.buf = make([]byte, size)
	}
	r.buf = r.buf[:size]
	if _, err := io.ReadFull(r.in, r.buf); err != nil {
		return 0, nil, fmt.Errorf("frame: %w", io.ErrUnexpectedEOF)
	}
	ticks *= r.num
	at = time.Duration(ticks/r.denom)*time.Second + time.Duration(ticks%r.denom*uint64(time.Second)/r.denom)
	return at, r.buf, nil
}
