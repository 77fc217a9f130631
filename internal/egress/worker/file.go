package worker

import (
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/rollcall-rtc/rollcall/internal/egress/container"
	"github.com/rollcall-rtc/rollcall/internal/egress/wire"
)

// fileSink writes files, one after the other.
type fileSink struct {
	job    wire.Job
	output int // index
	say    func(wire.Report)

	w     container.Writer // nil while none is open
	disk  container.Syncer
	sync  func() error // that of w
	path  string
	begun time.Time
	ends  []time.Duration // of the tracks: when the last frame is shown
	steps []time.Duration // how long after the one before it
	made  []wire.Made
}

// open implements sink.
func (s *fileSink) open(tracks []container.Track, begin time.Time) error {
	if err := s.end(); err != nil {
		return err
	}
	out := s.job.Outputs[s.output]
	format := container.BestFormat(tracks, container.Format(out.Format))
	var err error
	if s.path, err = s.name(out.Path, format); err != nil {
		return err
	}
	s.begun, s.ends, s.steps = begin, make([]time.Duration, len(tracks)), make([]time.Duration, len(tracks))
	if s.w, err = container.Create(s.path, format, tracks); err != nil {
		return err
	}
	s.sync = s.w.Sync
	s.say(wire.Report{Kind: wire.Opened, Output: s.output, File: &wire.Made{Path: s.path, Begun: begin.UnixNano()}})
	return nil
}

// name finds a name that no file has, and notes it before there is one.
func (s *fileSink) name(base string, format container.Format) (string, error) {
	path := base + string(format)
	for n := 2; ; n++ {
		if _, err := os.Lstat(path); errors.Is(err, os.ErrNotExist) {
			break
		} else if err != nil {
			return "", err
		}
		path = fmt.Sprintf("%s-%d%s", base, n, format)
	}
	return path, wire.Note(s.job.Journal, wire.Entry{Output: s.output, Path: path})
}

// write implements sink.
func (s *fileSink) write(f container.Frame, _ func()) error {
	if err := s.w.Write(f); err != nil {
		return err
	}
	if last := &s.ends[f.Track]; f.At > *last {
		*last, s.steps[f.Track] = f.At, f.At-*last
	}
	return nil
}

// flush implements sink.
func (s *fileSink) flush(now time.Time) error {
	if s.w == nil {
		return nil
	}
	if err := s.w.Put(); err != nil {
		return err
	}
	return s.disk.Sync(now, s.sync)
}

// end closes the file that is open, if one is.
func (s *fileSink) end() error {
	if s.w == nil {
		return nil
	}
	err := errors.Join(s.disk.Wait(), s.w.Close())
	s.w = nil
	if err != nil {
		return err
	}
	stat, err := os.Stat(s.path)
	if err != nil {
		return err
	}
	m := wire.Made{Path: s.path, Begun: s.begun.UnixNano(), Bytes: stat.Size()}
	for i, last := range s.ends {
		m.Plays = max(m.Plays, last+min(s.steps[i], container.LongestLast))
	}
	s.made = append(s.made, m)
	s.say(wire.Report{Kind: wire.Closed, Output: s.output, File: &m})
	return nil
}

// close implements sink.
func (s *fileSink) close() ([]wire.Made, error) {
	err := s.end()
	return s.made, err
}
