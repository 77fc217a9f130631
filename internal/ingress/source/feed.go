package source

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rollcall-rtc/rollcall/internal/ingress"
	"github.com/rollcall-rtc/rollcall/internal/ingress/ffmpeg"
	"github.com/rollcall-rtc/rollcall/internal/ingress/flv"
)

const (
	// gatherFor is how long a source with only sound, or only pictures so far, may
	// take to show the other and be told as one: what comes later is a track that
	// joins. gatherFrames is how many pictures tell whether they are ordered.
	gatherFor    = 500 * time.Millisecond
	gatherFrames = 6
	// maxGathered and maxGatheredBytes bound what is kept meanwhile, in tags and in
	// bytes of them.
	maxGathered      = 500
	maxGatheredBytes = 32 << 20
	// jump is more than a source's clock may go on by itself.
	jump = 3 * time.Second
)

// Errors that people are shown.
var (
	errNothing  = errors.New("the source has neither video nor audio that is known here")
	errReorders = errors.New("has B-frames, which browsers cannot show, and does not say so at the beginning: turn them off in the encoder, or give the ingress a video preset")
)

// A feed takes the tags of a session. Its methods are called by one goroutine.
type feed struct {
	session *ingress.Session
	ffmpeg  string // path; empty: as found
	running *ffmpeg.Children
	logger  *slog.Logger

	clock    sourceClock
	newest   atomic.Int64 // of the clock, in nanoseconds
	gathered []tag
	size     int       // of what is gathered, in bytes
	since    time.Time // when the first tag came
	started  bool

	// client says that the source is a WebRTC client, which has said what it sends, and
	// whose pictures have any size for a while: browsers begin with small ones. awaits
	// says that there are to be pictures, and the start is told with them.
	client, awaits bool

	pictures  *picture
	sounds    *sound
	shift     time.Duration // CTS of the first picture
	shifted   bool          // there was one
	frames    int           // pictures seen
	encoding  bool          // pictures go through the child
	recoding  bool          // sound does
	config    []byte        // the last configuration tag of video, and of audio
	soundConf []byte
	buf       []byte

	video    *ingress.Track
	audio    *ingress.Track
	layers   []*layer
	painter  *ffmpeg.Transcoder // encodes pictures, or nil
	voice    *ffmpeg.Transcoder // encodes sound, or nil; often the same
	children []*ffmpeg.Transcoder
	watching sync.WaitGroup // the goroutines that end them with the session
	left     chan struct{}  // closed when the source is gone
	decoded  []picture      // of the painter's layers, each by its own goroutine

	heard      bool      // sound of the child has caught up; its goroutine only
	firstSound time.Time // when it came first; its goroutine only

	failMu sync.Mutex
	failed error // failMu guards; of the child's goroutines
}

// tag is one that waits.
type tag struct {
	kind byte
	at   time.Duration
	body []byte
}

func newFeed(s *ingress.Session, path string, running *ffmpeg.Children, logger *slog.Logger) *feed {
	return &feed{session: s, ffmpeg: path, running: running, logger: logger, left: make(chan struct{})}
}

// take handles a tag of the source. Tags that are malformed are left out; an error
// ends the session, for the reason that it says.
func (f *feed) take(ctx context.Context, kind byte, at time.Duration, body []byte) error {
	select {
	case <-f.session.Ended():
		return ended(f.session)
	default:
	}
	parse := flv.ParseVideo
	if kind == flv.TypeAudio {
		parse = flv.ParseAudio
	}
	t, err := parse(body)
	f.session.Received(kind == flv.TypeVideo, len(body))
	if errors.Is(err, flv.ErrTag) {
		f.session.Dropped(ingress.DropMalformed, 1)
		f.logger.Debug("tag left out", "error", err)
		return nil
	}
	if err != nil {
		return err
	}
	if t.Kind != flv.Config && t.Kind != flv.Frame {
		return nil
	}
	at = f.clock.time(at, time.Now())
	f.newest.Store(int64(f.clock.last))
	f.session.Alive()
	if f.started {
		return f.pass(ctx, kind, at, body, t)
	}
	return f.gather(ctx, kind, at, body, t)
}

