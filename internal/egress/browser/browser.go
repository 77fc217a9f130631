package browser

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/rollcall-rtc/rollcall/internal/egress/frames"
	"github.com/rollcall-rtc/rollcall/internal/egress/wire"
	"github.com/rollcall-rtc/rollcall/internal/egress/worker"
)

// errNoStart says that the page never asked for a recording.
var errNoStart = errors.New("start signal not received: the page did not print " + startSignal + " on its console")

var errNotLoaded = errors.New("it was stopped before the page was loaded")

// Guard makes a dialer that reaches no private networks but these.
type Guard func(allow []netip.Prefix) *net.Dialer

// The numbers of the tracks.
const (
	pictureTrack uint16 = 1
	soundTrack   uint16 = 2
)

// Browser is the worker of a web page; it implements worker.Recorder.
type Browser struct {
	job     wire.Job
	out     worker.Recorder // what makes files of frames
	session *session
	stop    context.CancelFunc
	h264    bool          // pictures are that
	stopc   chan struct{} // closed by stop: nothing more is captured
	donec   chan struct{} // closed when the browser is gone

	readyc chan struct{} // has an element when there is something to take
	mu     sync.Mutex
	chunks []chunk
	begun  bool      // recording
	over   bool      // the page said so
	origin time.Time // of the times that the capturing tab says
	err    error     // why it ended
	lacks  gaps      // of pictures that the encoder was too slow for
}

// chunk is one encoded picture, or packet of sound.
type chunk struct {
	track uint16
	frames.Frame
}

var _ worker.Source = (*Browser)(nil)

// New returns what begins jobs, with files made by pass, and by studio what browsers do
// not encode, or do not send.
func New(guard Guard, pass, studio worker.New) worker.New {
	return func(job wire.Job, say func(wire.Report)) (worker.Recorder, error) {
		o, mimes, err := settings(job)
		if err != nil {
			return nil, err
		}
		path, err := Find(job.Browser.Program)
		if err != nil {
			return nil, err
		}
		b := &Browser{job: job, h264: strings.HasPrefix(o.Codec, "avc1"), stopc: make(chan struct{}), donec: make(chan struct{}), readyc: make(chan struct{}, 1)}
		out := pass
		if job.NeedsStudio() {
			out = studio
		}
		if b.out, err = out(job, say); err != nil {
			return nil, err
		}
		for _, t := range mimes {
			if err := b.out.Track(t); err != nil {
				return nil, errors.Join(err, b.out.Abandon())
			}
		}
		proxy, err := newProxy(guard(job.Allow).DialContext, job.Browser.Own)
		if err != nil {
			return nil, errors.Join(err, b.out.Abandon())
		}
		ctx, cancel := context.WithCancel(context.Background())
		var once sync.Once
		b.stop = func() { once.Do(func() { close(b.stopc) }) }
		b.session = &session{page: job.URL, proxy: proxy, news: make(chan happened, 64)}
		go func() {
			defer close(b.donec)
			defer cancel()
			err := b.run(ctx, path, o)
			b.mu.Lock()
			b.err = err
			b.mu.Unlock()
			b.wake()
		}()
		return b, nil
	}
}

// defaults are what is used where nothing is asked for: the preset H264_720P_30.
var defaults = wire.Encoding{Width: 1280, Height: 720, Framerate: 30, VideoBitrate: 3000, AudioBitrate: 128}

