package ffmpeg

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

var errOgg = errors.New("malformed Ogg")

// sampleRate is Opus' (RFC 7845 §4).
const sampleRate = 48_000

// An oggReader reads packets of Opus as their pages come.
type oggReader struct {
	in      *bufio.Reader
	packets [][]byte // of the page, that are whole
	partial []byte   // one that goes on in the next page
	ends    int64    // where the last packet of the page ends, in samples
	last    bool     // it is the last page, which may end before its last packet
	due     int64    // where the next packet begins, if nothing is missing
	head    int      // headers seen
	skip    int64    // samples before the first that is heard
}

func newOggReader(in io.Reader) *oggReader { return &oggReader{in: bufio.NewReaderSize(in, 8<<10)} }

// next returns a packet and when it begins, in samples of the input's clock. A
// decoder is late by the pre-skip, which is why it begins so much earlier.
func (r *oggReader) next() (packet []byte, at int64, err error) {
	for {
		for len(r.packets) == 0 {
			if err := r.page(); err != nil {
				return nil, 0, err
			}
		}
		packet, r.packets = r.packets[0], r.packets[1:]
		switch r.head++; r.head {
		case 1: // RFC 7845 §5.1
			if len(packet) < 19 || string(packet[:8]) != "OpusHead" {
				return nil, 0, fmt.Errorf("%w: no Opus", errOgg)
			}
			r.skip = int64(binary.LittleEndian.Uint16(packet[10:]))
			continue
		case 2: // §5.2
			continue
		}
		r.head = 2
		at = r.ends - samples(packet) - r.skip
		for _, later := range r.packets {
			at -= samples(later)
		}
		if r.last {
			at = r.due
		}
		r.due = at + samples(packet)
		return packet, at, nil
	}
}

// page reads one (RFC 3533 §6).
func (r *oggReader) page() error {
	var h [27]byte
	if _, err := io.ReadFull(r.in, h[:]); err != nil {
		return err
	}
	if string(h[:4]) != "OggS" {
		return fmt.Errorf("%w: no page", errOgg)
	}
	lacing := make([]byte, h[26])
	if _, err := io.ReadFull(r.in, lacing); err != nil {
		return err
	}
	size := 0
	for _, n := range lacing {
		size += int(n)
	}
	body := make([]byte, size)
	if _, err := io.ReadFull(r.in, body); err != nil {
		return err
	}
	for _, n := range lacing {
		r.partial = append(r.partial, body[:n]...)
		body = body[n:]
		if n < 255 {
			r.packets, r.partial = append(r.packets, r.partial), nil
		}
	}
	if len(r.partial) > 1<<16 {
		return fmt.Errorf("%w: endless packet", errOgg)
	}
	r.last = h[5]&4 != 0
	r.ends = int64(binary.LittleEndian.Uint64(h[6:]))
	return nil
}

// samples is how long a packet of Opus is (RFC 6716 §3.1), in samples of 48 kHz.
func samples(packet []byte) int64 {
	if len(packet) == 0 {
		return 0
	}
	var frame int64
	switch config := int64(packet[0] >> 3); {
	case config < 12: // SILK
		frame = [4]int64{480, 960, 1920, 2880}[config&3]
	case config < 16: // both
		frame = [2]int64{480, 960}[config&1]
	default: // CELT
		frame = 120 << (config & 3)
	}
	switch packet[0] & 3 {
	case 0:
		return frame
	case 3:
		if len(packet) < 2 {
			return 0
		}
		return frame * int64(packet[1]&63)
	}
	return 2 * frame
}
