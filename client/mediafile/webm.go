package mediafile

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"time"

	"github.com/pion/webrtc/v4"

	"github.com/rollcall-rtc/rollcall/client"
)

// The elements of WebM that matter here (RFC 8794, RFC 9559).
const (
	idSegment     = 0x18538067
	idInfo        = 0x1549a966
	idScale       = 0x2ad7b1
	idTracks      = 0x1654ae6b
	idTrackEntry  = 0xae
	idTrackNumber = 0xd7
	idCodecID     = 0x86
	idVideo       = 0xe0
	idWidth       = 0xb0
	idHeight      = 0xba
	idCluster     = 0x1f43b675
	idTimestamp   = 0xe7
	idSimpleBlock = 0xa3
	idBlockGroup  = 0xa0
	idBlock       = 0xa1
)

// entered are the elements whose children are read; of the others, what they hold
// is skipped or, if it matters, read.
var entered = map[uint32]bool{
	idSegment: true, idInfo: true, idTracks: true, idTrackEntry: true, idVideo: true, idCluster: true, idBlockGroup: true,
}

// small is how long an element other than a block is at most.
const small = 4096

var errWebM = errors.New("damaged WebM")

// webmCodecs are the codecs by the names of RFC 9559 and the WebM guidelines.
var webmCodecs = map[string]webrtc.RTPCodecCapability{
	"A_OPUS": client.Opus, "V_VP8": client.VP8, "V_VP9": client.VP9, "V_AV1": client.AV1,
}

// webmReader walks through the elements, one after another and into those that
// have children.
type webmReader struct {
	r     *bufio.Reader
	scale time.Duration // of a timestamp's unit
	at    uint64        // the cluster's timestamp
}

// element reads the next element's head. Size is -1 if it is unknown, which only
// elements that are entered may have.
func (w *webmReader) element() (id uint32, size int64, err error) {
	raw, _, err := w.vint(4, false)
	if err != nil {
		return 0, 0, err
	}
	length, n, err := w.vint(8, true)
	if err != nil {
		return 0, 0, ended(err)
	}
	size = int64(length)
	if length == 1<<(7*n)-1 {
		size = -1
	}
	if size < 0 && !entered[uint32(raw)] {
		return 0, 0, fmt.Errorf("%w: %w: element %#x has no size", ErrFormat, errWebM, raw)
	}
	return uint32(raw), size, nil
}

// vint reads a number of variable size, with or without its marker (RFC 8794 §4).
func (w *webmReader) vint(longest int, bare bool) (v uint64, n int, err error) {
	first, err := w.r.ReadByte()
	if err != nil {
		return 0, 0, err
	}
	for n = 1; n <= longest && first&(1<<(8-n)) == 0; n++ {
	}
	if n > longest {
		return 0, 0, fmt.Errorf("%w: %w: a number that is too long", ErrFormat, errWebM)
	}
	v = uint64(first)
	if bare {
		v &= 1<<(8-n) - 1
	}
	for range n - 1 {
		b, err := w.r.ReadByte()
		if err != nil {
			return 0, 0, ended(noEOF(err))
		}
		v = v<<8 | uint64(b)
	}
	return v, n, nil
}

func noEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// bytes reads what an element holds.
func (w *webmReader) bytes(size, most int64) ([]byte, error) {
	if size > most {
		return nil, fmt.Errorf("%w: %w: an element of %d bytes", ErrFormat, errWebM, size)
	}
	b := make([]byte, size)
	if _, err := io.ReadFull(w.r, b); err != nil {
		return nil, ended(noEOF(err))
	}
	return b, nil
}

func (w *webmReader) skip(size int64) error {
	for size > 0 {
		n, err := w.r.Discard(int(min(size, math.MaxInt32)))
		if err != nil {
			return ended(err)
		}
		size -= int64(n)
	}
	return nil
}

func number(b []byte) uint64 {
	v := uint64(0)
	for _, x := range b {
		v = v<<8 | uint64(x)
	}
	return v
}