// settings are how a job is captured, and what comes of it.
func settings(job wire.Job) (o options, tracks []wire.Track, err error) {
	e := defaults
	if job.Encoding != nil {
		e = *job.Encoding
	}
	o = options{
		Width: e.Width, Height: e.Height, Framerate: e.Framerate, Bitrate: e.VideoBitrate, AudioBitrate: min(e.AudioBitrate, 510),
		KeyFrames: job.KeyFrames().Seconds(), Audio: job.Audio, Video: job.Video,
	}
	mime := "video/H264"
	webm := false
	for _, out := range job.Outputs {
		webm = webm || out.Format == ".webm"
	}
	level := h264Level(e.Width, e.Height, e.Framerate)
	switch {
	case e.VideoCodec == "VP8" || webm:
		o.Codec, mime = "vp8", "video/VP8"
	case e.VideoCodec == "H264_BASELINE":
		o.Codec = "avc1.42E0" + level
	case e.VideoCodec == "H264_HIGH":
		o.Codec = "avc1.6400" + level
	case e.VideoCodec == "", e.VideoCodec == "DEFAULT_VC", e.VideoCodec == "H264_MAIN":
		o.Codec = "avc1.4D40" + level
	default:
		return o, nil, fmt.Errorf("video_codec %s cannot be encoded: H264 and VP8 can", e.VideoCodec)
	}
	if job.Video {
		tracks = append(tracks, wire.Track{Number: pictureTrack, MimeType: mime, ClockRate: 90000, Width: e.Width, Height: e.Height})
	}
	if job.Audio {
		tracks = append(tracks, wire.Track{Number: soundTrack, MimeType: "audio/opus", ClockRate: 48000, Channels: 2})
	}
	return o, tracks, nil
}

// h264Level is the least that takes pictures of that size (H.264 table A-1), in two
// digits of hexadecimal.
func h264Level(width, height, framerate int) string {
	blocks := ((width + 15) / 16) * ((height + 15) / 16)
	for _, l := range []struct {
		size, rate int // macroblocks of a picture, and of a second
		name       string
	}{{3600, 108000, "1F"}, {8192, 245760, "28"}, {8704, 522240, "2A"}, {22080, 589824, "32"}, {36864, 983040, "33"}} {
		if blocks <= l.size && blocks*framerate <= l.rate {
			return l.name
		}
	}
	return "34"
}

// run leads the browser from its start to its end.
func (b *Browser) run(ctx context.Context, path string, o options) (err error) {
	s := b.session
	profile := wire.Profile(b.job.Journal)
	if err := os.Mkdir(profile, 0o700); err != nil {
		s.proxy.close()
		return err
	}
	defer func() {
		s.close()
		err = errors.Join(err, os.RemoveAll(profile))
	}()
	if os.Geteuid() == 0 {
		fmt.Fprintln(os.Stderr, "Chromium runs without its sandbox, because this is root: run the server as another user")
	}
	s.chunk = b.captured
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		select {
		case <-b.stopc:
			b.mu.Lock()
			begun := b.begun
			b.mu.Unlock()
			if !begun {
				cancel() // there is nothing to wait for
			}
		case <-ctx.Done():
		}
	}()
	at, err := s.open(ctx, path, profile, o)
	if err == nil {
		b.mu.Lock()
		b.origin = at
		b.mu.Unlock()
		err = s.load(ctx)
	}
	if err == nil {
		err = b.watch(ctx)
	}
	select {
	case <-b.stopc:
		switch {
		case b.recording():
		case b.job.Await:
			return errNoStart
		default:
			return errNotLoaded
		}
	default:
	}
	return err
}

func (b *Browser) recording() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.begun
}

