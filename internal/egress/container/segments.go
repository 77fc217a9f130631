package container

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// Segments writes fragmented MP4 into many files, as HLS has it: one with the header
// of all (RFC 8216 §3.3), and segments of fragments. It is for one goroutine.
type Segments struct {
	fragmenter
	header string
	next   string   // path of the first segment
	file   *os.File // of the open segment; nil before the first
}

// Segmented says whether the codec can be in segments.
func Segmented(c Codec) bool { return MP4.keeps(c) }

// NewSegments makes files for the tracks: header once it is known, and with it first,
// the first segment.
func NewSegments(header, first string, tracks []Track) (*Segments, error) {
	for _, t := range tracks {
		if !MP4.keeps(t.Codec) {
			return nil, fmt.Errorf("%w: %s in segments", ErrCodec, t.Codec)
		}
	}
	w := &Segments{header: header, next: first}
	w.out = w.put
	w.of(tracks)
	return w, nil
}

func (w *Segments) put(b []byte, header bool) error {
	if !header {
		_, err := w.file.Write(b)
		return err
	}
	f, err := os.OpenFile(w.header, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	w.file, err = os.OpenFile(w.next, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o644)
	return err
}

// Begun says whether the header and the first segment are there.
func (w *Segments) Begun() bool { return w.begun }

// Cut ends the segment before the last frame that was written, with which the one of
// that path begins. It returns the size of the one that is ended.
func (w *Segments) Cut(path string) (bytes int64, err error) {
	w.endPart()
	if bytes, err = w.end(); err != nil {
		return bytes, err
	}
	w.file, w.err = os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o644)
	return bytes, w.err
}

// end closes the open segment, if one is.
func (w *Segments) end() (bytes int64, err error) {
	if w.file == nil {
		return 0, w.err
	}
	stat, err := w.file.Stat()
	if err == nil {
		bytes = stat.Size()
	}
	w.err = errors.Join(w.err, err, w.file.Sync(), w.file.Close())
	w.file = nil
	return bytes, w.err
}

// Put writes what there is into the open segment, as Writer's Put does.
func (w *Segments) Put() error {
	if w.begun && w.file != nil {
		w.endPart()
	}
	return w.err
}

// Syncing returns what has the disk have what was put into the open segment, for any
// goroutine: nil if none is open. What is ended has been synced.
func (w *Segments) Syncing() func() error {
	if w.file == nil {
		return nil
	}
	return w.file.Sync
}

// Close ends the open segment with all that there is, and returns its size.
func (w *Segments) Close() (bytes int64, err error) {
	w.endAll()
	return w.end()
}

// RepairSegment cuts off what the writer of a segment left unfinished, and returns
// how long what remains plays, 0 if there is nothing in it. Its header tells the
// clocks.
func RepairSegment(header, segment string) (plays time.Duration, err error) {
	if strings.EqualFold(filepath.Ext(segment), ".ts") {
		return repairTS(segment)
	}
	h, err := os.ReadFile(header)
	if err != nil {
		return 0, err
	}
	file, err := os.OpenFile(segment, os.O_RDWR, 0)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	stat, err := file.Stat()
	if err != nil {
		return 0, err
	}
	whole, parts, err := wholeParts(file, stat.Size())
	if err != nil {
		return 0, err
	}
	first, last := mp4Span(append([][]byte{h}, parts...))
	if whole < stat.Size() {
		err = errors.Join(file.Truncate(whole), file.Sync())
	}
	return last - first, err
}
