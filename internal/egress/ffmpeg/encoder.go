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

// Encoder encodes pictures and sound, each by a child of its own: a child gives out
// nothing that is later than the last picture it has, and sound is not to wait for
// those. Its methods are for one goroutine; Frames is for any.
type Encoder struct {
	settings Settings
	pictures *encoding // nil for none
	sound    *encoding // likewise
	frames   chan container.Frame
	stopc    chan struct{}
	running  sync.WaitGroup // of what writes, and of what closes frames
	backlog  backlog        // of pictures
	free     chan []byte    // that a picture was in
}

// encoding is a child that encodes one of both.
type encoding struct {
	*child
	in    chan []byte
	track int   // of what comes out
	err   error // of what came out; after frames is closed
}

// maxSound is how much sound waits for its child, in slots; the system's pipe takes some
// more. maxEncoded are frames that have come out.
const (
	maxSound   = 64
	maxEncoded = 512
)

// Encode starts an encoder.
func (p *Program) Encode(s Settings) (*Encoder, error) {
	if err := p.Need(s.Encoders()...); err != nil {
		return nil, err
	}
	e := &Encoder{settings: s, frames: make(chan container.Frame, maxEncoded), stopc: make(chan struct{})}
	var reading sync.WaitGroup
	track := 0
	begin := func(in chan []byte, feed pipeMaker, args []string) (*encoding, error) {
		c := &encoding{in: in, track: track}
		from, to, err := feed()
		if err != nil {
			return nil, err
		}
		encoded, out, err := pipe()
		if err != nil {
			return nil, errors.Join(err, from.Close(), to.Close())
		}
		args = append(append([]string{"-probesize", "32", "-analyzeduration", "1"}, args...),
			"-f", "matroska", "-live", "1", "-cluster_time_limit", "0", "-flush_packets", "1", "-avoid_negative_ts", "disabled", "pipe:1")
		if c.child, err = p.start(args, from, out); err != nil {
			return nil, errors.Join(err, to.Close(), encoded.Close())
		}
		track++
		e.running.Go(func() { e.write(to, c) })
		reading.Go(func() { e.read(encoded, c) })
		return c, nil
	}
	var err error
	if s.Video != "" {
		e.backlog.step = time.Second / time.Duration(s.Framerate)
		most := int(maxBacklog/e.backlog.step) + 2
		e.free = make(chan []byte, most)
		e.pictures, err = begin(make(chan []byte, most), pipe, s.pictures())
	}
	if err == nil && s.Audio != "" {
		// What waits waits here, where it is counted: a pipe as wide as those of pictures would
		// have seconds of it.
		e.sound, err = begin(make(chan []byte, maxSound), os.Pipe, s.sound())
	}
	e.running.Go(func() {
		reading.Wait()
		close(e.frames)
	})
	if err != nil {
		e.Close()
		return nil, err
	}
	return e, nil
}

// pipeMaker makes a pipe.
type pipeMaker func() (r, w *os.File, err error)

// pictures are the arguments for a child that encodes those.
func (s *Settings) pictures() []string {
	rate := strconv.Itoa(s.VideoBitrate) + "k"
	args := []string{
		"-f", "matroska", "-i", "pipe:0", "-c:v", encoders[s.Video], "-b:v", rate,
		// They have their times, which count whole pictures.
		"-fps_mode", "passthrough", "-enc_time_base", fmt.Sprintf("1:%d", s.Framerate),
		// Key frames are where they would be if no picture were left out.
		"-g", strconv.Itoa(s.keyPictures()), "-force_key_frames", s.keyTimes(),
		// What browsers send, and what it is decoded to.
		"-colorspace", "smpte170m", "-color_primaries", "smpte170m", "-color_trc", "smpte170m", "-color_range", "tv",
	}
	switch s.Video {
	case container.H264:
		return append(args, "-preset", "superfast", "-tune", "zerolatency", "-bf", "0", "-profile:v", s.Profile,
			"-maxrate", rate, "-bufsize", strconv.Itoa(2*s.VideoBitrate)+"k",
			"-x264-params", "sliced-threads=0:sync-lookahead=0:scenecut=0", "-threads", "1")
	default:
		return append(args, "-deadline", "realtime", "-cpu-used", "8", "-lag-in-frames", "0", "-auto-alt-ref", "0",
			"-maxrate", rate, "-bufsize", rate, "-threads", "2")
	}
}

// keyTimes says at which pictures there is a key frame: at the first of each interval.
func (s *Settings) keyTimes() string {
	interval := func(t string) string {
		return fmt.Sprintf("floor(floor(%s*%d+0.5)/%d)", t, s.Framerate, s.keyPictures())
	}
	return "expr:if(isnan(prev_forced_t),1,gt(" + interval("t") + "," + interval("prev_forced_t") + "))"
}

