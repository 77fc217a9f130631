package mediafile

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/pion/webrtc/v4"

	"github.com/rollcall-rtc/rollcall/client"
)

// Errors of files; see errors.Is.
var (
	// ErrFormat is a file that is none of those that can be read, or damaged.
	ErrFormat = errors.New("not a media file that can be read")
	// ErrCodec is a file of a known format with a codec that is not published.
	ErrCodec = errors.New("codec that cannot be published")
)

// maxFrame bounds one frame, in bytes: more is damage.
const maxFrame = 16 << 20

// Track is one track of a file, as frames in their order. One goroutine at a
// time may use it.
type Track struct {
	// Codec is how the track is encoded, for client.NewLocalTrack.
	Codec webrtc.RTPCodecCapability
	// Width and Height are those of video, in pixels; 0 if the file does not say.
	Width, Height uint32

	file   io.ReadSeeker
	closer io.Closer // nil if it is the caller's to close
	format format
	number uint64 // of the track, in formats with several
	frames frames
	level  func(frame []byte) (level float64, voice bool) // nil if nobody knows
}

// frames reads what a file holds. Next returns io.EOF at the end.
type frames interface {
	next() (client.Sample, error)
}

// format is how the frames of a track are found in a file, from its beginning.
type format func(r *bufio.Reader, t *Track) (frames, error)

// Options say what a file does not.
type Options struct {
	// FrameRate of byte streams, which have no times; 0 means 30 frames a second.
	FrameRate float64
	// Level says how loud a frame of audio is, from 0 for silence to 1, and whether
	// somebody speaks in it, for servers to find the active speakers. Only a decoder
	// knows; if it is nil, audio counts as silence.
	Level func(frame []byte) (level float64, voice bool)
}

// Open opens the tracks of a file, each of which is to be closed.
func Open(path string, o Options) ([]*Track, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	hevc := false
	switch strings.ToLower(filepath.Ext(path)) {
	case ".h265", ".265", ".hevc":
		hevc = true
	}
	tracks, err := o.layout(f, hevc)
	for _, t := range tracks {
		var own *os.File
		if own, err = os.Open(path); err == nil {
			t.file, t.closer = own, own
			err = t.Rewind()
		}
		if err != nil {
			break
		}
	}
	if err != nil {
		for _, t := range tracks {
			_ = t.Close()
		}
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return tracks, nil
}

// Read is Open for a file that is open, and has one track.
func Read(file io.ReadSeeker, o Options) ([]*Track, error) {
	tracks, err := o.layout(file, false)
	if err != nil {
		return nil, err
	}
	if len(tracks) > 1 {
		return nil, fmt.Errorf("%w: it has several tracks, which are read apart", ErrFormat)
	}
	tracks[0].file = file
	return tracks, tracks[0].Rewind()
}

// layout finds out which tracks there are.
func (o Options) layout(r io.Reader, hevc bool) ([]*Track, error) {
	tracks, err := layout(r, o.FrameRate, hevc)
	for _, t := range tracks {
		t.level = o.Level
	}
	return tracks, err
}

func layout(r io.Reader, frameRate float64, hevc bool) ([]*Track, error) {
	if frameRate <= 0 {
		frameRate = 30
	}
	head := bufio.NewReader(r)
	magic, err := head.Peek(4)
	switch {
	case err != nil:
		return nil, fmt.Errorf("%w: it is too short", ErrFormat)
	case string(magic) == "OggS":
		return []*Track{{format: ogg}}, nil
	case string(magic) == "DKIF":
		return []*Track{{format: ivf}}, nil
	case bytes.Equal(magic, []byte{0x1a, 0x45, 0xdf, 0xa3}):
		return webmTracks(head)
	case magic[0] != 0 || magic[1] != 0:
		return nil, fmt.Errorf("%w: want Ogg, IVF, WebM, or H.264 or H.265 as a byte stream", ErrFormat)
	case hevc:
		return []*Track{{format: annexB(frameRate), Codec: client.H265}}, nil
	}
	return []*Track{{format: annexB(frameRate), Codec: client.H264}}, nil
}

// Next returns the next frame; the error is io.EOF after the last.
func (t *Track) Next() (client.Sample, error) {
	s, err := t.frames.next()
	if err == nil && t.level != nil && t.Codec.MimeType == client.Opus.MimeType {
		s.AudioLevel, s.Voice = t.level(s.Data)
	}
	return s, err
}

// Rewind begins again.
func (t *Track) Rewind() error {
	if _, err := t.file.Seek(0, io.SeekStart); err != nil {
		return err
	}
	var err error
	t.frames, err = t.format(bufio.NewReaderSize(t.file, 64<<10), t)
	return err
}

// Close closes the track's file.
func (t *Track) Close() error {
	if t.closer == nil {
		return nil
	}
	return t.closer.Close()
}

// Play writes the frames to a track that is published, each when its time has
// come, until the end of the file, or of ctx. With loop it begins again at the end.
func Play(ctx context.Context, from *Track, to *client.LocalTrack, loop bool) error {
	select {
	case <-to.Bound():
	case <-ctx.Done():
		return ctx.Err()
	}
	timer := time.NewTimer(0)
	defer timer.Stop()
	due := time.Now()
	for n := 0; ; n++ {
		s, err := from.Next()
		if errors.Is(err, io.EOF) && loop && n > 0 {
			n = -1
			if err := from.Rewind(); err != nil {
				return err
			}
			continue
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		timer.Reset(time.Until(due))
		select {
		case <-timer.C:
		case <-ctx.Done():
			return ctx.Err()
		}
		if err := to.WriteSample(s); err != nil {
			return err
		}
		due = due.Add(s.Duration)
	}
}

// timed gives frames with times the durations that lie between them.
type timed struct {
	read func() (data []byte, at time.Duration, err error)

	started bool
	data    []byte
	at      time.Duration
	last    time.Duration // duration of the frame before
	end     error
}

func (t *timed) next() (client.Sample, error) {
	if !t.started {
		t.started = true
		t.data, t.at, t.end = t.read()
	}
	if t.end != nil {
		return client.Sample{}, t.end
	}
	s := client.Sample{Data: t.data, Duration: t.last}
	data, at, err := t.read()
	if err != nil {
		t.end = err
		if !errors.Is(err, io.EOF) {
			return client.Sample{}, err
		}
		return s, nil
	}
	if gap := at - t.at; gap > 0 && gap < time.Minute {
		s.Duration, t.last = gap, gap
	}
	t.data, t.at = data, at
	return s, nil
}
