package worker

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/pion/rtp"

	"github.com/rollcall-rtc/rollcall/internal/egress/container"
	"github.com/rollcall-rtc/rollcall/internal/egress/wire"
)

// flushEvery is how often what there is goes to the disk: what a death may cost.
const flushEvery = 400 * time.Millisecond

// Run does the job that in begins with, and says on out how it goes. It returns
// an error if there is no whole file at the end, which it has said too.
func Run(in io.Reader, out io.Writer) error {
	w := &work{out: json.NewEncoder(out)}
	err := w.run(in)
	if err != nil {
		w.report(wire.Report{Kind: wire.Failed, Error: err.Error(), Missing: w.missing()})
	}
	return err
}

type work struct {
	out    *json.Encoder
	frames *assembler
	file   container.Writer
	path   string
	begun  time.Time     // zero before the first frame
	last   time.Duration // when the last frame is shown
	step   time.Duration // how long after the one before it
	lost   bool          // a key frame was asked for
}

// report says something. A server that does not hear it any more is gone, which
// the end of the input says too.
func (w *work) report(r wire.Report) { _ = w.out.Encode(r) }

func (w *work) missing() time.Duration {
	if w.frames == nil {
		return 0
	}
	return w.frames.missing
}

// packet is what the reading goroutine hands on; nil data is a pause.
type packet struct {
	kind wire.Kind
	data []byte
}

func (w *work) run(in io.Reader) error {
	r := wire.NewReader(in)
	job, err := r.Job()
	if err != nil {
		return fmt.Errorf("read the job: %w", err)
	}
	codec, err := container.CodecOf(job.Track.MimeType)
	if err != nil {
		return err
	}
	if w.frames, err = newAssembler(codec, job.Track.ClockRate); err != nil {
		return err
	}
	w.path = job.Path
	format := container.Format(strings.ToLower(filepath.Ext(job.Path)))
	if w.file, err = container.Create(job.Path, format, []container.Track{{Codec: codec, Channels: job.Track.Channels}}); err != nil {
		return err
	}
	packets := make(chan packet, 256)
	done := make(chan struct{})
	defer close(done)
	go func() { // ends with the input, or with the process
		defer close(packets)
		for {
			kind, content, err := r.Next()
			if err != nil || kind == wire.End {
				return
			}
			select {
			case packets <- packet{kind, append([]byte(nil), content...)}:
			case <-done:
				return
			}
		}
	}()
	tick := time.NewTicker(flushEvery)
	defer tick.Stop()
	for open := true; open; {
		select {
		case p, ok := <-packets:
			if open = ok; ok {
				err = w.take(p)
			}
		case <-tick.C:
			err = w.file.Flush()
		}
		if err != nil {
			return errors.Join(err, w.file.Close())
		}
	}
	return w.finish()
}

// take puts what a packet completes into the file.
func (w *work) take(p packet) error {
	switch p.kind {
	case wire.Lost:
		w.wantKeyframe()
		return nil
	case wire.Packet:
	default:
		return fmt.Errorf("%w: kind %q", wire.ErrFrame, p.kind)
	}
	if len(p.data) < 8 {
		return fmt.Errorf("%w: packet without its time", wire.ErrFrame)
	}
	arrived := time.Unix(0, int64(binary.BigEndian.Uint64(p.data)))
	media := new(rtp.Packet)
	if err := media.Unmarshal(p.data[8:]); err != nil {
		return nil // what is no packet is none of the recording
	}
	w.frames.push(media, arrived)
	return w.drain(arrived, false)
}

// drain writes the frames that are complete, at the end all that there are.
func (w *work) drain(now time.Time, end bool) error {
	for {
		f, lost, ok := w.frames.next(now, end)
		if f.Key {
			w.lost = false
		}
		if lost && !end {
			w.wantKeyframe()
		}
		if !ok {
			return nil
		}
		err := w.file.Write(f)
		if errors.Is(err, container.ErrFrame) {
			w.wantKeyframe()
			continue
		}
		if err != nil {
			return err
		}
		if f.At > w.last {
			w.last, w.step = f.At, f.At-w.last
		}
		if w.begun.IsZero() {
			w.begun = now.Add(-f.At)
			if err := w.file.Flush(); err != nil {
				return err
			}
			w.report(wire.Report{Kind: wire.Active, Begun: w.begun.UnixNano()})
		}
	}
}

// wantKeyframe asks for a key frame, once until one comes.
func (w *work) wantKeyframe() {
	if w.frames.codec.Video() && !w.lost {
		w.lost = true
		w.report(wire.Report{Kind: wire.Keyframe})
	}
}

// finish makes the file whole. A recording in which nothing came leaves none.
func (w *work) finish() error {
	if err := w.drain(time.Now(), true); err != nil {
		return errors.Join(err, w.file.Close())
	}
	if err := w.file.Close(); err != nil {
		return err
	}
	if w.begun.IsZero() {
		return errors.Join(ErrNothing, os.Remove(w.path))
	}
	stat, err := os.Stat(w.path)
	if err != nil {
		return err
	}
	w.report(wire.Report{
		Kind: wire.Done, Begun: w.begun.UnixNano(), Plays: w.last + w.step, Bytes: stat.Size(), Missing: w.missing(),
	})
	return nil
}

// ErrNothing says that no media came.
var ErrNothing = errors.New("no media came before the end")
