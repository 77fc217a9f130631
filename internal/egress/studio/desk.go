package studio

import (
	"errors"
	"sync"
	"time"

	"github.com/rollcall-rtc/rollcall/internal/egress/compose"
	"github.com/rollcall-rtc/rollcall/internal/egress/container"
	"github.com/rollcall-rtc/rollcall/internal/egress/ffmpeg"
	"github.com/rollcall-rtc/rollcall/internal/egress/wire"
)

// flushEvery is how often what there is goes into files. It is less than for what is not
// encoded, as a death costs what is being encoded, too.
const flushEvery = 80 * time.Millisecond

// sink is an output of frames. It is the desk's.
type sink interface {
	// begin says when the time of frames begins.
	begin(epoch time.Time) error
	write(container.Frame) error
	// flush puts what there is into files, and has the disk have it soon.
	flush(now time.Time) error
	// close makes whole what there is, and returns all that was made.
	close() ([]wire.Made, error)
}

// desk has the outputs. Its goroutine takes what comes out of the encoder.
type desk struct {
	studio  *Studio
	begun   bool
	encoder *ffmpeg.Encoder      // set by begin; nil if nothing is encoded
	film    chan container.Frame // pictures that are encoded already; nil without
	shift   int                  // what is added to the encoder's numbers of tracks
	epoch   time.Time
	sinks   []sink // by the job's outputs; nil for images
	images  []*images
	streams *streams // nil without
	tracks  []container.Track

	controlc chan struct{} // has an element when there are controls
	running  sync.WaitGroup
	active   bool // of the goroutine

	mu       sync.Mutex
	controls []wire.Control // that the goroutine has not taken; it may not run yet
	err      error
}

func newDesk(s *Studio, program *ffmpeg.Program, job wire.Job, settings ffmpeg.Settings, guard ffmpeg.Guard) (*desk, error) {
	d := &desk{studio: s, tracks: settings.Tracks(), controlc: make(chan struct{}, 1)}
	for i, o := range job.Outputs {
		base := output{studio: s, journal: job.Journal, index: i, Output: o}
		switch o.Kind {
		case wire.File:
			d.sinks = append(d.sinks, &file{output: base, tracks: d.tracks})
		case wire.Segments:
			d.sinks = append(d.sinks, &segments{output: base, tracks: d.tracks, cuts: cutsOf(job, o.Length, settings)})
		case wire.Images:
			d.sinks = append(d.sinks, nil)
			d.images = append(d.images, &images{output: base})
		case wire.Stream:
			d.streams = &streams{output: base, tracks: d.tracks, program: program, alone: len(job.Outputs) == 1, options: ffmpeg.PushOptions{Guard: guard}}
			d.sinks = append(d.sinks, d.streams)
		default:
			return nil, wrong("no output of kind %s is encoded", o.Kind)
		}
	}
	return d, nil
}

// begin begins the outputs.
func (d *desk) begin(e *ffmpeg.Encoder, epoch time.Time) {
	d.begun, d.encoder, d.epoch = true, e, epoch
	for _, im := range d.images {
		im.start(epoch)
	}
	d.running.Go(d.run)
}

// control has streams begin and end, once the outputs have begun. It never waits.
func (d *desk) control(c wire.Control) {
	if d.streams == nil || len(c.Add) == 0 && len(c.Remove) == 0 {
		return
	}
	d.mu.Lock()
	d.controls = append(d.controls, c)
	d.mu.Unlock()
	select {
	case d.controlc <- struct{}{}:
	default:
	}
}

// takeControls takes those that have come.
func (d *desk) takeControls() []wire.Control {
	d.mu.Lock()
	defer d.mu.Unlock()
	all := d.controls
	d.controls = nil
	return all
}

// picture gives images a picture, at its time. They do not keep it.
func (d *desk) picture(at time.Duration, p *compose.Picture) {
	for _, im := range d.images {
		im.picture(at, p)
	}
}

// problem is what went wrong, nil so far.
func (d *desk) problem() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.err
}

func (d *desk) fail(err error) {
	if err == nil {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.err == nil {
		d.err = err
	}
}

// run takes frames until nothing more comes. After a failure they are for nobody.
func (d *desk) run() {
	for _, s := range d.sinks {
		if s != nil {
			d.fail(s.begin(d.epoch))
		}
	}
	tick := time.NewTicker(flushEvery)
	defer tick.Stop()
	var encoded <-chan container.Frame
	if d.encoder != nil {
		encoded = d.encoder.Frames()
	}
	order := merge{apart: apart, out: d.put}
	if d.film != nil {
		order.apart = 0 // sound comes later than that, of what is not lost with us
	}
	for n := range order.ended { // what is one track only waits for no other
		order.ended[n] = n >= len(d.tracks) || d.film != nil && d.encoder == nil
	}
	for film := d.film; encoded != nil || film != nil; {
		select {
		case f, ok := <-encoded:
			if !ok {
				encoded = nil
				for n := d.shift; n < len(order.ended); n++ {
					order.end(n)
				}
				continue
			}
			f.Track += d.shift
			order.put(f)
		case f, ok := <-film:
			if !ok {
				film = nil
				order.end(0)
				continue
			}
			order.put(f)
		case <-d.controlc:
			for _, c := range d.takeControls() {
				d.streams.control(c)
			}
		case now := <-tick.C:
			if d.problem() == nil {
				d.fail(d.flush(now))
			}
		}
	}
}

func (d *desk) put(f container.Frame) {
	if d.problem() == nil {
		d.fail(d.write(f))
	}
}

func (d *desk) write(f container.Frame) error {
	for _, s := range d.sinks {
		if s == nil {
			continue
		}
		if err := s.write(f); err != nil && !errors.Is(err, container.ErrFrame) {
			return err
		}
	}
	if !d.active {
		d.active = true
		if err := d.flush(time.Now()); err != nil {
			return err
		}
		d.studio.report(wire.Report{Kind: wire.Active, Begun: d.epoch.UnixNano()})
	}
	return nil
}

func (d *desk) flush(now time.Time) error {
	for _, s := range d.sinks {
		if s == nil {
			continue
		}
		if err := s.flush(now); err != nil {
			return err
		}
	}
	return nil
}

// finish waits for what is under way, and makes everything whole.
func (d *desk) finish(failed bool) (wire.Report, error) {
	r := wire.Report{}
	if !d.begun {
		return r, nil
	}
	d.running.Wait()
	err := d.problem()
	if !failed && d.encoder != nil {
		if e := d.encoder.Wait(); e != nil {
			err = errors.Join(err, encoderError(e))
		}
	}
	next := 0
	for _, s := range d.sinks {
		var made []wire.Made
		var e error
		if s == nil {
			made, e = d.images[next].close()
			next++
		} else {
			made, e = s.close()
		}
		err = errors.Join(err, e)
		r.Made = append(r.Made, made)
	}
	r.Begun = d.epoch.UnixNano()
	return r, err
}