// watch records the page until it or somebody else says that it is over.
func (b *Browser) watch(ctx context.Context) error {
	s := b.session
	loading := time.NewTimer(loadPatience)
	defer loading.Stop()
	loaded := loading.C
	waiting := errors.New("the page did not load within 30 s")
	look := time.NewTicker(lookEvery)
	defer look.Stop()
	for {
		select {
		case n := <-s.news:
			switch n.what {
			case "fail":
				return errors.New(n.text)
			case "readable":
				if waiting != nil {
					loading.Reset(settleTime)
					waiting = nil
				}
			case "load":
				if err := b.begin(ctx, !b.job.Await); err != nil {
					return err
				}
				loaded = nil
			case "begin":
				loaded = nil
				if err := b.begin(ctx, true); err != nil {
					return err
				}
			case "end":
				if !b.recording() {
					return errors.New("the page ended the recording before it began")
				}
				b.flush(ctx)
				b.mu.Lock()
				b.over = true
				b.mu.Unlock()
				return nil
			}
		case <-look.C:
			if err := s.tooLarge(b.job.Browser.Memory); err != nil {
				return err
			}
		case <-loaded:
			loaded = nil
			if waiting != nil {
				return waiting
			}
			if err := b.begin(ctx, !b.job.Await); err != nil {
				return err
			}
		case <-b.stopc:
			b.flush(ctx)
			return nil
		case <-s.cdp.donec:
			return s.explain(errGone)
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// begin has what is captured from now on recorded, once.
func (b *Browser) begin(ctx context.Context, now bool) error {
	if !now || b.recording() {
		return nil
	}
	b.mu.Lock()
	b.begun = true
	b.mu.Unlock()
	return b.session.evaluate(ctx, "begin()", nil)
}

// flush waits until all that was captured is here.
func (b *Browser) flush(ctx context.Context) {
	if !b.recording() {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, flushTime)
	defer cancel()
	if b.session.evaluate(ctx, "finish()", nil) == nil {
		_ = b.session.await(ctx, "flushed")
	}
	b.session.leave(ctx)
}

// captured takes what the capturing tab says: a letter, a time in microseconds, and
// data in base64.
func (b *Browser) captured(payload string) {
	kind, rest, _ := strings.Cut(payload, " ")
	micros, data, _ := strings.Cut(rest, " ")
	at, err := strconv.ParseInt(micros, 10, 64)
	if err != nil {
		return
	}
	c := chunk{track: pictureTrack, Frame: frames.Frame{Key: kind != "v"}}
	switch kind {
	case "x":
		b.session.tell("fail", data)
		return
	case "e":
		b.session.tell("flushed", "")
		return
	case "d":
		b.mu.Lock()
		b.lacks.dropped(time.Duration(at) * time.Microsecond)
		b.mu.Unlock()
		return
	case "a":
		c.track = soundTrack
	case "v", "V":
	default:
		return
	}
	if c.Data, err = base64.StdEncoding.DecodeString(data); err != nil {
		return
	}
	if c.track == pictureTrack && b.h264 {
		c.Data = lengths(c.Data)
	}
	b.mu.Lock()
	if c.track == pictureTrack {
		b.lacks.seen(time.Duration(at) * time.Microsecond)
	}
	c.At = b.origin.Add(time.Duration(at) * time.Microsecond)
	b.chunks = append(b.chunks, c)
	b.mu.Unlock()
	b.wake()
}

func (b *Browser) wake() {
	select {
	case b.readyc <- struct{}{}:
	default:
	}
}

// Ready implements worker.Source.
func (b *Browser) Ready() <-chan struct{} { return b.readyc }

// Take implements worker.Source: it hands on what was captured.
func (b *Browser) Take() error {
	b.mu.Lock()
	chunks, err := b.chunks, b.err
	b.chunks = nil
	over := b.over
	b.mu.Unlock()
	for _, c := range chunks {
		if err := b.out.Frame(c.track, c.Frame, func() {}); err != nil {
			return err
		}
	}
	if err == nil && over {
		return worker.ErrOver
	}
	return err
}

// Track, Gone and Frame implement worker.Recorder: nothing of the room comes here.
func (b *Browser) Track(wire.Track) error { return nil }

// Gone is one of the above.
func (b *Browser) Gone(uint16) error { return nil }

// Frame is one of the above.
func (b *Browser) Frame(uint16, frames.Frame, func()) error { return nil }

// Control implements worker.Recorder.
func (b *Browser) Control(c wire.Control) error { return b.out.Control(c) }

// Tick implements worker.Recorder.
func (b *Browser) Tick(now time.Time) error { return b.out.Tick(now) }

// Finish implements worker.Recorder.
func (b *Browser) Finish(now time.Time) (wire.Report, error) {
	b.stop()
	<-b.donec
	if err := b.Take(); err != nil && !errors.Is(err, worker.ErrOver) {
		return wire.Report{}, errors.Join(err, b.out.Abandon())
	}
	return b.out.Finish(now)
}

// Lacks implements worker.Recorder.
func (b *Browser) Lacks() wire.Lacks {
	l := b.out.Lacks()
	b.mu.Lock()
	defer b.mu.Unlock()
	l.Dropped += b.lacks.count
	l.Missing += b.lacks.missing()
	return l
}

// Abandon implements worker.Recorder.
func (b *Browser) Abandon() error {
	b.stop()
	<-b.donec
	return b.out.Abandon()
}
