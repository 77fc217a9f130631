package studio

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/rollcall-rtc/rollcall/internal/egress/container"
	"github.com/rollcall-rtc/rollcall/internal/egress/playlist"
	"github.com/rollcall-rtc/rollcall/internal/egress/wire"
)

// segments are files of MPEG-TS, each of which begins with a key frame, and lists
// of them (RFC 8216). A segment is in a list when it is whole, and on the disk.
type segments struct {
	output
	tracks []container.Track
	cuts

	list  *playlist.Writer
	file  *os.File // nil while none is open
	buf   *bufio.Writer
	disk  container.Syncer
	ts    *container.TS
	path  string
	start time.Duration // of what is open
	last  time.Duration // of the last frame
	made  []wire.Made
}

func (s *segments) begin(epoch time.Time) error {
	s.epoch = epoch
	if err := s.noteNew(s.Playlist, wire.Playlist, epoch); err != nil {
		return err
	}
	if s.LivePlaylist != "" {
		if err := s.noteNew(s.LivePlaylist, wire.LivePlaylist, epoch); err != nil {
			return err
		}
	}
	var err error
	s.list, err = playlist.Create(s.Playlist, s.LivePlaylist, playlist.Promise{Longest: s.longest, Independent: true})
	return err
}

// name is that of the segment that begins at that time.
func (s *segments) name(at time.Duration) string {
	if s.Timestamps {
		return fmt.Sprintf("%s_%s.ts", s.Path, wire.Stamp(s.epoch.Add(at)))
	}
	return fmt.Sprintf("%s_%05d.ts", s.Path, len(s.made))
}

func (s *segments) write(f container.Frame) error {
	// Sound alone can be cut anywhere. If pictures stand still for so long that the promise
	// would be broken, sound is cut, too: the next picture is a key frame, which is overdue.
	cut := f.Key && (f.Track == 0 || !s.tracks[0].Codec.Video()) && (s.file == nil || f.At-s.start >= s.due)
	if cut || s.file != nil && f.At-s.start > s.bound() {
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
	if err := s.end(at); err != nil {
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
func (s *segments) end(at time.Duration) error {
	if s.file == nil {
		return nil
	}
	err := errors.Join(s.buf.Flush(), s.file.Sync())
	stat, statErr := s.file.Stat()
	if err = errors.Join(err, statErr, s.file.Close()); err != nil {
		return err
	}
	s.file = nil
	begun, plays := s.epoch.Add(s.start), at-s.start
	if plays > s.bound() {
		plays = min(plays, s.last+s.step-s.start) // nothing came in between
	}
	if err := s.list.Add(playlist.Segment{Path: s.path, Begun: begun, Plays: plays}); err != nil {
		return err
	}
	m := wire.Made{Path: s.path, Part: wire.Segment, Begun: begun.UnixNano(), Plays: plays, Bytes: stat.Size()}
	s.made = append(s.made, m)
	s.say(wire.Closed, m)
	return nil
}

func (s *segments) flush(now time.Time) error {
	if s.file == nil {
		return nil
	}
	if err := s.buf.Flush(); err != nil {
		return err
	}
	return s.disk.Sync(now, s.file.Sync)
}

func (s *segments) close() ([]wire.Made, error) {
	if s.list == nil {
		return nil, nil
	}
	err := s.end(s.last + s.step)
	err = errors.Join(err, s.disk.Wait(), s.list.Close())
	s.list = nil
	if len(s.made) == 0 {
		return nil, errors.Join(err, os.Remove(s.Playlist))
	}
	all := append([]wire.Made(nil), s.made...)
	for _, list := range []wire.Made{
		{Path: s.Playlist, Begun: s.epoch.UnixNano(), Part: wire.Playlist},
		{Path: s.LivePlaylist, Begun: s.epoch.UnixNano(), Part: wire.LivePlaylist},
	} {
		if list.Path == "" {
			continue
		}
		stat, statErr := os.Stat(list.Path)
		if err = errors.Join(err, statErr); statErr != nil {
			continue
		}
		list.Bytes = stat.Size()
		all = append(all, list)
		s.say(wire.Closed, list)
	}
	return all, err
}
