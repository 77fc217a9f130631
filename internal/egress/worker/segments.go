package worker

import (
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/rollcall-rtc/rollcall/internal/egress/container"
	"github.com/rollcall-rtc/rollcall/internal/egress/playlist"
	"github.com/rollcall-rtc/rollcall/internal/egress/wire"
)

// segmentSink writes HLS: segments that begin with key frames, which are asked for
// when one is due.
type segmentSink struct {
	job    wire.Job
	output int // index
	say    func(wire.Report)

	list   *playlist.Writer // nil before the first segment
	w      *container.Segments
	disk   container.Syncer
	header string
	kept   string        // the last header that is told of
	video  int           // index of the track of pictures, -1 without
	path   string        // of the open segment
	number int           // of the next one
	begin  time.Time     // when the time of what is open begins
	from   time.Duration // when the open segment begins, since then
	to     time.Duration // the latest frame
	step   time.Duration // from the one before it
	asked  bool          // for a key frame
	made   []wire.Made
	parts  int // that were opened
}

func (s *segmentSink) out() wire.Output { return s.job.Outputs[s.output] }

// open implements sink.
func (s *segmentSink) open(tracks []container.Track, begin time.Time) error {
	if err := s.end(); err != nil {
		return err
	}
	s.parts++
	s.begin, s.from, s.to, s.step, s.asked, s.video = begin, 0, 0, 0, false, -1
	for i, t := range tracks {
		if t.Codec.Video() {
			s.video = i
		}
	}
	var err error
	if s.list == nil {
		if err = s.note(s.out().Playlist, wire.Playlist); err != nil {
			return err
		}
		if live := s.out().LivePlaylist; live != "" {
			if err = s.note(live, wire.LivePlaylist); err != nil {
				return err
			}
		}
		if s.list, err = playlist.Create(s.out().Playlist, s.out().LivePlaylist, playlist.Promise{Longest: playlist.Target(s.out().Length)}); err != nil {
			return err
		}
	}
	s.header = s.out().Path + "_init.mp4"
	if s.parts > 1 {
		s.header = fmt.Sprintf("%s_init-%d.mp4", s.out().Path, s.parts)
	}
	if err = s.note(s.header, wire.SegmentInit); err != nil {
		return err
	}
	if err = s.name(begin); err != nil {
		return err
	}
	s.w, err = container.NewSegments(s.header, s.path, tracks)
	return err
}

func (s *segmentSink) note(path string, part wire.MadeAs) error {
	return wire.NoteNew(s.job.Journal, wire.Entry{Output: s.output, Path: path, Part: part, Begun: s.begin.Add(s.from).UnixNano()})
}

// name finds the name of the next segment, and notes it.
func (s *segmentSink) name(at time.Time) error {
	s.path = fmt.Sprintf("%s_%05d.m4s", s.out().Path, s.number)
	if s.out().Timestamps {
		s.path = fmt.Sprintf("%s_%s.m4s", s.out().Path, wire.Stamp(at))
	}
	s.number++
	return s.note(s.path, wire.Segment)
}

// write implements sink.
func (s *segmentSink) write(f container.Frame, want func()) error {
	if err := s.w.Write(f); err != nil {
		return err
	}
	if f.At > s.to {
		s.to, s.step = f.At, f.At-s.to
	}
	if !s.w.Begun() {
		return nil
	}
	due := f.At-s.from >= s.job.Due(s.out().Length)
	switch {
	case f.Track == s.video && f.Key && due, s.video < 0 && due:
	case f.At-s.from >= playlist.Target(s.out().Length)-200*time.Millisecond:
		// No key frame comes, as of pictures that are muted: better so than a segment
		// that is longer than the list says.
	case due && !s.asked && f.Track == s.video:
		s.asked = true
		want()
		return nil
	default:
		return nil
	}
	return s.cut(f.At)
}

// cut ends the open segment, and begins the next with the last frame.
func (s *segmentSink) cut(at time.Duration) error {
	ended, from := s.path, s.from
	s.from = at
	if err := s.name(s.begin.Add(at)); err != nil {
		return err
	}
	size, err := s.w.Cut(s.path)
	if err != nil {
		return err
	}
	s.asked = false
	return s.add(ended, from, at, size)
}

// add lists a segment that is whole.
func (s *segmentSink) add(path string, from, to time.Duration, size int64) error {
	m := wire.Made{Path: path, Begun: s.begin.Add(from).UnixNano(), Plays: to - from, Bytes: size, Part: wire.Segment}
	if s.kept != s.header {
		if err := s.keep(s.header, wire.SegmentInit); err != nil {
			return err
		}
		s.kept = s.header
	}
	if err := s.list.Add(playlist.Segment{Path: path, Header: s.header, Begun: s.begin.Add(from), Plays: m.Plays}); err != nil {
		return err
	}
	s.made = append(s.made, m)
	s.say(wire.Report{Kind: wire.Closed, Output: s.output, File: &m})
	return nil
}

// flush implements sink.
func (s *segmentSink) flush(now time.Time) error {
	if s.w == nil {
		return nil
	}
	if err := s.w.Put(); err != nil {
		return err
	}
	if sync := s.w.Syncing(); sync != nil {
		return s.disk.Sync(now, sync)
	}
	return nil
}

// end ends the open segment, and what it belongs to.
func (s *segmentSink) end() error {
	if s.w == nil {
		return nil
	}
	size, err := s.w.Close()
	err = errors.Join(err, s.disk.Wait())
	begun := s.w.Begun()
	s.w = nil
	if err != nil || !begun {
		return err
	}
	return s.add(s.path, s.from, s.to+min(max(s.step, time.Millisecond), container.LongestLast), size)
}

// keep notes among what was made a file that is whole.
func (s *segmentSink) keep(path string, part wire.MadeAs) error {
	stat, err := os.Stat(path)
	if err != nil {
		return err
	}
	m := wire.Made{Path: path, Bytes: stat.Size(), Part: part}
	s.made = append(s.made, m)
	s.say(wire.Report{Kind: wire.Closed, Output: s.output, File: &m})
	return nil
}

// close implements sink.
func (s *segmentSink) close() ([]wire.Made, error) {
	err := s.end()
	if s.list == nil {
		return s.made, err
	}
	err = errors.Join(err, s.list.Close())
	s.list = nil
	if err == nil {
		err = s.keep(s.out().Playlist, wire.Playlist)
	}
	if err == nil && s.out().LivePlaylist != "" {
		err = s.keep(s.out().LivePlaylist, wire.LivePlaylist)
	}
	return s.made, err
}
