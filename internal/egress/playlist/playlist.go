package playlist

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// Segment is one line of a list, and what goes before it.
type Segment struct {
	Path   string        // beside the list
	Header string        // of fragmented MP4; "" for MPEG-TS
	Begun  time.Time     // when its first frame was captured
	Plays  time.Duration // how long it is
}

// window is how many segments are in a live list.
const window = 5

// Writer writes the lists of one stream. It is for one goroutine.
type Writer struct {
	path, live string
	promise    Promise
	file       *os.File
	header     string
	last       []Segment // of the live list
	count      int
}

// Target is how long segments may be of which each is to be of that length: it is
// what the list promises.
func Target(length time.Duration) time.Duration {
	return (length + 2*time.Second - 1).Truncate(time.Second) + time.Second
}

// Promise is what lists say of all their segments (RFC 8216, section 4.3.3.1 and
// 4.3.5.1).
type Promise struct {
	Longest     time.Duration // none plays longer; lists have it in whole seconds, rounded up
	Independent bool          // each begins with a key frame
}

// Create makes the list, and a live one if that has a path. It fails if there is a
// list of that name.
func Create(path, live string, promise Promise) (*Writer, error) {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL|os.O_APPEND, 0o644)
	if err != nil {
		return nil, err
	}
	w := &Writer{path: path, live: live, promise: promise, file: file}
	return w, w.add(w.top("#EXT-X-PLAYLIST-TYPE:EVENT\n", 0))
}

func (w *Writer) top(kind string, sequence int) string {
	target := (w.promise.Longest + time.Second - 1) / time.Second
	top := fmt.Sprintf("#EXTM3U\n#EXT-X-VERSION:7\n%s#EXT-X-TARGETDURATION:%d\n#EXT-X-MEDIA-SEQUENCE:%d\n", kind, target, sequence)
	if w.promise.Independent {
		top += "#EXT-X-INDEPENDENT-SEGMENTS\n"
	}
	return top
}

// add writes whole lines, at once.
func (w *Writer) add(lines string) error {
	_, err := w.file.WriteString(lines)
	return errors.Join(err, w.file.Sync())
}

// Add adds a segment that is whole, on the disk.
func (w *Writer) Add(s Segment) error {
	if err := w.add(s.lines(w.header, w.count == 0)); err != nil {
		return err
	}
	w.header = s.Header
	w.count++
	if w.last = append(w.last, s); len(w.last) > window {
		w.last = w.last[1:]
	}
	return w.writeLive(false)
}

// lines are those of a segment, after one with that header.
func (s Segment) lines(header string, first bool) string {
	var b strings.Builder
	if s.Header != header {
		if !first {
			b.WriteString("#EXT-X-DISCONTINUITY\n")
		}
		fmt.Fprintf(&b, "#EXT-X-MAP:URI=\"%s\"\n", filepath.Base(s.Header))
	}
	if !s.Begun.IsZero() {
		fmt.Fprintf(&b, "#EXT-X-PROGRAM-DATE-TIME:%s\n", s.Begun.UTC().Format("2006-01-02T15:04:05.000Z"))
	}
	fmt.Fprintf(&b, "#EXTINF:%.3f,\n%s\n", s.Plays.Seconds(), filepath.Base(s.Path))
	return b.String()
}

const end = "#EXT-X-ENDLIST\n"

// writeLive replaces the live list.
func (w *Writer) writeLive(over bool) error {
	if w.live == "" {
		return nil
	}
	var b bytes.Buffer
	b.WriteString(w.top("", w.count-len(w.last)))
	header := ""
	for i, s := range w.last {
		b.WriteString(s.lines(header, i == 0))
		header = s.Header
	}
	if over {
		b.WriteString(end)
	}
	return replace(w.live, b.Bytes())
}

func replace(path string, b []byte) error {
	next := path + ".next"
	if err := os.WriteFile(next, b, 0o644); err != nil {
		return err
	}
	return os.Rename(next, path)
}

// Close says that nothing follows.
func (w *Writer) Close() error {
	err := w.add(end)
	if w.count > 0 {
		err = errors.Join(err, w.writeLive(true))
	}
	return errors.Join(err, w.file.Close())
}

// Finish ends a list whose writer died: what is listed stays, what was made since is
// added, and nothing follows. all are the segments in order, as far as they are
// known; how long those are that are not listed is asked of plays, which says 0 for
// what is not worth it. It returns all that are listed then. live, "" for none, is
// made to be as the list.
func Finish(path, live string, all []Segment, plays func(Segment) time.Duration) ([]Segment, error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	raw = raw[:bytes.LastIndexByte(raw, '\n')+1]
	listed, lengths := map[string]bool{}, map[string]time.Duration{}
	var length float64
	header, over := "", false
	for lines := bufio.NewScanner(bytes.NewReader(raw)); lines.Scan(); {
		line := lines.Text()
		switch {
		case strings.HasPrefix(line, "#EXTINF:"):
			_, _ = fmt.Sscanf(line, "#EXTINF:%f,", &length)
		case strings.HasPrefix(line, "#EXT-X-MAP:URI="):
			header = strings.Trim(strings.TrimPrefix(line, "#EXT-X-MAP:URI="), `"`)
		case line == strings.TrimSpace(end):
			over = true
		case line != "" && line[0] != '#':
			listed[line], lengths[line] = true, time.Duration(length*float64(time.Second))
		}
	}
	out := bytes.NewBuffer(raw)
	var kept []Segment
	for _, s := range all {
		name := filepath.Base(s.Path)
		if listed[name] {
			s.Plays = lengths[name]
			kept = append(kept, s)
			continue
		}
		if s.Plays = plays(s); s.Plays == 0 {
			continue
		}
		before := header
		if before == filepath.Base(s.Header) {
			before = s.Header
		}
		out.WriteString(s.lines(before, len(kept) == 0))
		header = filepath.Base(s.Header)
		kept = append(kept, s)
	}
	if !over {
		out.WriteString(end)
	}
	if err := replace(path, out.Bytes()); err != nil || live == "" {
		return kept, err
	}
	return kept, replace(live, out.Bytes())
}
