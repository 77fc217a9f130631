package studio

import (
	"bufio"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/rollcall-rtc/rollcall/internal/egress/container"
	"github.com/rollcall-rtc/rollcall/internal/egress/wire"
)

// liveSegments is how many segments a live playlist has.
const liveSegments = 5

// segments are files of MPEG-TS, each of which begins with a key frame, and lists
// of them (RFC 8216). A segment is in a list when it is whole, and on the disk.
type segments struct {
	output
	tracks []container.Track

	file  *os.File // nil while none is open
	buf   *bufio.Writer
	ts    *container.TS
	path  string
	start time.Duration // of what is open
	last  time.Duration // of the last frame
	made  []wire.Made
	lists []wire.Made
}

func (s *segments) begin(epoch time.Time) error {
	s.epoch = epoch
	for _, list := range []struct {
		path string
		part wire.MadeAs
	}{{s.Playlist, wire.Playlist}, {s.LivePlaylist, wire.LivePlaylist}} {
		if list.path == "" {
			continue
		}
		if err := s.noteNew(list.path, list.part, epoch); err != nil {
			return err
		}
		s.lists = append(s.lists, wire.Made{Path: list.path, Begun: epoch.UnixNano(), Part: list.part})
	}
	return nil
}

// name is that of the segment that begins at that time.
func (s *segments) name(at time.Duration) string {
	if s.Timestamps {
		return fmt.Sprintf("%s_%s.ts", s.Path, wire.Stamp(s.epoch.Add(at)))
	}
	return fmt.Sprintf("%s_%05d.ts", s.Path, len(s.made))
}

func (s *segments) write(f container.Frame) error {
	// Sound alone can be cut anywhere.
	cut := f.Key && (f.Track == 0 || !s.tracks[0].Codec.Video())
	if cut && (s.file == nil || f.At-s.start >= s.Length) {
		if err := s.next(f.At); err != nil {
			return err
		}
	}
	if s.file == nil {
		return nil // nothing to begin with yet
	}
	s.last = max(s.last, f.At)
	return s.ts.Write(f)
}

// next ends the segment that is open, and begins another.
func (s *segments) next(at time.Duration) error {
	if err := s.end(at, false); err != nil {
		return err
	}
	s.path, s.start, s.last = s.name(at), at, at
	if err := s.noteNew(s.path, wire.Segment, s.epoch.Add(at)); err != nil {
		return err
	}
	var err error
	if s.file, err = os.OpenFile(s.path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644); err != nil {
		return err
	}
	s.buf = bufio.NewWriterSize(s.file, 64<<10)
	s.ts, err = container.NewTS(s.buf, s.tracks)
	return err
}

// end makes the open segment whole, and lists it.
func (s *segments) end(at time.Duration, over bool) error {
	if s.file == nil {
		return nil
	}
	err := errors.Join(s.buf.Flush(), s.file.Sync())
	stat, statErr := s.file.Stat()
	if err = errors.Join(err, statErr, s.file.Close()); err != nil {
		return err
	}
	s.file = nil
	m := wire.Made{Path: s.path, Part: wire.Segment, Begun: s.epoch.Add(s.start).UnixNano(), Plays: at - s.start, Bytes: stat.Size()}
	s.made = append(s.made, m)
	s.say(wire.Closed, m)
	return s.list(over)
}

// list writes the playlists.
func (s *segments) list(over bool) error {
	for i := range s.lists {
		l := &s.lists[i]
		from := 0
		if l.Part == wire.LivePlaylist {
			from = max(len(s.made)-liveSegments, 0)
		}
		if err := replace(l.Path, s.playlist(from, l.Part == wire.LivePlaylist, over)); err != nil {
			return err
		}
	}
	return nil
}

func (s *segments) playlist(from int, live, over bool) string {
	longest := s.Length
	for _, m := range s.made {
		longest = max(longest, m.Plays)
	}
	var b strings.Builder
	b.WriteString("#EXTM3U\n#EXT-X-VERSION:4\n")
	if !live {
		b.WriteString("#EXT-X-PLAYLIST-TYPE:EVENT\n")
	}
	fmt.Fprintf(&b, "#EXT-X-ALLOW-CACHE:NO\n#EXT-X-TARGETDURATION:%d\n#EXT-X-MEDIA-SEQUENCE:%d\n#EXT-X-INDEPENDENT-SEGMENTS\n", int(math.Ceil(longest.Seconds())), from)
	list := filepath.Dir(s.Playlist)
	for _, m := range s.made[from:] {
		name, err := filepath.Rel(list, m.Path)
		if err != nil {
			name = filepath.Base(m.Path)
		}
		fmt.Fprintf(&b, "#EXT-X-PROGRAM-DATE-TIME:%s\n#EXTINF:%.3f,\n%s\n", time.Unix(0, m.Begun).UTC().Format("2006-01-02T15:04:05.000Z"), m.Plays.Seconds(), filepath.ToSlash(name))
	}
	if over {
		b.WriteString("#EXT-X-ENDLIST\n")
	}
	return b.String()
}

// replace writes a file at once: who reads it finds the old one or the new one.
func replace(path, content string) error {
	next := path + ".next"
	f, err := os.Create(next)
	if err != nil {
		return err
	}
	_, err = f.WriteString(content)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(next, path)
}

func (s *segments) flush() error {
	if s.file == nil {
		return nil
	}
	return errors.Join(s.buf.Flush(), s.file.Sync())
}

func (s *segments) close() ([]wire.Made, error) {
	step := time.Second / 30
	if err := s.end(s.last+step, true); err != nil {
		return nil, err
	}
	if len(s.made) == 0 {
		return nil, nil
	}
	all := append([]wire.Made(nil), s.made...)
	for _, l := range s.lists {
		if stat, err := os.Stat(l.Path); err == nil {
			l.Bytes = stat.Size()
			all = append(all, l)
			s.say(wire.Closed, l)
		}
	}
	return all, nil
}
