package mediafile

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/rollcall-rtc/rollcall/client"
)

// opusFrames reads Opus packets from Ogg pages (RFC 3533, RFC 7845). The first
// logical stream is read; others are skipped.
type opusFrames struct {
	r      *bufio.Reader
	serial uint32
	begun  bool

	segments []byte // of the page, not yet read
	rest     []byte // of a packet that goes on
	skip     int    // header packets to come
}

func ogg(r *bufio.Reader, t *Track) (frames, error) {
	f := &opusFrames{r: r}
	head, err := f.packet()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrFormat, err)
	}
	if !bytes.HasPrefix(head, []byte("OpusHead")) {
		return nil, fmt.Errorf("%w: the Ogg file holds no Opus", ErrCodec)
	}
	if _, err := f.packet(); err != nil { // OpusTags
		return nil, fmt.Errorf("%w: %w", ErrFormat, err)
	}
	t.Codec = client.Opus
	return f, nil
}

func (f *opusFrames) next() (client.Sample, error) {
	data, err := f.packet()
	if err != nil {
		return client.Sample{}, err
	}
	d, err := opusDuration(data)
	if err != nil {
		return client.Sample{}, err
	}
	return client.Sample{Data: data, Duration: d}, nil
}

var errOgg = errors.New("damaged Ogg page")

// packet returns the next packet, put together from its segments.
func (f *opusFrames) packet() ([]byte, error) {
	packet := f.rest
	f.rest = nil
	for {
		for len(f.segments) > 0 {
			n := int(f.segments[0])
			f.segments = f.segments[1:]
			at := len(packet)
			if at+n > maxFrame {
				return nil, fmt.Errorf("%w: %w: a packet of more than %d bytes", ErrFormat, errOgg, maxFrame)
			}
			packet = append(packet, make([]byte, n)...)
			if _, err := io.ReadFull(f.r, packet[at:]); err != nil {
				return nil, ended(err)
			}
			if n < 255 {
				return packet, nil
			}
		}
		if err := f.page(); err != nil {
			return nil, err
		}
	}
}

// ended is io.EOF for a file that ends within a frame, as one does that was being
// written: what was whole was read.
func ended(err error) error {
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return io.EOF
	}
	return err
}

// page reads the head of the stream's next page (RFC 3533 §6).
func (f *opusFrames) page() error {
	for {
		var head [27]byte
		if _, err := io.ReadFull(f.r, head[:]); err != nil {
			return ended(err)
		}
		if string(head[:4]) != "OggS" || head[4] != 0 {
			return fmt.Errorf("%w: %w", ErrFormat, errOgg)
		}
		table := make([]byte, head[26])
		if _, err := io.ReadFull(f.r, table); err != nil {
			return ended(err)
		}
		serial := binary.LittleEndian.Uint32(head[14:])
		if !f.begun {
			f.begun, f.serial = true, serial
		}
		if serial == f.serial {
			f.segments = table
			return nil
		}
		size := 0
		for _, n := range table {
			size += int(n)
		}
		if _, err := f.r.Discard(size); err != nil {
			return ended(err)
		}
	}
}

// opusDuration returns how long a packet lasts, from its first bytes (RFC 6716 §3.1).
func opusDuration(packet []byte) (time.Duration, error) {
	if len(packet) == 0 {
		return 0, fmt.Errorf("%w: an empty Opus packet", ErrFormat)
	}
	config := packet[0] >> 3
	var frame time.Duration
	switch {
	case config < 12: // SILK
		frame = [...]time.Duration{10, 20, 40, 60}[config&3] * time.Millisecond
	case config < 16: // hybrid
		frame = [...]time.Duration{10, 20}[config&1] * time.Millisecond
	default: // CELT
		frame = 2500 * time.Microsecond << (config & 3)
	}
	n := 1
	switch packet[0] & 3 {
	case 1, 2:
		n = 2
	case 3:
		if len(packet) < 2 {
			return 0, fmt.Errorf("%w: a short Opus packet", ErrFormat)
		}
		n = int(packet[1] & 0x3f)
	}
	return time.Duration(n) * frame, nil
}
