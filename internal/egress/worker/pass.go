package worker

import (
	"bytes"
	"errors"
	"time"

	"github.com/rollcall-rtc/rollcall/internal/egress/container"
	"github.com/rollcall-rtc/rollcall/internal/egress/frames"
	"github.com/rollcall-rtc/rollcall/internal/egress/wire"
)

// How long the first frame waits for those of the other kind, so that both are in
// the file from the beginning.
const (
	waitPublished = 5 * time.Second        // something comes soon
	waitMuted     = 500 * time.Millisecond // nothing comes until somebody says so
	waitAbsent    = 2 * time.Second        // there is no such track
)

// silence is a packet of Opus with 20 ms of nothing.
var silence = []byte{0xf8, 0xff, 0xfe}

const (
	silenceTime = 20 * time.Millisecond
	// pause is how much later than expected sound may come without a pause: the clock
	// of packets is corrected by less.
	pause = 40 * time.Millisecond
	// behind is how far sound stays behind pictures until it is taken for a pause.
	behind = 2 * time.Second
)

// NewPass begins a job of media as it is: of one track of sound, one of pictures, or
// both at a time. Who publishes anew goes on in the same file, unless that cannot
// take what comes; then there is another.
func NewPass(job wire.Job, say func(wire.Report)) (Recorder, error) {
	p := &pass{job: job, say: say, lanes: make(map[uint16]*lane)}
	if job.Audio {
		p.audio = &lane{kind: audioLane}
	}
	if job.Video {
		p.video = &lane{kind: videoLane}
	}
	for i, o := range job.Outputs {
		switch o.Kind {
		case wire.File:
			p.sinks = append(p.sinks, &fileSink{job: job, output: i, say: say})
		case wire.Segments:
			p.sinks = append(p.sinks, &segmentSink{job: job, output: i, say: say})
		default:
			return nil, errors.New("no output of kind " + string(o.Kind) + " for media as it is")
		}
	}
	return p, nil
}

// sink is an output of media as it is.
type sink interface {
	// open begins something for these tracks, whose time begins at that moment, after
	// it has ended what was before.
	open(tracks []container.Track, begin time.Time) error
	// write takes a frame; its errors are those of container.Writer. want asks for a key
	// frame of the frame's track.
	write(f container.Frame, want func()) error
	// flush puts what there is into the file, and has the disk have it soon.
	flush(now time.Time) error
	// close ends what is open, and returns all that was made.
	close() ([]wire.Made, error)
}

type pass struct {
	job   wire.Job
	say   func(wire.Report)
	lanes map[uint16]*lane // by the number of the track that is in it
	audio *lane            // nil if it is not wanted, as the next
	video *lane
	sinks []sink

	held    []heldFrame // before the beginning
	since   time.Time   // when the first of them came
	started bool
	begun   time.Time // of what is open
	first   time.Time // of all
	filled  time.Duration
}

type heldFrame struct {
	lane *lane
	frames.Frame
	want func()
}

type laneKind int

const (
	audioLane laneKind = iota
	videoLane
)

// lane is the sound, or the pictures, of the recording.
type lane struct {
	kind     laneKind
	number   uint16 // of the track that is in it
	there    bool   // one is
	muted    bool
	codec    container.Codec // of the last one, "" before it
	channels int
	open     bool          // what is open takes it
	index    int           // in that
	keyed    bool          // a picture that needs none before it was written
	framed   bool          // something was held or written
	at       time.Duration // of the last frame, since what is open began
	end      time.Duration // of what was written
}

func (p *pass) laneOf(codec container.Codec) *lane {
	if codec.Video() {
		return p.video
	}
	return p.audio
}

// Track implements Recorder. The newest of a kind is the one that is recorded.
func (p *pass) Track(t wire.Track) error {
	codec, err := container.CodecOf(t.MimeType)
	if err != nil {
		return nil
	}
	l := p.laneOf(codec)
	if l == nil {
		return nil
	}
	if p.lanes[t.Number] == l {
		l.muted = t.Muted
		return nil
	}
	if l.there {
		delete(p.lanes, l.number)
	}
	p.lanes[t.Number] = l
	l.open = l.open && (l.codec == codec || l.kind == audioLane)
	l.number, l.there, l.muted, l.keyed = t.Number, true, t.Muted, false
	l.codec, l.channels = codec, max(l.channels, t.Channels, 1)
	return nil
}

// Gone implements Recorder.
func (p *pass) Gone(track uint16) error {
	if l := p.lanes[track]; l != nil {
		l.there = false
		delete(p.lanes, track)
	}
	return nil
}

// Frame implements Recorder.
func (p *pass) Frame(track uint16, f frames.Frame, want func()) error {
	l := p.lanes[track]
	if l == nil {
		return nil
	}
	if p.started {
		return p.write(l, f, want)
	}
	if l.kind == videoLane && !f.Key && !l.keyed {
		want()
		return nil
	}
	l.keyed = l.keyed || f.Key
	if p.since.IsZero() {
		p.since = time.Now()
	}
	l.framed = true
	f.Data = bytes.Clone(f.Data)
	p.held = append(p.held, heldFrame{l, f, want})
	return p.maybeStart(time.Now())
}

// maxHeld bounds the frames that wait for those of the other kind.
const maxHeld = 2000

