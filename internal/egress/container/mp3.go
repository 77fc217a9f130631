package container

import (
	"errors"
	"io"
	"os"
	"time"
)

// mp3Writer writes frames of MP3 one after the other, which is all that there is to
// such a file.
type mp3Writer struct {
	file    *os.File
	pending []byte
}

func newMP3(file *os.File) *mp3Writer { return &mp3Writer{file: file} }

// Write implements Writer.
func (w *mp3Writer) Write(f Frame) error {
	if _, _, err := mp3Frame(f.Data); err != nil {
		return err
	}
	w.pending = append(w.pending, f.Data...)
	return nil
}

// Put implements Writer.
func (w *mp3Writer) Put() error {
	if len(w.pending) == 0 {
		return nil
	}
	_, err := w.file.Write(w.pending)
	w.pending = w.pending[:0]
	return err
}

// Sync implements Writer.
func (w *mp3Writer) Sync() error { return w.file.Sync() }

// Close implements Writer.
func (w *mp3Writer) Close() error { return errors.Join(w.Put(), w.Sync(), w.file.Close()) }

// The bit rates of layer III in kilobits a second, of MPEG-1 and of the lower
// sampling rates (ISO 11172-3 §2.4.2.3, ISO 13818-3 §2.4.2.3).
var mp3Rates = [2][15]int{
	{0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320},
	{0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160},
}

// mp3Frame reads the header of a frame: how many bytes it has, and how long it is
// heard.
func mp3Frame(b []byte) (size int, plays time.Duration, err error) {
	if len(b) < 4 || b[0] != 0xff || b[1]&0xe6 != 0xe2 || b[1]&0x18 == 0x08 {
		return 0, 0, ErrFrame
	}
	rate, index := b[2]>>2&3, b[2]>>4
	if rate == 3 || index == 0 || index == 15 {
		return 0, 0, ErrFrame
	}
	hertz, samples, table := []int{44100, 48000, 32000}[rate], 1152, 0
	switch b[1] >> 3 & 3 {
	case 2: // MPEG-2
		hertz, samples, table = hertz/2, 576, 1
	case 0: // MPEG-2.5
		hertz, samples, table = hertz/4, 576, 1
	}
	size = samples / 8 * mp3Rates[table][index] * 1000 / hertz
	if b[2]&2 != 0 {
		size++
	}
	return size, ticks(int64(samples), int64(hertz)), nil
}

// repairMP3 finds the end of the last whole frame.
func repairMP3(r io.ReaderAt, size int64) (whole int64, plays time.Duration, err error) {
	for whole < size {
		var head [4]byte
		if n, err := r.ReadAt(head[:], whole); n < len(head) {
			if err != io.EOF {
				return 0, 0, err
			}
			break
		}
		length, heard, err := mp3Frame(head[:])
		if err != nil || whole+int64(length) > size {
			break
		}
		whole, plays = whole+int64(length), plays+heard
	}
	return whole, plays, nil
}
