package studio

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"runtime/debug"
	"sync"
	"time"

	"github.com/rollcall-rtc/rollcall/internal/egress/container"
	"github.com/rollcall-rtc/rollcall/internal/egress/ffmpeg"
	"github.com/rollcall-rtc/rollcall/internal/egress/frames"
	"github.com/rollcall-rtc/rollcall/internal/egress/wire"
	"github.com/rollcall-rtc/rollcall/internal/egress/worker"
)

// maxWaiting is how much may wait to be decoded, in bytes: some ten seconds of
// many. After that pictures are left out, up to the next key frame.
const maxWaiting = 48 << 20

// memory is what the process may use before it collects garbage harder, in bytes:
// it has whole pictures.
const memory = 512 << 20

// Studio is the worker's side: a mailbox. It implements worker.Recorder.
type Studio struct {
	say     func(wire.Report)
	donec   chan struct{} // closed when floor and desk are gone
	wakec   chan struct{}
	codecs  map[uint16]container.Codec // loop only
	pending map[uint16]func()          // loop only: how to ask for a key frame

	mu      sync.Mutex
	events  []event
	waiting int             // bytes of frames in events, and at the floor
	cut     map[uint16]bool // tracks whose pictures are left out
	wanted  []uint16        // tracks of which a key frame is wanted
	reports []wire.Report
	err     error // why it ended
	result  wire.Report
	lacks   wire.Lacks
}

// event is one thing that happened.
type event struct {
	track   *wire.Track
	gone    uint16
	number  uint16
	frame   *frames.Frame
	control *wire.Control
	gap     *bool     // whether something is missing
	at      time.Time // when it was said; of a control, and of a frame
	end     time.Time // nothing follows
}

var _ worker.Patient = (*Studio)(nil)

// Guard makes what says which addresses may be reached: no private ones but these.
type Guard func(allow []netip.Prefix) ffmpeg.Guard

// New returns what begins jobs. Streams go where guard lets them.
func New(guard Guard) worker.New {
	return func(job wire.Job, say func(wire.Report)) (worker.Recorder, error) {
		return begin(job, guard(job.Allow), say)
	}
}

func begin(job wire.Job, guard ffmpeg.Guard, say func(wire.Report)) (*Studio, error) {
	debug.SetMemoryLimit(memory)
	program := ffmpeg.Known(job.FFmpeg.Path, job.FFmpeg.Can)
	if job.FFmpeg.Path == "" {
		var err error
		if program, err = ffmpeg.Find(context.Background(), ""); err != nil {
			return nil, err
		}
	}
	settings, err := Settings(job)
	if err != nil {
		return nil, err
	}
	s := &Studio{
		say: say, donec: make(chan struct{}), wakec: make(chan struct{}, 1), codecs: make(map[uint16]container.Codec),
		pending: make(map[uint16]func()), cut: make(map[uint16]bool),
	}
	d, err := newDesk(s, program, job, settings, guard)
	if err != nil {
		return nil, err
	}
	f := newFloor(s, program, job, settings, d)
	go func() {
		defer close(s.donec)
		err := f.run()
		result, err2 := d.finish(err != nil)
		s.mu.Lock()
		s.err, s.result, s.lacks = errors.Join(err, err2), result, f.lacks()
		s.mu.Unlock()
	}()
	return s, nil
}

// post puts something into the mailbox, and takes along what is to be said.
func (s *Studio) post(e event) error {
	s.mu.Lock()
	s.events = append(s.events, e)
	s.mu.Unlock()
	select {
	case s.wakec <- struct{}{}:
	default:
	}
	return s.relay()
}

// relay says what floor and desk have to say, by the goroutine that may.
func (s *Studio) relay() error {
	s.mu.Lock()
	reports, wanted := s.reports, s.wanted
	s.reports, s.wanted = nil, nil
	s.mu.Unlock()
	for _, r := range reports {
		s.say(r)
	}
	for _, n := range wanted {
		if want := s.pending[n]; want != nil {
			want()
		}
	}
	select {
	case <-s.donec:
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.err == nil {
			return errors.New("the recording ended by itself")
		}
		return s.err
	default:
		return nil
	}
}

// report has something said; any goroutine may call it.
func (s *Studio) report(r wire.Report) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reports = append(s.reports, r)
}

// want asks for a key frame; any goroutine may call it.
func (s *Studio) want(track uint16) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, n := range s.wanted {
		if n == track {
			return
		}
	}
	s.wanted = append(s.wanted, track)
}

// take empties the mailbox.
func (s *Studio) take() []event {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := s.events
	s.events = nil
	return all
}

// taken says that frames of that many bytes wait no more.
func (s *Studio) taken(bytes int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.waiting -= bytes
}

// Track implements worker.Recorder.
func (s *Studio) Track(t wire.Track) error {
	codec, err := container.CodecOf(t.MimeType)
	if err != nil {
		return nil
	}
	s.codecs[t.Number] = codec
	return s.post(event{track: &t, number: t.Number})
}

// Gone implements worker.Recorder.
func (s *Studio) Gone(track uint16) error {
	delete(s.codecs, track)
	delete(s.pending, track)
	return s.post(event{gone: track, number: track})
}

// Frame implements worker.Recorder.
func (s *Studio) Frame(track uint16, f frames.Frame, want func()) error {
	codec, ok := s.codecs[track]
	if !ok {
		return nil
	}
	s.pending[track] = want
	s.mu.Lock()
	full := s.waiting+len(f.Data) > maxWaiting
	if codec.Video() && (full || s.cut[track] && !f.Key) {
		s.cut[track] = true
		s.mu.Unlock()
		want()
		return s.relay()
	}
	if full {
		s.mu.Unlock()
		return s.relay()
	}
	delete(s.cut, track)
	s.waiting += len(f.Data)
	s.mu.Unlock()
	f.Data = bytes.Clone(f.Data)
	return s.post(event{number: track, frame: &f, at: time.Now()})
}

// Gap implements worker.Patient.
func (s *Studio) Gap(track uint16, open bool) error { return s.post(event{number: track, gap: &open}) }

// Control implements worker.Recorder.
func (s *Studio) Control(c wire.Control) error { return s.post(event{control: &c, at: time.Now()}) }

// Tick implements worker.Recorder. What there is goes to the disk by itself.
func (s *Studio) Tick(time.Time) error { return s.relay() }

// Finish implements worker.Recorder.
func (s *Studio) Finish(now time.Time) (wire.Report, error) {
	if err := s.post(event{end: now}); err != nil {
		return wire.Report{}, err
	}
	<-s.donec
	s.mu.Lock()
	err, result := s.err, s.result
	s.mu.Unlock()
	if err == nil {
		_ = s.relay() // what it said; it has ended, as it should
	}
	return result, err
}

// Abandon implements worker.Recorder.
func (s *Studio) Abandon() error {
	s.mu.Lock()
	s.events = append(s.events, event{end: time.Unix(0, 1)})
	s.mu.Unlock()
	select {
	case s.wakec <- struct{}{}:
	default:
	}
	<-s.donec
	return nil
}

// Lacks implements worker.Recorder.
func (s *Studio) Lacks() wire.Lacks {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.lacks
}

var errEncoder = errors.New("the encoder ended")

func encoderError(err error) error {
	if err == nil {
		return errEncoder
	}
	return fmt.Errorf("%w: %w", errEncoder, err)
}