// ended is why a session is over, for its source.
func ended(s *ingress.Session) error {
	<-s.Ended()
	if cause := s.Cause(); cause != nil {
		return cause
	}
	return ingress.ErrEnded
}

// gather keeps tags until it is known what the source has.
func (f *feed) gather(ctx context.Context, kind byte, at time.Duration, body []byte, t flv.Tag) error {
	if f.since.IsZero() {
		f.since = time.Now()
	}
	if err := f.learn(t); err != nil {
		return err
	}
	f.gathered = append(f.gathered, tag{kind, at, bytes.Clone(body)})
	f.size += len(body)
	full := f.full()
	waited := time.Since(f.since) >= gatherFor || at-f.gathered[0].at >= gatherFor
	enough := waited || f.pictures != nil && f.sounds != nil
	if f.pictures != nil && f.pictures.order == orderUnknown && f.frames < gatherFrames && !waited {
		enough = false
	}
	if !enough && !full && !f.client {
		return nil
	}
	if f.pictures == nil && f.sounds == nil {
		if !full {
			return nil
		}
		return errNothing
	}
	if err := f.start(ctx); err != nil {
		return err
	}
	f.started = true
	f.session.Begins(at)
	return f.release(ctx)
}

// full says that no more is gathered.
func (f *feed) full() bool { return len(f.gathered) >= maxGathered || f.size >= maxGatheredBytes }

// release hands on what is gathered.
func (f *feed) release(ctx context.Context) error {
	waiting := f.gathered
	f.gathered, f.size = nil, 0
	for _, w := range waiting {
		parse := flv.ParseVideo
		if w.kind == flv.TypeAudio {
			parse = flv.ParseAudio
		}
		t, err := parse(w.body)
		if err != nil {
			continue
		}
		if err := f.pass(ctx, w.kind, w.at, w.body, t); err != nil {
			return err
		}
	}
	return nil
}

// learn notes what a tag says about the source.
func (f *feed) learn(t flv.Tag) error {
	if t.Codec.Video() {
		return f.learnPicture(t)
	}
	if f.sounds == nil || t.Kind == flv.Config {
		if t.Kind == flv.Frame && t.Codec == flv.AAC {
			return nil // its configuration is still to come
		}
		s, err := readSound(t)
		if err != nil {
			return err
		}
		if f.started && f.sounds != nil && f.sounds.codec != s.codec {
			return nil // its track is of another codec
		}
		f.sounds = &s
		f.session.SetAudio(mimeTypes[s.codec], uint32(s.channels), uint32(s.rate))
	}
	return nil
}

func (f *feed) learnPicture(t flv.Tag) error {
	if t.Kind == flv.Config || f.pictures == nil && t.Codec != flv.H264 && t.Codec != flv.H265 {
		p, err := readPicture(t)
		if err != nil {
			return err
		}
		if f.started && f.pictures != nil && f.pictures.codec != p.codec {
			return f.changed(p.codec)
		}
		if old := f.pictures; old != nil && p.order == orderUnknown {
			p.order = old.order
		}
		f.pictures = &p
		f.session.SetVideo(mimeTypes[p.codec], uint32(p.width), uint32(p.height), p.fps)
		if f.video != nil && !f.encoding {
			f.video.Resize(uint32(p.width), uint32(p.height))
		}
	}
	if f.started && f.pictures != nil && f.pictures.codec != t.Codec {
		return f.changed(t.Codec) // some have no configuration that says so
	}
	if t.Kind == flv.Frame && t.Key && f.pictures != nil && f.pictures.codec == t.Codec {
		f.resized(sizeOf(t))
	}
	if t.Kind == flv.Frame && f.pictures != nil {
		if f.frames++; !f.shifted {
			f.shifted, f.shift = true, t.CTS
		}
		if t.CTS != f.shift {
			f.pictures.order = reordered
		}
	}
	return f.limited()
}

// limited fails if pictures that are to be decoded are larger than that is done for.
func (f *feed) limited() error {
	p := f.pictures
	if p == nil || !f.encoding || p.width <= maxSide && p.height <= maxSide && p.width*p.height <= ffmpeg.MaxPixels {
		return nil
	}
	return fmt.Errorf("the source's pictures are %d x %d pixels: those that are encoded anew may have as many as 4096 x 2304", p.width, p.height)
}

