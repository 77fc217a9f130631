package mediafile

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/pion/webrtc/v4"

	"github.com/rollcall-rtc/rollcall/client"
)

// ivf reads the IVF format: a header of 32 bytes, and before each frame its size
// and time.
func ivf(r *bufio.Reader, t *Track) (frames, error) {
	var head [32]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return nil, fmt.Errorf("%w: the IVF header is cut off", ErrFormat)
	}
	codec, ok := map[string]webrtc.RTPCodecCapability{"VP80": client.VP8, "VP90": client.VP9, "AV01": client.AV1}[string(head[8:12])]
	if !ok {
		return nil, fmt.Errorf("%w: %q in IVF", ErrCodec, head[8:12])
	}
	rate, scale := binary.LittleEndian.Uint32(head[16:]), binary.LittleEndian.Uint32(head[20:])
	size := int64(binary.LittleEndian.Uint16(head[6:]))
	if rate == 0 || scale == 0 || size < 32 {
		return nil, fmt.Errorf("%w: the IVF header is damaged", ErrFormat)
	}
	if _, err := r.Discard(int(size) - 32); err != nil {
		return nil, fmt.Errorf("%w: the IVF header is cut off", ErrFormat)
	}
	t.Codec = codec
	t.Width, t.Height = uint32(binary.LittleEndian.Uint16(head[12:])), uint32(binary.LittleEndian.Uint16(head[14:]))
	unit := float64(time.Second) * float64(scale) / float64(rate)
	f := &timed{last: time.Duration(unit)}
	f.read = func() ([]byte, time.Duration, error) {
		var head [12]byte
		if _, err := io.ReadFull(r, head[:]); err != nil {
			return nil, 0, ended(err)
		}
		n := binary.LittleEndian.Uint32(head[:])
		if n > maxFrame {
			return nil, 0, fmt.Errorf("%w: an IVF frame of %d bytes", ErrFormat, n)
		}
		data := make([]byte, n)
		if _, err := io.ReadFull(r, data); err != nil {
			return nil, 0, ended(err)
		}
		return data, time.Duration(float64(binary.LittleEndian.Uint64(head[4:])) * unit), nil
	}
	return f, nil
}

// byteStream cuts H.264 or H.265 byte streams (ITU-T H.264 and H.265, Annex B) into
// pictures: whatever belongs together is one frame, with its start codes.
type byteStream struct {
	r        *bufio.Reader
	hevc     bool
	duration time.Duration

	begun bool   // after the first start code
	unit  []byte // read already, of the next picture
	end   error
}

func annexB(rate float64) format {
	return func(r *bufio.Reader, t *Track) (frames, error) {
		f := &byteStream{r: r, hevc: t.Codec.MimeType == client.H265.MimeType, duration: time.Duration(float64(time.Second) / rate)}
		if f.unit, f.end = f.read(); f.end != nil {
			return nil, fmt.Errorf("%w: a byte stream without a unit", ErrFormat)
		}
		return f, nil
	}
}

func (f *byteStream) next() (client.Sample, error) {
	var frame []byte
	pictured := false
	for f.end == nil || len(f.unit) > 0 {
		picture, first := f.kind(f.unit)
		if pictured && (first || !picture) {
			break // the next picture, or what precedes it
		}
		pictured = pictured || picture
		frame = append(append(frame, 0, 0, 0, 1), f.unit...)
		if len(frame) > maxFrame {
			return client.Sample{}, fmt.Errorf("%w: a picture of more than %d bytes", ErrFormat, maxFrame)
		}
		f.unit = nil
		if f.end == nil {
			f.unit, f.end = f.read()
		}
	}
	if len(frame) == 0 {
		return client.Sample{}, f.end
	}
	return client.Sample{Data: frame, Duration: f.duration}, nil
}

// kind says whether a unit is a piece of a picture, and the first of one.
func (f *byteStream) kind(unit []byte) (picture, first bool) {
	if f.hevc {
		if len(unit) < 3 {
			return false, false
		}
		picture = unit[0]>>1&0x3f < 32             // H.265 table 7-1
		return picture, picture && unit[2]>>7 == 1 // first_slice_segment_in_pic_flag
	}
	if len(unit) < 2 {
		return false, false
	}
	kind := unit[0] & 0x1f // H.264 table 7-1
	picture = kind >= 1 && kind <= 5
	return picture, picture && unit[1]>>7 == 1 // first_mb_in_slice is 0
}

// read returns the next unit, without start codes: it follows one, and ends before
// the next, which is read too.
func (f *byteStream) read() ([]byte, error) {
	var unit []byte
	zeros := 0
	for {
		b, err := f.r.ReadByte()
		if err != nil {
			if unit = trimZeros(unit); len(unit) > 0 && errors.Is(err, io.EOF) {
				return unit, nil
			}
			return nil, err
		}
		switch {
		case b == 1 && zeros >= 2:
			zeros = 0
			if unit = trimZeros(unit); len(unit) > 0 {
				return unit, nil
			}
			f.begun = true
			continue
		case b == 0:
			zeros++
		case !f.begun:
			return nil, fmt.Errorf("%w: no start code", ErrFormat)
		default:
			zeros = 0
		}
		if unit = append(unit, b); len(unit) > maxFrame {
			return nil, fmt.Errorf("%w: a unit of more than %d bytes", ErrFormat, maxFrame)
		}
	}
}

// trimZeros takes the zeros off the end, which belong to the next start code.
func trimZeros(unit []byte) []byte { return bytes.TrimRight(unit, "\x00") }
