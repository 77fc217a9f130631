package worker

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"runtime/debug"
	"runtime/metrics"
	"time"

	"github.com/pion/rtp"

	"github.com/rollcall-rtc/rollcall/internal/egress/container"
	"github.com/rollcall-rtc/rollcall/internal/egress/frames"
	"github.com/rollcall-rtc/rollcall/internal/egress/wire"
)

// flushEvery is how often what there is goes into files: what a death may cost.
const flushEvery = 200 * time.Millisecond

const (
	// settleTime is how long it takes until what is used is what will be used.
	settleTime = 2 * time.Second
	// unloadEvery is how often what is used seldom is given back; after a collection, which
	// reads tables for each function that waits, it is after a collectedTime at most.
	unloadEvery   = 30 * time.Second
	collectedTime = 5 * time.Second
	// passGrowth is how much garbage there may be for what is not, in percent. Media as it
	// is makes little, but for codecs whose frames others put together.
	passGrowth, usualGrowth = 25, 100
)

const (
	maxRead  = 256  // frames of the input that wait to be taken
	maxSpare = 2048 // bytes of one whose memory is used again: packets are smaller
)

// Recorder makes of frames what a job asks for. One goroutine calls its methods.
// Any error ends the job.
type Recorder interface {
	// Track says that a track is there, or has changed; Gone that nothing follows of
	// it.
	Track(wire.Track) error
	Gone(track uint16) error
	// Frame takes the next frame of a track, whose data it does not keep; want asks for a
	// key frame of it.
	Frame(track uint16, f frames.Frame, want func()) error
	Control(wire.Control) error
	// Tick is called every 200 ms or so: what there is should be in its file then, and on
	// the disk soon after.
	Tick(now time.Time) error
	// Finish makes whole what there is, and returns what is to be said of it: a report
	// of Done. It fails with ErrNothing if no media came. Nothing is called after it.
	Finish(now time.Time) (wire.Report, error)
	// Abandon closes what is open after an error.
	Abandon() error
	// Lacks says what the recorder has left out itself of what came, and how much of what
	// it made is silence where nothing came. It is called after Finish or Abandon.
	Lacks() wire.Lacks
}

// Source is a Recorder whose media does not come from the server. Take is called
// when Ready has an element, by the goroutine that calls the others; that it is over
// it says by ErrOver.
type Source interface {
	Recorder
	Ready() <-chan struct{}
	Take() error
}

// Patient is a Recorder that puts together what was captured at one moment: it is told
// when something of a track is missing that may still come, and when nothing is any
// more.
type Patient interface {
	Recorder
	Gap(track uint16, open bool) error
}

// ErrOver says that a recording is complete, though nobody has ended it.
var ErrOver = errors.New("the source ended")

// New begins a job. What the recorder has to say it says by say.
type New func(job wire.Job, say func(wire.Report)) (Recorder, error)

// ErrNothing says that no media came.
var ErrNothing = errors.New("no media came before the end")

// Run does the job that in begins with, by the recorder of its kind, and says on
// out how it goes. It returns an error if there is nothing whole at the end, which
// it has said too. If in ends before there is a job, there was none for it.
func Run(in io.Reader, out io.Writer, kinds map[wire.Kind]New) error {
	w := &work{out: json.NewEncoder(out), tracks: make(map[uint16]*track)}
	err := w.run(in, kinds)
	if err != nil {
		r := wire.Report{Kind: wire.Failed, Error: err.Error()}
		r.Lacks = w.lacks()
		w.say(r)
	}
	return err
}

type work struct {
	out     *json.Encoder
	began   time.Time // when the job came
	rec     Recorder
	tracks  map[uint16]*track
	missing time.Duration // of tracks that are gone
	packet  rtp.Packet    // the last one; what is in it is used again
}

type track struct {
	number uint16
	owner  string // identity, "" if nobody's
	frames *frames.Track
	want   func() // asks for a key frame
	lost   bool   // that was done
	gap    bool   // the recorder knows of one
}

