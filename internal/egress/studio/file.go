package studio

import (
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/rollcall-rtc/rollcall/internal/egress/container"
	"github.com/rollcall-rtc/rollcall/internal/egress/wire"
)

// output is what all outputs have.
type output struct {
	studio  *Studio
	journal string
	index   int // in the job's
	wire.Output
	epoch time.Time
}

// note writes into the journal that a file is about to be made.
func (o *output) note(path string, part wire.MadeAs, begun time.Time) error {
	return wire.Note(o.journal, wire.Entry{Output: o.index, Path: path, Part: part, Begun: begun.UnixNano()})
}

// noteNew is note for a file that must not be there yet.
func (o *output) noteNew(path string, part wire.MadeAs, begun time.Time) error {
	return wire.NoteNew(o.journal, wire.Entry{Output: o.index, Path: path, Part: part, Begun: begun.UnixNano()})
}

// say reports a file.
func (o *output) say(kind wire.ReportKind, m wire.Made) {
	o.studio.report(wire.Report{Kind: kind, Output: o.index, File: &m})
}

// free is the path with that extension, or the same with a number, of which there
// is no file.
func free(base, ext string) (string, error) {
	path := base + ext
	for n := 2; ; n++ {
		if _, err := os.Lstat(path); errors.Is(err, os.ErrNotExist) {
			return path, nil
		} else if err != nil {
			return "", err
		}
		path = fmt.Sprintf("%s-%d%s", base, n, ext)
	}
}

// file is one file.
type file struct {
	output
	tracks []container.Track
	w      container.Writer
	disk   container.Syncer
	path   string
	last   time.Duration // end of what is in it
}

func (f *file) begin(epoch time.Time) error {
	format := container.Format(f.Format)
	if format == "" {
		format = formatOf(f.tracks)
	}
	path, err := free(f.Path, string(format))
	if err != nil {
		return err
	}
	f.path, f.epoch = path, epoch
	if err := f.note(path, "", epoch); err != nil {
		return err
	}
	if f.w, err = container.Create(path, format, f.tracks); err != nil {
		return err
	}
	f.say(wire.Opened, wire.Made{Path: path, Begun: epoch.UnixNano()})
	return nil
}

// formatOf is the file that fits the tracks, unless another is asked for.
func formatOf(tracks []container.Track) container.Format {
	format := container.MP4
	for _, t := range tracks {
		switch t.Codec {
		case container.VP8, container.VP9:
			return container.WebM
		case container.MP3:
			format = container.MP3File
		}
	}
	return format
}

func (f *file) write(fr container.Frame) error {
	if fr.At < 0 {
		return nil // what the encoder of sound needs to begin
	}
	f.last = max(f.last, fr.At)
	return f.w.Write(fr)
}

func (f *file) flush(now time.Time) error {
	if err := f.w.Put(); err != nil {
		return err
	}
	return f.disk.Sync(now, f.w.Sync)
}

func (f *file) close() ([]wire.Made, error) {
	if f.w == nil {
		return nil, nil
	}
	if err := errors.Join(f.disk.Wait(), f.w.Close()); err != nil {
		return nil, err
	}
	plays, err := container.Repair(f.path)
	if err != nil {
		return nil, err
	}
	stat, err := os.Stat(f.path)
	if err != nil {
		return nil, err
	}
	m := wire.Made{Path: f.path, Begun: f.epoch.UnixNano(), Plays: max(plays, f.last), Bytes: stat.Size()}
	f.say(wire.Closed, m)
	return []wire.Made{m}, nil
}
