package ffmpeg

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/rollcall-rtc/rollcall/internal/egress/container"
)

// The elements of Matroska that matter (RFC 9559).
const (
	mkHeader      = 0x1A45DFA3
	mkSegment     = 0x18538067
	mkCluster     = 0x1F43B675
	mkTimestamp   = 0xE7
	mkSimpleBlock = 0xA3
	mkBlockGroup  = 0xA0
	mkBlock       = 0xA1
	mkReference   = 0xFB
	mkTracks      = 0x1654AE6B
	mkTrackEntry  = 0xAE
	mkTrackNumber = 0xD7
	mkCodecID     = 0x86
	mkPrivate     = 0x63A2
	mkCodecDelay  = 0x56AA
)

const (
	mkUnknown  = -1
	maxElement = 64 << 20
	maxHeader  = 1 << 20
)

var (
	errEnd      = errors.New("the end")
	errMatroska = errors.New("malformed Matroska")
)

type mkTrack struct {
	codec string
	delay time.Duration // how much of the beginning is not to be heard
}

// matroska reads the frames of a stream that a child writes.
type matroska struct {
	r       *bufio.Reader
	cluster int64 // milliseconds
	h264    []byte
	tracks  map[int64]mkTrack // by number
}

func newMatroska(r io.Reader) *matroska {
	return &matroska{r: bufio.NewReaderSize(r, 64<<10), tracks: make(map[int64]mkTrack)}
}

// next returns the next frame, whose track counts from 0. H264 has its parameter
// sets before key frames. The error at the end is errEnd.
func (m *matroska) next() (container.Frame, error) {
	for {
		id, size, err := element(m.r)
		if err == io.EOF {
			return container.Frame{}, errEnd
		}
		if err != nil {
			return container.Frame{}, err
		}
		switch id {
		case mkSegment, mkCluster:
			continue // what is in it follows
		}
		if size == mkUnknown || size > maxElement {
			return container.Frame{}, fmt.Errorf("%w: element %x of %d bytes", errMatroska, id, size)
		}
		switch id {
		case mkTimestamp, mkSimpleBlock, mkBlockGroup, mkTracks:
			b := make([]byte, size)
			if _, err := io.ReadFull(m.r, b); err != nil {
				return container.Frame{}, cut(err)
			}
			switch id {
			case mkTimestamp:
				m.cluster = number(b)
			case mkTracks:
				if err := m.learn(b); err != nil {
					return container.Frame{}, err
				}
			case mkSimpleBlock:
				return m.block(b, len(b) > 3 && b[3]&0x80 != 0)
			case mkBlockGroup:
				var block []byte
				key := true
				if err := each(b, func(id uint32, content []byte) error {
					switch id {
					case mkBlock:
						block = content
					case mkReference:
						key = false
					}
					return nil
				}); err != nil {
					return container.Frame{}, err
				}
				return m.block(block, key)
			}
		default:
			if _, err := m.r.Discard(int(size)); err != nil {
				return container.Frame{}, cut(err)
			}
		}
	}
}

// cut is what an end within something is: the child was killed, and what it wrote
// before is good.
func cut(err error) error {
	if err == io.EOF || errors.Is(err, io.ErrUnexpectedEOF) {
		return errEnd
	}
	return err
}

// element reads the head of an element.
func element(r io.ByteReader) (id uint32, size int64, err error) {
	first, err := r.ReadByte()
	if err != nil {
		return 0, 0, err
	}
	n := 1
	for mask := byte(0x80); n <= 4 && first&mask == 0; mask >>= 1 {
		n++
	}
	if n > 4 {
		return 0, 0, fmt.Errorf("%w: no id", errMatroska)
	}
	id = uint32(first)
	for range n - 1 {
		b, err := r.ReadByte()
		if err != nil {
			return 0, 0, cut(err)
		}
		id = id<<8 | uint32(b)
	}
	if first, err = r.ReadByte(); err != nil {
		return 0, 0, cut(err)
	}
	n = 1
	mask := byte(0x80)
	for ; n <= 8 && first&mask == 0; mask >>= 1 {
		n++
	}
	if n > 8 {
		return 0, 0, fmt.Errorf("%w: no size", errMatroska)
	}
	size = int64(first &^ mask)
	ones := size == int64(mask-1)
	for range n - 1 {
		b, err := r.ReadByte()
		if err != nil {
			return 0, 0, cut(err)
		}
		size = size<<8 | int64(b)
		ones = ones && b == 0xff
	}
	if ones {
		return id, mkUnknown, nil
	}
	return id, size, nil
}

// each calls f with each element in b.
func each(b []byte, f func(id uint32, content []byte) error) error {
	for len(b) > 0 {
		r := bytes.NewReader(b)
		id, size, err := element(r)
		if err != nil || size < 0 || size > int64(r.Len()) {
			return fmt.Errorf("%w: an element within another", errMatroska)
		}
		b = b[len(b)-r.Len():]
		if err := f(id, b[:size]); err != nil {
			return err
		}
		b = b[size:]
	}
	return nil
}

func number(b []byte) (n int64) {
	for _, c := range b {
		n = n<<8 | int64(c)
	}
	return n
}

// learn reads what the tracks are.
func (m *matroska) learn(b []byte) error {
	return each(b, func(id uint32, content []byte) error {
		if id != mkTrackEntry {
			return nil
		}
		var track int64
		var t mkTrack
		var private []byte
		err := each(content, func(id uint32, content []byte) error {
			switch id {
			case mkTrackNumber:
				track = number(content)
			case mkCodecID:
				t.codec = string(content)
			case mkCodecDelay:
				t.delay = time.Duration(number(content))
			case mkPrivate:
				private = content
			}
			return nil
		})
		m.tracks[track] = t
		if t.codec == "V_MPEG4/ISO/AVC" {
			m.h264 = parameterSets(private)
		}
		return err
	})
}

// parameterSets are those of an AVCDecoderConfigurationRecord (ISO 14496-15
// §5.3.3.1), with their lengths in four bytes.
func parameterSets(b []byte) (out []byte) {
	if len(b) < 6 {
		return nil
	}
	n, b := int(b[5]&31), b[6:]
	for range 2 { // SPS, PPS
		for range n {
			if len(b) < 2 {
				return out
			}
			size := int(binary.BigEndian.Uint16(b))
			if b = b[2:]; size > len(b) {
				return out
			}
			out = binary.BigEndian.AppendUint32(out, uint32(size))
			out = append(out, b[:size]...)
			b = b[size:]
		}
		if len(b) < 1 {
			return out
		}
		n, b = int(b[0]), b[1:]
	}
	return out
}

// block reads a block: one frame, for nothing else is written.
func (m *matroska) block(b []byte, key bool) (container.Frame, error) {
	if len(b) < 4 || b[0]&0x80 == 0 || b[3]&0x06 != 0 {
		return container.Frame{}, fmt.Errorf("%w: a block that is none of ours", errMatroska)
	}
	track := int64(b[0] &^ 0x80)
	at := m.cluster + int64(int16(binary.BigEndian.Uint16(b[1:])))
	data := b[4:]
	if key && m.tracks[track].codec == "V_MPEG4/ISO/AVC" {
		data = append(append([]byte(nil), m.h264...), data...)
	}
	return container.Frame{Track: int(track) - 1, At: time.Duration(at)*time.Millisecond - m.tracks[track].delay, Key: key, Data: data}, nil
}
