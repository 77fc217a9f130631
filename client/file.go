package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// ErrUnknownMedia is why a file cannot be played.
var ErrUnknownMedia = errors.New("not a media file that can be played")

// File is recorded media: Opus in Ogg (.ogg, .opus), VP8, VP9 or AV1 in IVF (.ivf),
// H.264 as a byte stream (.h264, .264), or WebM (.webm) with one track of each
// kind. The tracks are published like any others; Play writes the file to them.
type File struct {
	// immutable
	tracks        []*LocalTrack
	width, height uint32
	source        frameSource
	close         func() error
}

// frame is a sample of a file.
type frame struct {
	track int           // index of its track
	at    time.Duration // since the beginning
	Sample
}

// frameSource returns the frames of a file, in the order of their times, and io.EOF.
type frameSource interface{ next() (frame, error) }

// OpenFile opens a media file.
func OpenFile(path string) (*File, error) {
	in, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	f, err := readFile(in, strings.ToLower(filepath.Ext(path)))
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open %s: %w", path, err), in.Close())
	}
	f.close = in.Close
	return f, nil
}

func readFile(in io.Reader, extension string) (*File, error) {
	switch extension {
	case ".ogg", ".opus", ".oga":
		return openOgg(in)
	case ".ivf":
		return openIVF(in)
	case ".h264", ".264":
		return openH264(in)
	case ".webm":
		return openWebM(in)
	default:
		return nil, fmt.Errorf("%w: extension %q", ErrUnknownMedia, extension)
	}
}

// Tracks are what is in the file.
func (f *File) Tracks() []*LocalTrack { return f.tracks }

// Size is that of the video, in pixels; 0 if the file does not say it.
func (f *File) Size() (width, height uint32) { return f.width, f.height }

// Close closes the file.
func (f *File) Close() error { return f.close() }

// Play writes the file to its tracks as fast as it was recorded, and returns at
// its end. To play it again, open it again.
func (f *File) Play(ctx context.Context) error {
	began := time.Now()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		fr, err := f.source.next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("play: %w", err)
		}
		timer.Reset(time.Until(began.Add(fr.at)))
		select {
		case <-timer.C:
		case <-ctx.Done():
			return ctx.Err()
		}
		// What cannot be sent now, while the connection is interrupted, is lost, as
		// it is when it is live.
		_ = f.tracks[fr.track].WriteSample(fr.Sample)
	}
}

// PublishFile publishes the tracks of a file, with the same options but for the
// source, which is a microphone's or a camera's.
func (p *LocalParticipant) PublishFile(ctx context.Context, f *File, o PublishOptions) ([]*LocalPublication, error) {
	var all []*LocalPublication
	o.Source = 0
	if o.Width == 0 {
		o.Width, o.Height = f.Size()
	}
	for _, t := range f.tracks {
		pub, err := p.Publish(ctx, o, t)
		if err != nil {
			return all, err
		}
		all = append(all, pub)
	}
	return all, nil
}