// say says something. A server that does not hear it any more is gone, which the
// end of the input says too.
func (w *work) say(r wire.Report) { _ = w.out.Encode(r) }

// frame is what the reading goroutine hands on.
type frame struct {
	kind wire.FrameKind
	data []byte
}

func (w *work) run(in io.Reader, kinds map[wire.Kind]New) error {
	unload()
	r := wire.NewReader(in)
	job, err := r.Job()
	if err == io.EOF {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read the job: %w", err)
	}
	w.began = time.Now()
	begin := kinds[job.Kind]
	if begin == nil {
		return fmt.Errorf("no worker of kind %q", job.Kind)
	}
	if job.Kind == wire.Pass {
		debug.SetGCPercent(passGrowth)
	}
	rec, err := begin(job, w.say)
	if err != nil {
		return err
	}
	w.rec = rec
	read := make(chan frame, maxRead)
	spare := make(chan []byte, maxRead) // data of frames that were taken
	done := make(chan struct{})
	defer close(done)
	var broken error // what the input ended with; known once read is closed
	go func() {      // ends with the input, or with the process
		defer close(read)
		for {
			kind, content, err := r.Next()
			if err != nil || kind == wire.End {
				if !errors.Is(err, io.EOF) {
					broken = err
				}
				return
			}
			var data []byte
			select {
			case data = <-spare:
			default:
			}
			select {
			case read <- frame{kind, append(data[:0], content...)}:
			case <-done:
				return
			}
		}
	}()
	source, _ := w.rec.(Source)
	var ready <-chan struct{} // nil if there is no source
	if source != nil {
		ready = source.Ready()
	}
	tick := time.NewTicker(flushEvery)
	defer tick.Stop()
	load := time.Now().Add(settleTime)
	settled := false
	collections := []metrics.Sample{{Name: "/gc/cycles/total:gc-cycles"}}
	collected := uint64(0)
	for open := true; open; {
		select {
		case f, ok := <-read:
			if open = ok; ok {
				err = w.take(f)
				if cap(f.data) <= maxSpare {
					select {
					case spare <- f.data:
					default:
					}
				}
			} else if broken != nil {
				return w.fail(broken)
			}
		case now := <-tick.C:
			err = w.rec.Tick(now)
			if now.After(load) {
				if !settled {
					settled = true
					debug.FreeOSMemory() // what the start has left
				}
				unload()
				load = now.Add(unloadEvery)
				metrics.Read(collections)
				collected = collections[0].Value.Uint64()
			} else if settled && load.Sub(now) > collectedTime {
				if metrics.Read(collections); collections[0].Value.Uint64() != collected {
					load = now.Add(collectedTime)
				}
			}
		case <-ready:
			err = source.Take()
		}
		if errors.Is(err, ErrOver) {
			break
		}
		if err != nil {
			return errors.Join(err, w.rec.Abandon())
		}
	}
	return w.finish()
}

// take does what a frame of the input says, and keeps nothing of it.
func (w *work) take(f frame) error {
	switch f.kind {
	case wire.TrackFrame:
		var t wire.Track
		if err := json.Unmarshal(f.data, &t); err != nil {
			return fmt.Errorf("%w: %w", wire.ErrFrame, err)
		}
		return w.track(t)
	case wire.ControlFrame:
		var c wire.Control
		if err := json.Unmarshal(f.data, &c); err != nil {
			return fmt.Errorf("%w: %w", wire.ErrFrame, err)
		}
		return w.rec.Control(c)
	}
	if len(f.data) < 2 {
		return fmt.Errorf("%w: kind %q of no track", wire.ErrFrame, f.kind)
	}
	t, rest := w.tracks[binary.BigEndian.Uint16(f.data)], f.data[2:]
	if t == nil {
		return nil // of a codec that nobody knows here
	}
	switch f.kind {
	case wire.Gone:
		if err := w.drain(t, time.Now(), true); err != nil {
			return err
		}
		w.missing += t.frames.Missing()
		delete(w.tracks, t.number)
		return w.rec.Gone(t.number)
	case wire.Lost:
		w.wantKeyframe(t)
		return nil
	case wire.Clock:
		if len(rest) < 12 {
			return fmt.Errorf("%w: clock without its time", wire.ErrFrame)
		}
		t.frames.Clock(w.moment(rest), binary.BigEndian.Uint32(rest[8:]))
		return nil
	case wire.Packet:
		if len(rest) < 8 {
			return fmt.Errorf("%w: packet without its time", wire.ErrFrame)
		}
		arrived := w.moment(rest)
		if err := w.packet.Unmarshal(rest[8:]); err != nil {
			return nil // what is no packet is none of the recording
		}
		t.frames.Push(&w.packet, arrived)
		return w.drain(t, arrived, false)
	}
	return fmt.Errorf("%w: kind %q", wire.ErrFrame, f.kind)
}