// maybeStart begins the files when all that can be expected is there.
func (p *pass) maybeStart(now time.Time) error {
	if p.started || len(p.held) == 0 {
		return nil
	}
	for _, l := range []*lane{p.audio, p.video} {
		if l == nil || l.framed {
			continue
		}
		wait := waitPublished
		switch {
		case !l.there:
			wait = waitAbsent
		case l.muted:
			wait = waitMuted
		}
		if now.Sub(p.since) < wait && len(p.held) < maxHeld {
			return nil
		}
	}
	return p.start()
}

// start begins the files, with what was held.
func (p *pass) start() error {
	held := p.held
	p.held, p.started = nil, true
	p.begun = held[0].At
	for _, h := range held {
		if h.At.Before(p.begun) {
			p.begun = h.At
		}
	}
	var tracks []container.Track
	for _, l := range []*lane{p.video, p.audio} {
		if l == nil {
			continue
		}
		// Sound costs nothing until it comes, and fits any file. Pictures that come later
		// begin the next.
		l.open = l.framed || l.kind == audioLane
		l.at, l.end, l.keyed, l.framed = -1, 0, false, false
		if !l.open {
			continue
		}
		l.index = len(tracks)
		codec := l.codec
		if l.kind == audioLane {
			codec = container.Opus
		}
		tracks = append(tracks, container.Track{Codec: codec, Channels: max(l.channels, 1)})
	}
	for _, s := range p.sinks {
		if err := s.open(tracks, p.begun); err != nil {
			return err
		}
	}
	for _, h := range held {
		if err := p.write(h.lane, h.Frame, h.want); err != nil {
			return err
		}
	}
	if p.first.IsZero() {
		for _, s := range p.sinks {
			if err := s.flush(time.Now()); err != nil {
				return err
			}
		}
		p.first = p.begun
		p.say(wire.Report{Kind: wire.Active, Begun: p.begun.UnixNano()})
	}
	return nil
}

// write puts a frame into what is open.
func (p *pass) write(l *lane, f frames.Frame, want func()) error {
	if l.kind == videoLane && !l.keyed && !f.Key {
		want()
		return nil
	}
	if !l.open {
		// What is open has no pictures, or others: the next file begins with this.
		p.started, p.since = false, time.Time{}
		return p.Frame(l.number, f, want)
	}
	at := f.At.Sub(p.begun)
	if l.kind == audioLane {
		length, err := container.OpusDuration(f.Data)
		if err != nil || at+length < l.end-pause {
			return nil // none, or it comes when silence is there already
		}
		if err := p.fill(at); err != nil {
			return err
		}
		l.end = max(at, l.at) + length
	} else {
		l.keyed = true
		l.end = max(l.end, at)
		if err := p.fill(l.end - behind); err != nil {
			return err
		}
	}
	if l.at >= 0 && at <= l.at {
		at = l.at + time.Millisecond
	}
	l.at = at
	return p.put(container.Frame{Track: l.index, At: at, Key: f.Key || l.kind == audioLane, Data: f.Data}, want)
}

func (p *pass) put(f container.Frame, want func()) error {
	for _, s := range p.sinks {
		err := s.write(f, want)
		if errors.Is(err, container.ErrFrame) {
			want()
			continue
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// fill puts silence where no sound came, up to that time.
func (p *pass) fill(until time.Duration) error {
	l := p.audio
	if l == nil || p.video == nil || !p.video.open {
		return nil // what is of sound alone fills itself
	}
	for until-l.end > pause {
		if err := p.put(container.Frame{Track: l.index, At: l.end, Key: true, Data: silence}, func() {}); err != nil {
			return err
		}
		l.at = l.end
		l.end += silenceTime
		p.filled += silenceTime
	}
	return nil
}

// Control implements Recorder: there is nothing to change.
func (p *pass) Control(wire.Control) error { return nil }

// Tick implements Recorder.
func (p *pass) Tick(now time.Time) error {
	if err := p.maybeStart(now); err != nil || !p.started {
		return err
	}
	for _, s := range p.sinks {
		if err := s.flush(now); err != nil {
			return err
		}
	}
	return nil
}

// Finish implements Recorder.
func (p *pass) Finish(now time.Time) (wire.Report, error) {
	if len(p.held) > 0 {
		if err := p.start(); err != nil {
			return wire.Report{}, errors.Join(err, p.Abandon())
		}
	}
	if p.first.IsZero() {
		return wire.Report{}, errors.Join(ErrNothing, p.Abandon())
	}
	if p.video != nil {
		if err := p.fill(p.video.end); err != nil {
			return wire.Report{}, errors.Join(err, p.Abandon())
		}
	}
	r := wire.Report{Begun: p.first.UnixNano()}
	for _, s := range p.sinks {
		made, err := s.close()
		if err != nil {
			return r, err
		}
		r.Made = append(r.Made, made)
	}
	return r, nil
}

// Lacks implements Recorder.
func (p *pass) Lacks() wire.Lacks { return wire.Lacks{Filled: p.filled} }

// Abandon implements Recorder.
func (p *pass) Abandon() (err error) {
	for _, s := range p.sinks {
		_, e := s.close()
		err = errors.Join(err, e)
	}
	return err
}
