package container

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"time"
)

// oggRate is the clock of granule positions of Opus, whatever was sampled.
const oggRate = 48000

// oggPage is how much sound is in a page: what may be lost with the process.
const oggPage = 400 * time.Millisecond

// preSkip is what a decoder drops of the beginning, as encoders of browsers have
// it (RFC 7845 §5.1).
const preSkip = 312

// silence is a packet of Opus with 20 ms of nothing.
var silence = []byte{0xf8, 0xff, 0xfe}

// oggWriter writes Opus into pages of its own: what is paused is filled with
// silence, so that the time in the file is that of the room.
type oggWriter struct {
	file    *os.File
	serial  uint32
	number  uint32 // of the next page
	granule uint64 // the end of what was taken, in samples
	begun   bool
	segs    []byte // lacing values of the open page
	body    []byte
	page    time.Duration // how much is in the open page
	err     error
}

func newOgg(file *os.File, t Track) (*oggWriter, error) {
	w := &oggWriter{file: file, serial: 1}
	head := []byte("OpusHead\x01")
	head = append(head, byte(max(t.Channels, 1)))
	head = binary.LittleEndian.AppendUint16(head, preSkip)
	head = binary.LittleEndian.AppendUint32(head, oggRate)
	head = append(head, 0, 0, 0) // no gain, mapping family 0
	w.lace(head)
	w.write(2, 0) // beginning of stream
	const vendor = "rollcall"
	tags := binary.LittleEndian.AppendUint32([]byte("OpusTags"), uint32(len(vendor)))
	tags = append(tags, vendor...)
	w.lace(binary.LittleEndian.AppendUint32(tags, 0))
	w.write(0, 0)
	return w, w.err
}

// Write implements Writer.
func (w *oggWriter) Write(f Frame) error {
	samples, err := opusSamples(f.Data)
	if err != nil {
		return err
	}
	at := uint64(inTicks(f.At, oggRate))
	if w.begun {
		// A little early or late is the clock of the packets, not a pause.
		const pause = oggRate / 25
		for at > w.granule+pause {
			w.add(silence, oggRate/50)
		}
	}
	w.begun = true
	w.add(f.Data, samples)
	return w.err
}

func (w *oggWriter) add(packet []byte, samples uint64) {
	if len(w.segs)+len(packet)/255+1 > 255 {
		w.write(0, w.granule)
	}
	w.lace(packet)
	w.granule += samples
	if w.page += ticks(int64(samples), oggRate); w.page >= oggPage {
		w.write(0, w.granule)
	}
}

// lace adds a packet to the open page (RFC 3533 §6).
func (w *oggWriter) lace(packet []byte) {
	for n := len(packet); ; n -= 255 {
		w.segs = append(w.segs, byte(min(n, 255)))
		if n < 255 {
			break
		}
	}
	w.body = append(w.body, packet...)
}

// write ends the open page.
func (w *oggWriter) write(flags byte, granule uint64) {
	if w.err != nil {
		return
	}
	page := []byte{'O', 'g', 'g', 'S', 0, flags}
	page = binary.LittleEndian.AppendUint64(page, granule)
	page = binary.LittleEndian.AppendUint32(page, w.serial)
	page = binary.LittleEndian.AppendUint32(page, w.number)
	page = binary.LittleEndian.AppendUint32(page, 0) // for the checksum
	page = append(page, byte(len(w.segs)))
	page = append(page, w.segs...)
	page = append(page, w.body...)
	binary.LittleEndian.PutUint32(page[22:], oggChecksum(page))
	_, w.err = w.file.Write(page)
	w.number++
	w.segs, w.body, w.page = w.segs[:0], w.body[:0], 0
}

// Put implements Writer.
func (w *oggWriter) Put() error {
	if len(w.segs) > 0 {
		w.write(0, w.granule)
	}
	return w.err
}

// Sync implements Writer.
func (w *oggWriter) Sync() error { return w.file.Sync() }

// Close implements Writer.
func (w *oggWriter) Close() error {
	w.write(4, w.granule) // end of stream
	if w.err == nil {
		w.err = w.file.Sync()
	}
	if err := w.file.Close(); w.err == nil {
		w.err = err
	}
	return w.err
}

// oggChecksum is the page's CRC-32 (RFC 3533 §6): polynomial 0x04c11db7, not
// reflected, beginning with 0, over the page with zeros for it.
func oggChecksum(page []byte) (sum uint32) {
	for _, b := range page {
		sum = sum<<8 ^ oggTable[byte(sum>>24)^b]
	}
	return sum
}

var oggTable = func() (t [256]uint32) {
	for i := range t {
		r := uint32(i) << 24
		for range 8 {
			if r&(1<<31) != 0 {
				r = r<<1 ^ 0x04c11db7
			} else {
				r <<= 1
			}
		}
		t[i] = r
	}
	return t
}()

// opusSamples is how long a packet plays, at 48 kHz (RFC 6716 §3.1).
func opusSamples(packet []byte) (uint64, error) {
	if len(packet) == 0 {
		return 0, fmt.Errorf("%w: empty packet of Opus", ErrFrame)
	}
	config := packet[0] >> 3
	var frame uint64
	switch {
	case config < 12:
		frame = [4]uint64{480, 960, 1920, 2880}[config%4]
	case config < 16:
		frame = [2]uint64{480, 960}[config%2]
	default:
		frame = 120 << (config % 4)
	}
	count := uint64(1)
	switch packet[0] & 3 {
	case 1, 2:
		count = 2
	case 3:
		if len(packet) < 2 {
			return 0, fmt.Errorf("%w: packet of Opus without its frame count", ErrFrame)
		}
		count = uint64(packet[1] & 63)
	}
	const longest = 5760 // 120 ms
	if count == 0 || frame*count > longest {
		return 0, fmt.Errorf("%w: packet of Opus longer than 120 ms", ErrFrame)
	}
	return frame * count, nil
}

// repairOgg finds the end of the last whole page.
func repairOgg(r io.ReaderAt, size int64) (whole int64, plays time.Duration, err error) {
	var granule uint64
	header := make([]byte, 27+255)
	for whole < size {
		n, err := r.ReadAt(header, whole)
		if err != nil && err != io.EOF {
			return 0, 0, err
		}
		if n < 27 || !bytes.Equal(header[:4], []byte("OggS")) || n < 27+int(header[26]) {
			break
		}
		length := int64(27) + int64(header[26])
		for _, s := range header[27 : 27+int(header[26])] {
			length += int64(s)
		}
		page := make([]byte, length)
		if n, err := r.ReadAt(page, whole); int64(n) < length {
			if err != io.EOF {
				return 0, 0, err
			}
			break
		}
		sum := binary.LittleEndian.Uint32(page[22:])
		clear(page[22:26])
		if oggChecksum(page) != sum {
			break
		}
		granule = binary.LittleEndian.Uint64(page[6:])
		whole += length
	}
	if granule > preSkip {
		plays = ticks(int64(granule-preSkip), oggRate)
	}
	return whole, plays, nil
}