// moment is what the server's clock showed, which nobody sets, as a time that stands to
// those of this process as it does to the job's beginning: also when somebody has set
// the machine's clock since.
func (w *work) moment(b []byte) time.Time {
	told := time.Unix(0, int64(binary.BigEndian.Uint64(b)))
	return w.began.Add(told.Sub(w.began.Round(0)))
}

// track takes a track that is new, or has changed.
func (w *work) track(t wire.Track) error {
	if w.tracks[t.Number] == nil {
		codec, err := container.CodecOf(t.MimeType)
		if err != nil {
			return nil
		}
		made, err := frames.New(codec, t.ClockRate)
		if err != nil {
			return err
		}
		if codec == container.AV1 || codec == container.H265 {
			debug.SetGCPercent(usualGrowth)
		}
		for _, other := range w.tracks {
			if t.Identity != "" && other.owner == t.Identity {
				made.Join(other.frames)
				break
			}
		}
		added := &track{number: t.Number, owner: t.Identity, frames: made}
		added.want = func() { w.wantKeyframe(added) }
		w.tracks[t.Number] = added
	}
	return w.rec.Track(t)
}

// drain hands on the frames that are complete, at the end all that there are.
func (w *work) drain(t *track, now time.Time, end bool) error {
	for {
		f, lost, ok := t.frames.Next(now, end)
		if f.Key {
			t.lost = false
		}
		if lost && !end {
			w.wantKeyframe(t)
		}
		if !ok {
			return w.gap(t)
		}
		if err := w.rec.Frame(t.number, f, t.want); err != nil {
			return err
		}
	}
}

// gap tells the recorder if something of a track has come to be missing, or is not any
// more.
func (w *work) gap(t *track) error {
	open := t.frames.Gap()
	patient, ok := w.rec.(Patient)
	if !ok || open == t.gap {
		return nil
	}
	t.gap = open
	return patient.Gap(t.number, open)
}

// wantKeyframe asks for a key frame, once until one comes.
func (w *work) wantKeyframe(t *track) {
	if t.frames.Codec().Video() && !t.lost {
		t.lost = true
		w.say(wire.Report{Kind: wire.Keyframe, Track: t.number})
	}
}

// fail makes whole what came before the input broke, and says that it broke.
func (w *work) fail(broken error) error {
	_, err := w.whole()
	return errors.Join(fmt.Errorf("read from the server: %w", broken), err)
}

// finish makes everything whole. A recording in which nothing came leaves none.
func (w *work) finish() error {
	r, err := w.whole()
	if err != nil {
		return err
	}
	r.Kind = wire.Done
	r.Lacks = w.lacks()
	w.say(r)
	return nil
}

// lacks is what a recording has not, when it has ended, well or not.
func (w *work) lacks() (l wire.Lacks) {
	if w.rec != nil {
		l = w.rec.Lacks()
	}
	for _, t := range w.tracks {
		l.Missing += t.frames.Missing()
	}
	l.Missing += w.missing
	return l
}

func (w *work) whole() (wire.Report, error) {
	now := time.Now()
	for _, t := range w.tracks {
		if err := w.drain(t, now, true); err != nil {
			return wire.Report{}, errors.Join(err, w.rec.Abandon())
		}
	}
	return w.rec.Finish(now)
}
