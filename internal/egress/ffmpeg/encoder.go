package ffmpeg

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"sync"
	"time"

	"github.com/rollcall-rtc/rollcall/internal/egress/compose"
	"github.com/rollcall-rtc/rollcall/internal/egress/container"
)

// Settings say how to encode.
type Settings struct {
	Video container.Codec // H264, VP8 or VP9; "" for none
	// Profile is of H264: "baseline", "main" or "high".
	Profile       string
	Width, Height int
	Framerate     int
	VideoBitrate  int           // kilobits a second
	KeyFrames     time.Duration // from one to the next, at most

	Audio          container.Codec // AAC, Opus or MP3; "" for none
	AudioBitrate   int             // kilobits a second
	AudioFrequency int             // hertz, of AAC and MP3
}

// encoders are the names of those in use.
var encoders = map[container.Codec]string{
	container.H264: "libx264", container.VP8: "libvpx", container.VP9: "libvpx-vp9",
	container.AAC: "aac", container.Opus: "libopus", container.MP3: "libmp3lame",
}

// Encoders are those that the settings need, for Program.Need.
func (s *Settings) Encoders() (names []string) {
	for _, c := range []container.Codec{s.Video, s.Audio} {
		if c != "" {
			names = append(names, encoders[c])
		}
	}
	return names
}

// keyPictures is how many pictures it is from one key frame to the next.
func (s *Settings) keyPictures() int {
	return max(int(s.KeyFrames.Seconds()*float64(s.Framerate)), 1)
}

// KeyInterval is how long it is from one key frame to the next: whole pictures, so it
// is KeyFrames, or less.
func (s *Settings) KeyInterval() time.Duration {
	return time.Duration(s.keyPictures()) * time.Second / time.Duration(s.Framerate)
}

// Tracks are what comes out: pictures first.
func (s *Settings) Tracks() (tracks []container.Track) {
	if s.Video != "" {
		tracks = append(tracks, container.Track{Codec: s.Video})
	}
	if s.Audio != "" {
		t := container.Track{Codec: s.Audio, Channels: compose.Channels}
		if s.Audio != container.Opus {
			t.Rate = s.AudioFrequency
		}
		tracks = append(tracks, t)
	}
	return tracks
}

// Encoder encodes pictures and sound. Its methods are for one goroutine; Frames is
// for any.
type Encoder struct {
	child    *child
	settings Settings
	pictures chan []byte
	sound    chan []byte
	frames   chan container.Frame
	stopc    chan struct{}
	running  sync.WaitGroup
	freeP    chan []byte
	err      error // of what came out; after frames is closed
}

// How much waits for the encoder: a few pictures, and the sound of more than that,
// so that neither waits for the other.
const (
	maxPictures = 4
	maxSound    = 64 // slots
	maxEncoded  = 512
)

// Encode starts an encoder.
func (p *Program) Encode(s Settings) (*Encoder, error) {
	if err := p.Need(s.Encoders()...); err != nil {
		return nil, err
	}
	e := &Encoder{
		settings: s, frames: make(chan container.Frame, maxEncoded), stopc: make(chan struct{}), freeP: make(chan []byte, maxPictures+1),
	}
	var files, all []*os.File
	open := func() (r, w *os.File) {
		r, w, err := pipe()
		if err != nil {
			return nil, nil
		}
		all = append(all, r, w)
		return r, w
	}
	var args []string
	var feedV, feedA *os.File
	input := func(format ...string) *os.File {
		r, w := open()
		// What waits waits here, where it is counted: in the child it could be seconds.
		args = append(args, "-probesize", "32", "-analyzeduration", "1", "-thread_queue_size", "2")
		args = append(args, format...)
		args = append(args, "-i", fmt.Sprintf("/dev/fd/%d", 3+len(files)))
		files = append(files, r)
		return w
	}
	if s.Video != "" {
		feedV = input("-f", "rawvideo", "-pix_fmt", "yuv420p", "-video_size", fmt.Sprintf("%dx%d", s.Width, s.Height), "-framerate", strconv.Itoa(s.Framerate))
	}
	if s.Audio != "" {
		feedA = input("-f", "s16le", "-ar", strconv.Itoa(compose.Rate), "-ac", strconv.Itoa(compose.Channels))
	}
	encoded, out := open()
	if len(all) != 2*(len(files)+1) {
		for _, f := range all {
			_ = f.Close()
		}
		return nil, errors.New("no pipes for an encoder")
	}
	args = append(args, s.arguments()...)
	args = append(args, "-f", "matroska", "-live", "1", "-cluster_time_limit", "0", "-flush_packets", "1", "-max_interleave_delta", "500000",
		"-avoid_negative_ts", "disabled", "pipe:1")
	c, err := p.start(args, nil, out, files...)
	if err != nil {
		for _, f := range []*os.File{feedV, feedA, encoded} {
			if f != nil {
				_ = f.Close()
			}
		}
		return nil, err
	}
	e.child = c
	if feedV != nil {
		e.pictures = make(chan []byte, maxPictures)
		e.running.Go(func() { e.write(feedV, e.pictures, e.freeP) })
	}
	if feedA != nil {
		e.sound = make(chan []byte, maxSound)
		e.running.Go(func() { e.write(feedA, e.sound, nil) })
	}
	e.running.Go(func() { e.read(encoded) })
	return e, nil
}