// webmTracks reads which tracks a file has that can be published.
func webmTracks(r *bufio.Reader) (tracks []*Track, err error) {
	w := &webmReader{r: r}
	var others []string
	var t *Track
	name := ""
	settle := func() {
		if t == nil {
			return
		}
		if codec, ok := webmCodecs[name]; ok {
			t.Codec, t.format = codec, webmFrames
			tracks = append(tracks, t)
		} else {
			others = append(others, name)
		}
		t, name = nil, ""
	}
	for {
		id, size, err := w.element()
		if errors.Is(err, io.EOF) || err == nil && id == idCluster {
			break
		}
		if err != nil {
			return nil, err
		}
		switch id {
		case idTrackEntry:
			settle()
			t = new(Track)
			continue
		case idTrackNumber, idCodecID, idWidth, idHeight:
			b, err := w.bytes(size, small)
			if err != nil {
				return nil, err
			}
			if t == nil {
				continue
			}
			switch id {
			case idTrackNumber:
				t.number = number(b)
			case idCodecID:
				name = string(b)
			case idWidth:
				t.Width = uint32(number(b))
			case idHeight:
				t.Height = uint32(number(b))
			}
			continue
		}
		if entered[id] {
			continue
		}
		if err := w.skip(size); err != nil {
			return nil, err
		}
	}
	settle()
	if len(tracks) == 0 && len(others) > 0 {
		return nil, fmt.Errorf("%w: %q", ErrCodec, others)
	}
	if len(tracks) == 0 {
		return nil, fmt.Errorf("%w: %w: it has no track", ErrFormat, errWebM)
	}
	return tracks, nil
}

// webmFrames reads the frames of one track.
func webmFrames(r *bufio.Reader, t *Track) (frames, error) {
	w := &webmReader{r: r, scale: time.Millisecond}
	read := func() ([]byte, time.Duration, error) { return w.frame(t.number) }
	if t.Codec.MimeType == client.Opus.MimeType {
		return opusBlocks{read}, nil
	}
	return &timed{read: read, last: time.Second / 30}, nil
}

// opusBlocks are frames that say themselves how long they are.
type opusBlocks struct {
	read func() ([]byte, time.Duration, error)
}

func (o opusBlocks) next() (client.Sample, error) {
	data, _, err := o.read()
	if err != nil {
		return client.Sample{}, err
	}
	d, err := opusDuration(data)
	return client.Sample{Data: data, Duration: d}, err
}

// frame returns the next frame of a track, and its time.
func (w *webmReader) frame(track uint64) ([]byte, time.Duration, error) {
	for {
		id, size, err := w.element()
		if err != nil {
			return nil, 0, err
		}
		switch {
		case id == idScale || id == idTimestamp:
			b, err := w.bytes(size, small)
			if err != nil {
				return nil, 0, err
			}
			if id == idTimestamp {
				w.at = number(b)
			} else if n := number(b); n > 0 && n < uint64(time.Hour) {
				w.scale = time.Duration(n)
			}
		case id == idSimpleBlock || id == idBlock:
			b, err := w.bytes(size, maxFrame)
			if err != nil {
				return nil, 0, err
			}
			data, at, of, err := w.block(b)
			if err != nil {
				return nil, 0, err
			}
			if of == track {
				return data, at, nil
			}
		case entered[id]:
		default:
			if err := w.skip(size); err != nil {
				return nil, 0, err
			}
		}
	}
}

// block takes a block apart (RFC 9559 §10).
func (w *webmReader) block(b []byte) (data []byte, at time.Duration, track uint64, err error) {
	n := 1
	for n <= 8 && len(b) > 0 && b[0]&(1<<(8-n)) == 0 {
		n++
	}
	if n > 8 || len(b) < n+3 {
		return nil, 0, 0, fmt.Errorf("%w: %w: a short block", ErrFormat, errWebM)
	}
	track = number(b[:n]) & (1<<(7*n) - 1)
	if b[n+2]&0x06 != 0 {
		return nil, 0, 0, fmt.Errorf("%w: %w: laced blocks", ErrFormat, errWebM)
	}
	ticks := int64(w.at) + int64(int16(binary.BigEndian.Uint16(b[n:])))
	return b[n+3:], time.Duration(ticks) * w.scale, track, nil
}