// sound are the arguments for a child that encodes that.
func (s *Settings) sound() []string {
	args := []string{
		"-f", "s16le", "-ar", strconv.Itoa(compose.Rate), "-ac", strconv.Itoa(compose.Channels), "-i", "pipe:0",
		"-c:a", encoders[s.Audio], "-b:a", strconv.Itoa(s.AudioBitrate) + "k",
	}
	if s.Audio != container.Opus {
		args = append(args, "-ar", strconv.Itoa(s.AudioFrequency))
	}
	return args
}

// ErrEnded says that the encoder is gone.
var ErrEnded = errors.New("the encoder ended")

// Full says whether the encoder is so far behind that the picture of that number, as
// Picture has it, would wait for long. It is not if it is gone.
func (e *Encoder) Full(n int64) bool {
	select {
	case <-e.pictures.donec:
		return false
	default:
		return e.backlog.full(n)
	}
}

// Begun says whether a picture has come out.
func (e *Encoder) Begun() bool { return e.backlog.begun() }

// Picture encodes a picture, which is that of its number at the frame rate: numbers grow,
// and begin with 0. It waits while the encoder is behind, and returns ErrEnded if it
// is gone.
func (e *Encoder) Picture(n int64, p *compose.Picture) error {
	var b []byte
	select {
	case b = <-e.free:
	default:
		b = make([]byte, 0, blockHead+len(p.Pix))
	}
	at := time.Duration(n) * time.Second / time.Duration(e.settings.Framerate)
	e.backlog.put(n, time.Now())
	return e.pictures.send(rawPicture(b[:0], at, p))
}

// Sound encodes samples, of 16 bits, which the caller leaves to it. It waits as
// Picture does.
func (e *Encoder) Sound(samples []byte) error { return e.sound.send(samples) }

func (c *encoding) send(b []byte) error {
	select {
	case c.in <- b:
		return nil
	case <-c.donec:
		return ErrEnded
	}
}

// Frames are what comes out, of the tracks of Settings.Tracks: those of each in order.
// They have to be taken while pictures and sound are put in. It is closed when nothing
// more comes.
func (e *Encoder) Frames() <-chan container.Frame { return e.frames }

// all are the children.
func (e *Encoder) all() (all []*encoding) {
	for _, c := range []*encoding{e.pictures, e.sound} {
		if c != nil {
			all = append(all, c)
		}
	}
	return all
}

// Finish says that nothing follows. What is under way still comes, until Frames is
// closed.
func (e *Encoder) Finish() {
	for _, c := range e.all() {
		close(c.in)
	}
}

// endPatience is how long an encoder may take to end when it has given out all.
const endPatience = 15 * time.Second

// Wait returns how it ended, once Frames is closed.
func (e *Encoder) Wait() (err error) {
	for _, c := range e.all() {
		err = errors.Join(err, c.end(endPatience))
	}
	e.running.Wait()
	for _, c := range e.all() {
		err = errors.Join(err, c.err)
	}
	return err
}

// Close ends the encoder as it is.
func (e *Encoder) Close() {
	close(e.stopc)
	for _, c := range e.all() {
		c.kill()
		<-c.donec
	}
	e.running.Wait()
}

// write feeds a child.
func (e *Encoder) write(w *os.File, c *encoding) {
	defer w.Close()
	var free chan<- []byte
	if e.settings.Video != "" && c.track == 0 {
		free = e.free
		if _, err := w.Write(rawHeader(e.settings.Width, e.settings.Height, e.settings.Framerate)); err != nil {
			return
		}
	}
	for {
		select {
		case b, ok := <-c.in:
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
		case <-c.donec:
			return
		}
	}
}

// read takes what a child makes.
func (e *Encoder) read(r *os.File, c *encoding) {
	defer r.Close()
	m := newMatroska(r)
	for {
		f, err := m.next()
		if err != nil {
			if !errors.Is(err, errEnd) {
				c.err = fmt.Errorf("what ffmpeg made: %w", err)
				c.kill()
			}
			return
		}
		f.Track = c.track
		if c.track == 0 && e.settings.Video != "" {
			// Milliseconds are too coarse for pictures.
			n := (int64(f.At/time.Millisecond)*int64(e.settings.Framerate) + 500) / 1000
			f.At = time.Duration(n) * time.Second / time.Duration(e.settings.Framerate)
			e.backlog.out(n, time.Now())
		}
		select {
		case e.frames <- f:
		case <-e.stopc:
			return
		}
	}
}