// arguments are those of the encoders.
func (s *Settings) arguments() (args []string) {
	stream := 0
	if s.Video != "" {
		rate := strconv.Itoa(s.VideoBitrate) + "k"
		keys := strconv.Itoa(s.keyPictures())
		args = append(args, "-map", "0:v", "-c:v", encoders[s.Video], "-b:v", rate, "-g", keys,
			// What browsers send, and what it is decoded to.
			"-colorspace", "smpte170m", "-color_primaries", "smpte170m", "-color_trc", "smpte170m", "-color_range", "tv")
		switch s.Video {
		case container.H264:
			args = append(args, "-preset", "superfast", "-tune", "zerolatency", "-bf", "0", "-profile:v", s.Profile,
				"-maxrate", rate, "-bufsize", strconv.Itoa(2*s.VideoBitrate)+"k",
				"-x264-params", "sliced-threads=0:sync-lookahead=0:scenecut=0", "-threads", "1")
		default:
			args = append(args, "-deadline", "realtime", "-cpu-used", "8", "-lag-in-frames", "0", "-auto-alt-ref", "0",
				"-maxrate", rate, "-bufsize", rate, "-threads", "2")
		}
		stream++
	}
	if s.Audio != "" {
		args = append(args, "-map", strconv.Itoa(stream)+":a", "-c:a", encoders[s.Audio], "-b:a", strconv.Itoa(s.AudioBitrate)+"k")
		if s.Audio != container.Opus {
			args = append(args, "-ar", strconv.Itoa(s.AudioFrequency))
		}
	}
	return args
}

// ErrEnded says that the encoder is gone.
var ErrEnded = errors.New("the encoder ended")

// Picture encodes a picture, the next of its frame rate. It waits while the encoder
// is behind, and returns ErrEnded if it is gone.
func (e *Encoder) Picture(p *compose.Picture) error {
	var b []byte
	select {
	case b = <-e.freeP:
	default:
		b = make([]byte, len(p.Pix))
	}
	copy(b, p.Pix)
	return e.send(e.pictures, b)
}

// Sound encodes samples, of 16 bits, which the caller leaves to it. It waits as
// Picture does.
func (e *Encoder) Sound(samples []byte) error { return e.send(e.sound, samples) }

func (e *Encoder) send(to chan<- []byte, b []byte) error {
	select {
	case to <- b:
		return nil
	case <-e.child.donec:
		return ErrEnded
	}
}

// Frames are what comes out, of the tracks of Settings.Tracks. They have to be taken
// while pictures and sound are put in. It is closed when nothing more comes.
func (e *Encoder) Frames() <-chan container.Frame { return e.frames }

// Finish says that nothing follows. What is under way still comes, until Frames is
// closed.
func (e *Encoder) Finish() {
	if e.pictures != nil {
		close(e.pictures)
	}
	if e.sound != nil {
		close(e.sound)
	}
}

// endPatience is how long an encoder may take to end when it has given out all.
const endPatience = 15 * time.Second

// Wait returns how it ended, once Frames is closed.
func (e *Encoder) Wait() error {
	err := e.child.end(endPatience)
	e.running.Wait()
	return errors.Join(err, e.err)
}

// Close ends the encoder as it is.
func (e *Encoder) Close() {
	close(e.stopc)
	e.child.kill()
	<-e.child.donec
	e.running.Wait()
}

// write feeds the child.
func (e *Encoder) write(w *os.File, from <-chan []byte, free chan<- []byte) {
	defer w.Close()
	for {
		select {
		case b, ok := <-from:
			if !ok {
				return
			}
			if _, err := w.Write(b); err != nil {
				return
			}
			select {
			case free <- b: // never of nil
			default:
			}
		case <-e.child.donec:
			return
		}
	}
}

// read takes what the child makes.
func (e *Encoder) read(r *os.File) {
	defer close(e.frames)
	defer r.Close()
	m := newMatroska(r)
	for {
		f, err := m.next()
		if err != nil {
			if !errors.Is(err, errEnd) {
				e.err = fmt.Errorf("what ffmpeg made: %w", err)
				e.child.kill()
			}
			return
		}
		if f.Track == 0 && e.settings.Video != "" {
			// Milliseconds are too coarse for pictures, which come at even intervals.
			n := (int64(f.At/time.Millisecond)*int64(e.settings.Framerate) + 500) / 1000
			f.At = time.Duration(n) * time.Second / time.Duration(e.settings.Framerate)
		}
		select {
		case e.frames <- f:
		case <-e.stopc:
			return
		}
	}
}