// resized notes how large pictures are now, if that is known.
func (f *feed) resized(width, height int) {
	p := f.pictures
	if width == 0 || width == p.width && height == p.height {
		return
	}
	p.width, p.height = width, height
	f.session.SetVideo(mimeTypes[p.codec], uint32(width), uint32(height), p.fps)
	if f.video != nil && !f.encoding {
		f.video.Resize(uint32(width), uint32(height))
	}
}

// changed is why a source ends whose pictures are of another codec than at first: what
// its tracks and its child are was settled by that.
func (f *feed) changed(to flv.Codec) error {
	return fmt.Errorf("the source has changed from %s to %s: please connect anew", f.pictures.codec, to)
}

// pass hands a tag on, as it is or to the child.
func (f *feed) pass(ctx context.Context, kind byte, at time.Duration, body []byte, t flv.Tag) error {
	if err := f.failure(); err != nil {
		return err
	}
	if err := f.learn(t); err != nil {
		return err
	}
	if kind == flv.TypeAudio {
		return f.passSound(ctx, at, body, t)
	}
	if f.pictures == nil {
		return nil
	}
	if f.video == nil {
		return f.passLate(ctx, at, body)
	}
	if !f.encoding && f.pictures.order == reordered {
		if err := f.beginEncoding(ctx); err != nil {
			return err
		}
	}
	if t.Kind == flv.Config {
		f.config = append(f.config[:0], body...)
	}
	if f.encoding {
		return f.painter.Write(flv.TypeVideo, at, body)
	}
	if t.Kind != flv.Frame {
		return nil
	}
	f.buf = appendFrame(f.buf[:0], f.pictures, t)
	return f.layers[0].put(f.buf, at+t.CTS, t.Key)
}

// passLate gathers pictures of a source that has begun without, until it is known how
// they are ordered, and then has them join.
func (f *feed) passLate(ctx context.Context, at time.Duration, body []byte) error {
	f.gathered = append(f.gathered, tag{flv.TypeVideo, at, bytes.Clone(body)})
	f.size += len(body)
	first := f.gathered[min(1, len(f.gathered)-1)].at // after the configuration, which may come long before
	known := f.pictures.order != orderUnknown || f.frames >= gatherFrames || at-first >= gatherFor
	if !known && !f.full() && !f.client {
		return nil
	}
	if err := f.beginPictures(ctx); err != nil {
		return err
	}
	return f.release(ctx)
}

func (f *feed) passSound(ctx context.Context, at time.Duration, body []byte, t flv.Tag) error {
	if t.Kind == flv.Config {
		f.soundConf = append(f.soundConf[:0], body...)
	}
	if f.sounds == nil || t.Codec != f.sounds.codec {
		return nil
	}
	if f.audio == nil {
		if err := f.beginSound(ctx); err != nil {
			return err
		}
	}
	if !f.recoding {
		if t.Kind == flv.Frame {
			return f.audio.WriteSample(ingress.Sample{Data: t.Data, PTS: at})
		}
		return nil
	}
	if f.voice != f.painter && t.Kind == flv.Frame && t.Codec == flv.AAC && f.sounds.rate >= minHeld {
		return f.voice.Hold(flv.TypeAudio, at, body)
	}
	return f.voice.Write(flv.TypeAudio, at, body)
}

// minHeld is from what rate on, in Hz, frames of AAC may wait for the next one: a frame is
// 1024 samples, 32 ms there.
const minHeld = 32_000

func (f *feed) failure() error {
	f.failMu.Lock()
	defer f.failMu.Unlock()
	return f.failed
}

// leave says, once and on any goroutine, that the source is gone: children that take
// nothing are not waited for any longer then.
func (f *feed) leave() { close(f.left) }

// close ends the children, and returns when they are gone. The session goes on.
func (f *feed) close(kill bool) {
	var closing sync.WaitGroup
	if f.voice != nil && !kill {
		_ = f.voice.Flush() // why not, it says when it is closed
	}
	for _, child := range f.children {
		if kill {
			child.Kill()
		}
		closing.Go(func() { _ = child.Close() })
	}
	closing.Wait()
	f.watching.Wait()
	f.children, f.painter, f.voice = nil, nil, nil
}
