package ffmpeg

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/rollcall-rtc/rollcall/internal/egress/compose"
	"github.com/rollcall-rtc/rollcall/internal/egress/container"
)

// Decoded is one picture.
type Decoded struct {
	At time.Duration // as it was submitted, in milliseconds
	*compose.Picture
}

// Decoder decodes one track, and scales it. Submit and Close are for one goroutine,
// Pictures for any.
type Decoder struct {
	child    *child
	codec    container.Codec
	in       chan encoded
	pictures chan Decoded
	free     chan []byte // of pictures that were given back
	stopc    chan struct{}
	running  sync.WaitGroup
}

type encoded struct {
	at   time.Duration
	data []byte
}

// maxUndecoded is how many frames wait for the decoder: some seconds of them.
const maxUndecoded = 256

// maxPixels is the area of the largest pictures that are decoded: those of a screen of 6K.
// What some bytes of a publisher say about the size of a picture would else take gigabytes.
const maxPixels = 6144 * 3456

// fourCC are the names of codecs in IVF.
var fourCC = map[container.Codec]string{
	container.VP8: "VP80", container.VP9: "VP90", container.AV1: "AV01", container.H264: "H264", container.H265: "HEVC",
}

// Decode starts a decoder whose pictures have that size, which is even. With whole
// set nothing is cut off, and what is left over is black; else the middle is shown.
//
// The first frame that is submitted has to be a key frame.
func (p *Program) Decode(codec container.Codec, width, height int, whole bool) (*Decoder, error) {
	if fourCC[codec] == "" {
		return nil, fmt.Errorf("decode %s: %w", codec, container.ErrCodec)
	}
	var files []*os.File
	open := func() (r, w *os.File, err error) {
		if r, w, err = pipe(); err == nil {
			files = append(files, r, w)
		}
		return r, w, err
	}
	in, feed, err := open()
	pictures, out, err2 := open()
	times, said, err3 := open()
	if err := errors.Join(err, err2, err3); err != nil {
		for _, f := range files {
			_ = f.Close()
		}
		return nil, err
	}
	fit := fmt.Sprintf("scale=%d:%d:force_original_aspect_ratio=increase:flags=bilinear:out_range=tv,crop=%d:%d", width, height, width, height)
	if whole {
		fit = fmt.Sprintf("scale=%d:%d:force_original_aspect_ratio=decrease:force_divisible_by=2:flags=bilinear:out_range=tv,pad=%d:%d:-1:-1", width, height, width, height)
	}
	c, err := p.start([]string{
		"-copyts", "-max_pixels", strconv.Itoa(maxPixels), "-threads", "1", "-flags", "low_delay", "-probesize", "32", "-analyzeduration", "1", "-f", "ivf", "-i", "pipe:0",
		"-an", "-fps_mode", "passthrough", "-filter_threads", "1",
		// The time of each picture is told beside it: raw video has none.
		"-vf", fit + ",format=yuv420p,setsar=1,metadata=mode=add:key=r:value=1,metadata=mode=print:direct=1:file=/dev/fd/3",
		// More than one thread would hold a picture back.
		"-threads", "1", "-f", "rawvideo", "-flush_packets", "1", "pipe:1",
	}, in, out, said)
	if err != nil {
		for _, f := range []*os.File{feed, pictures, times} {
			_ = f.Close()
		}
		return nil, err
	}
	d := &Decoder{child: c, codec: codec, in: make(chan encoded, maxUndecoded), pictures: make(chan Decoded, 3), free: make(chan []byte, 4), stopc: make(chan struct{})}
	d.running.Go(func() { d.write(feed, width, height) })
	d.running.Go(func() { d.read(pictures, times, width, height) })
	return d, nil
}

// Submit hands on a frame, as package container keeps them. It never waits: false
// says that the decoder is too far behind, or gone.
func (d *Decoder) Submit(at time.Duration, data []byte) bool {
	select {
	case <-d.child.donec:
		return false
	default:
	}
	select {
	case d.in <- encoded{at, data}:
		return true
	default:
		return false
	}
}

// Pictures are what comes out, each as soon as it is decoded. It is
// closed when nothing more does.
func (d *Decoder) Pictures() <-chan Decoded { return d.pictures }

// Recycle gives back a picture of this decoder that nobody looks at any more.
func (d *Decoder) Recycle(p Decoded) {
	select {
	case d.free <- p.Pix:
	default:
	}
}

// End says that nothing follows. What is under way still comes.
func (d *Decoder) End() { close(d.in) }

// Close ends the decoder as it is, after End or without it.
func (d *Decoder) Close() {
	close(d.stopc)
	d.child.kill()
	<-d.child.donec
	d.running.Wait()
}

// write feeds the child, as IVF.
func (d *Decoder) write(w *os.File, width, height int) {
	defer w.Close()
	b := append([]byte("DKIF\x00\x00\x20\x00"), fourCC[d.codec]...)
	b = binary.LittleEndian.AppendUint16(b, uint16(width))
	b = binary.LittleEndian.AppendUint16(b, uint16(height))
	b = binary.LittleEndian.AppendUint32(b, 1000)
	b = binary.LittleEndian.AppendUint32(b, 1)
	b = binary.LittleEndian.AppendUint64(b, 0)
	for {
		var e encoded
		var ok bool
		select {
		case e, ok = <-d.in:
			if !ok {
				return
			}
		case <-d.stopc:
			return
		case <-d.child.donec:
			return
		}
		data := e.data
		if d.codec == container.H264 || d.codec == container.H265 {
			data = annexB(data)
		}
		b = binary.LittleEndian.AppendUint32(b, uint32(len(data)))
		b = binary.LittleEndian.AppendUint64(b, uint64(max(e.at, 0)/time.Millisecond))
		b = append(b, data...)
		if _, err := w.Write(b); err != nil {
			return
		}
		b = b[:0]
	}
}

// annexB replaces the length before each NAL unit by a start code.
func annexB(data []byte) []byte {
	out := make([]byte, 0, len(data)+8)
	for len(data) >= 4 {
		n := int(binary.BigEndian.Uint32(data))
		if data = data[4:]; n > len(data) {
			break
		}
		out = append(out, 0, 0, 0, 1)
		out = append(out, data[:n]...)
		data = data[n:]
	}
	return out
}

// read takes what the child makes.
func (d *Decoder) read(pictures, times *os.File, width, height int) {
	defer close(d.pictures)
	defer pictures.Close()
	defer times.Close()
	lines := bufio.NewReaderSize(times, 4096)
	for {
		at, err := readTime(lines)
		if err != nil {
			return
		}
		pic := &compose.Picture{Width: width, Height: height}
		select {
		case pic.Pix = <-d.free:
		default:
			pic.Pix = make([]byte, compose.Size(width, height))
		}
		if _, err := io.ReadFull(pictures, pic.Pix); err != nil {
			return
		}
		select {
		case d.pictures <- Decoded{at, pic}:
		case <-d.stopc:
			return
		}
	}
}

// readTime finds the time of the next picture.
func readTime(lines *bufio.Reader) (time.Duration, error) {
	for {
		line, err := lines.ReadSlice('\n')
		if err != nil {
			return 0, err
		}
		words := strings.Fields(string(line))
		if len(words) < 2 || !strings.HasPrefix(words[0], "frame:") {
			continue
		}
		pts, ok := strings.CutPrefix(words[1], "pts:")
		if ok && pts == "" && len(words) > 2 {
			pts = words[2]
		}
		ms, err := strconv.ParseInt(pts, 10, 64)
		if err != nil {
			continue
		}
		return time.Duration(ms) * time.Millisecond, nil
	}
}
