package client

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"time"
)

// oggReader reads the packets of an Ogg file: RFC 3533 §6.
type oggReader struct {
	in       *bufio.Reader
	segments []byte // lengths of the page's segments that are still to be read
}

const (
	oggPageHeader = 27
	// maxOggPacket is longer than any packet of Opus, and than most tags.
	maxOggPacket = 1 << 20
)

// packet returns the next packet of the file.
func (o *oggReader) packet() ([]byte, error) {
	var p []byte
	for {
		if len(o.segments) == 0 {
			if err := o.page(); err != nil {
				return nil, err
			}
			continue
		}
		n := int(o.segments[0])
		o.segments = o.segments[1:]
		if len(p)+n > maxOggPacket {
			return nil, fmt.Errorf("%w: Ogg packet too long", ErrUnknownMedia)
		}
		at := len(p)
		p = append(p, make([]byte, n)...)
		if _, err := io.ReadFull(o.in, p[at:]); err != nil {
			return nil, unexpected(err)
		}
		if n < 255 {
			return p, nil
		}
	}
}

// page reads a page's header.
func (o *oggReader) page() error {
	var h [oggPageHeader]byte
	if _, err := io.ReadFull(o.in, h[:]); err != nil {
		return err // io.EOF between pages is the end
	}
	if string(h[:4]) != "OggS" || h[4] != 0 {
		return fmt.Errorf("%w: no Ogg page", ErrUnknownMedia)
	}
	o.segments = make([]byte, h[26])
	_, err := io.ReadFull(o.in, o.segments)
	return unexpected(err)
}

func unexpected(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// oggSource plays the Opus packets of an Ogg file: RFC 7845 §3.
type oggSource struct {
	oggReader
	at time.Duration
}

func openOgg(in io.Reader) (*File, error) {
	s := &oggSource{oggReader: oggReader{in: bufio.NewReader(in)}}
	for _, magic := range []string{"OpusHead", "OpusTags"} {
		p, err := s.packet()
		if err != nil {
			return nil, unexpected(err)
		}
		if !bytes.HasPrefix(p, []byte(magic)) {
			return nil, fmt.Errorf("%w: no Opus in it", ErrUnknownMedia)
		}
	}
	return &File{tracks: []*LocalTrack{NewLocalTrack(Opus)}, source: s}, nil
}

func (s *oggSource) next() (frame, error) {
	for {
		p, err := s.packet()
		if err != nil {
			return frame{}, err
		}
		if len(p) == 0 {
			continue
		}
		f := frame{at: s.at, Sample: Sample{Data: p, Duration: opusDuration(p)}}
		s.at += f.Duration
		return f, nil
	}
}

// opusDuration is how long a packet of Opus lasts: RFC 6716 §3.1 and §3.2.
func opusDuration(p []byte) time.Duration {
	if len(p) == 0 {
		return 0
	}
	config := p[0] >> 3
	var one time.Duration
	switch {
	case config < 12: // SILK: 10, 20, 40, 60 ms
		one = []time.Duration{10, 20, 40, 60}[config&3] * time.Millisecond
	case config < 16: // hybrid: 10, 20 ms
		one = []time.Duration{10, 20}[config&1] * time.Millisecond
	default: // CELT: 2.5, 5, 10, 20 ms
		one = 2500 * time.Microsecond << (config & 3)
	}
	switch p[0] & 3 {
	case 0:
		return one
	case 1, 2:
		return 2 * one
	default:
		if len(p) < 2 {
			return one
		}
		return time.Duration(p[1]&63) * one
	}
}
