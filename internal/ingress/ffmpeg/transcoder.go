package ffmpeg

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rollcall-rtc/rollcall/internal/ingress/flv"
	"github.com/rollcall-rtc/rollcall/internal/rawfile"
	"github.com/rollcall-rtc/rollcall/internal/spawn"
)

// Sink takes what a Transcoder makes. Each layer, and sound, has a goroutine of its
// own. Data is valid during the call. An error ends the child.
type Sink interface {
	// Picture takes a tag of what layers are encoded to: a configuration of H264, or a
	// frame.
	Picture(layer int, at time.Duration, t flv.Tag) error
	// Sound takes 20 ms of Opus.
	Sound(at time.Duration, packet []byte) error
}

// A Transcoder is a child at work.
type Transcoder struct {
	cmd  *exec.Cmd
	said *spawn.Tail
	in   *rawfile.File
	sink Sink

	out      []byte // writer only
	any      bool
	matroska bool // immutable; FLV if not

	zero atomic.Int64 // of the child's clock on the source's, in nanoseconds; readers come after the writer

	// What decoders of Matroska were told; writer only. params go before the next key frame.
	picturesHave, soundHas, params []byte

	readers sync.WaitGroup
	donec   chan struct{} // closed when the child is gone
	err     error         // immutable once donec is closed

	mu     sync.Mutex
	reason error // mu guards; the first one
	closed bool  // mu guards
}

// takesWithin is how long a child may take nothing. What encodes is behind by as much
// then, and nobody watches that.
const takesWithin = 10 * time.Second

// lead keeps times positive: pictures may be shown before those that came first.
const lead = 10 * time.Second

// maxTag bounds what a child may write at once, in bytes.
const maxTag = 16 << 20

// Find returns the path of ffmpeg, which ingress.ffmpeg names. An empty name is the
// one in PATH. It fails with ErrMissing.
func Find(name string) (string, error) {
	asked := name
	if name == "" {
		name = "ffmpeg"
	}
	path, err := exec.LookPath(name)
	switch {
	case err == nil:
		return path, nil
	case asked != "":
		return "", fmt.Errorf("%w: ingress.ffmpeg says %s", ErrMissing, asked)
	}
	return "", ErrMissing
}

// Start starts a child, which running counts.
func Start(path string, j Job, sink Sink, running *Children, logger *slog.Logger) (*Transcoder, error) {
	path, err := Find(path)
	if err != nil {
		return nil, err
	}
	t := &Transcoder{cmd: exec.Command(path, j.args()...), sink: sink, donec: make(chan struct{}), matroska: j.matroska()}
	spawn.Detach(t.cmd)
	spawn.Bind(t.cmd)
	t.cmd.Env = spawn.Environment()
	pictures, sound, err := t.start(j)
	if err != nil {
		return nil, fmt.Errorf("start ffmpeg: %w", err)
	}
	spawn.Expendable(t.cmd)
	running.began(t.cmd)
	for i, f := range pictures {
		t.readers.Go(func() {
			defer f.Close()
			if j.LayersAs == flv.VP8 {
				t.fail(t.readVP8(i, f))
			} else {
				t.fail(t.readPictures(i, f))
			}
		})
	}
	if sound != nil {
		t.readers.Go(func() {
			defer sound.Close()
			t.fail(t.readSound(sound))
		})
	}
	go t.wait(running, logger)
	if t.matroska {
		t.picturesHave, t.soundHas = j.PicturesAs.Config, j.SoundAs.Config
		if j.PicturesAs.Codec == flv.AV1 { // of which decoders take it from frames alone
			t.params = inBand(flv.Tag{Codec: flv.AV1, Data: j.PicturesAs.Config})
		}
		t.out = j.appendMatroska(t.out)
	} else {
		t.out = flv.AppendHeader(t.out, j.Sound, j.Pictures)
	}
	return t, nil
}

// start starts the child, and returns what its layers and its sound, nil for none, are
// read from.
func (t *Transcoder) start(j Job) (pictures []*rawfile.File, sound *rawfile.File, err error) {
	var ours []*rawfile.File
	var theirs []*os.File
	defer func() {
		for _, f := range theirs {
			_ = f.Close()
		}
		if err != nil {
			for _, f := range ours {
				_ = f.Close()
			}
		}
	}()
	pipe := func(open func() (*rawfile.File, *os.File, error)) (*rawfile.File, *os.File, error) {
		one, other, err := open()
		if err == nil {
			ours, theirs = append(ours, one), append(theirs, other)
		}
		return one, other, err
	}
	for range j.Layers {
		one, other, err := pipe(rawfile.FromChild)
		if err != nil {
			return nil, nil, err
		}
		pictures, t.cmd.ExtraFiles = append(pictures, one), append(t.cmd.ExtraFiles, other)
	}
	if j.Opus != nil {
		one, other, err := pipe(rawfile.FromChild)
		if err != nil {
			return nil, nil, err
		}
		sound, t.cmd.Stdout = one, other
	}
	in, out, err := pipe(rawfile.ToChild)
	if err != nil {
		return nil, nil, err
	}
	t.in, t.cmd.Stdin = in, out
	t.said = spawn.NewTail(maxSaid)
	t.cmd.Stderr = t.said
	// What holds the error output open after the child's end is not waited for.
	t.cmd.WaitDelay = 5 * time.Second
	return pictures, sound, t.cmd.Start()
}

// wait says how the child ended, when all that it wrote is read.
func (t *Transcoder) wait(running *Children, logger *slog.Logger) {
	t.readers.Wait()
	err := t.cmd.Wait()
	running.ended(t.cmd)
	t.mu.Lock()
	defer t.mu.Unlock()
	defer close(t.donec)
	switch {
	case t.reason != nil:
		t.err = t.reason
	case err != nil:
		t.err = fmt.Errorf("%w: %s", ErrFailed, t.lastSaid(err))
	case !t.closed:
		t.err = fmt.Errorf("%w: it ended by itself: %s", ErrFailed, t.lastSaid(nil))
	}
	if t.err != nil && !t.closed {
		logger.Warn("ffmpeg ended", "error", t.err, "said", t.lastSaid(nil))
	}
}

// fail notes why the child has to end, and ends it.
func (t *Transcoder) fail(err error) {
	if err == nil || errors.Is(err, io.EOF) {
		return
	}
	t.mu.Lock()
	if t.reason == nil {
		t.reason = err
	}
	t.mu.Unlock()
	_ = t.cmd.Process.Kill()
}

// Write hands over a tag of that type, at its time on the source's clock. Tags come
// in the order in which they are decoded. One goroutine may write. It fails with
// ErrStuck if the child takes nothing for a while.
func (t *Transcoder) Write(kind byte, at time.Duration, body []byte) error {
	if err := t.put(kind, at, body); err != nil {
		return err
	}
	return t.Flush()
}

// Hold is Write for a tag so short that it can go with the next one: a child that is
// woken half as often costs less. Of two in a row the second does not wait.
func (t *Transcoder) Hold(kind byte, at time.Duration, body []byte) error {
	if len(t.out) > 0 {
		return t.Write(kind, at, body)
	}
	return t.put(kind, at, body)
}

func (t *Transcoder) put(kind byte, at time.Duration, body []byte) error {
	if !t.any {
		t.any = true
		t.zero.Store(int64(at - lead))
	}
	return t.append(kind, at-t.begins(), body)
}

// Flush hands over what is held; the goroutine that writes calls it. It fails as Write
// does.
func (t *Transcoder) Flush() error {
	if len(t.out) == 0 {
		return nil
	}
	err := t.in.SetWriteDeadline(time.Now().Add(takesWithin))
	if err == nil {
		_, err = t.in.Write(t.out)
	}
	t.out = t.out[:0]
	if cap(t.out) > 1<<20 {
		t.out = nil
	}
	if err != nil {
		if errors.Is(err, os.ErrDeadlineExceeded) {
			t.fail(ErrStuck)
		}
		// Why is known when it is gone.
		_ = t.cmd.Process.Kill()
		<-t.donec
		if t.err != nil {
			return t.err
		}
		return fmt.Errorf("write to ffmpeg: %w", err)
	}
	return nil
}

// begins is where the child's clock begins on the source's.
func (t *Transcoder) begins() time.Duration { return time.Duration(t.zero.Load()) }

// append puts a tag into what is written next.
func (t *Transcoder) append(kind byte, at time.Duration, body []byte) error {
	if !t.matroska {
		t.out = flv.AppendTag(t.out, kind, max(at, 0), body)
		return nil
	}
	parse, track := flv.ParseVideo, byte(matroskaPictures)
	if kind == flv.TypeAudio {
		parse, track = flv.ParseAudio, matroskaSound
	}
	tag, err := parse(body)
	switch {
	case err != nil:
		return err
	case tag.Kind == flv.Config:
		return t.configured(tag)
	case tag.Kind == flv.Frame:
		t.out = appendFrame(t.out, track, at+tag.CTS, tag.Key, t.withParams(tag))
	}
	return nil
}

// Done is closed when the child is gone.
func (t *Transcoder) Done() <-chan struct{} { return t.donec }

// Close ends the input, lets the child finish what it has for a while, and returns
// when it is gone: with an error if it has failed.
func (t *Transcoder) Close() error {
	t.mu.Lock()
	t.closed = true
	t.mu.Unlock()
	_ = t.in.Close()
	select {
	case <-t.donec:
	case <-time.After(finishWithin):
		_ = t.cmd.Process.Kill()
		<-t.donec
	}
	return t.err
}

// Kill ends the child at once. Close is needed all the same.
func (t *Transcoder) Kill() {
	t.mu.Lock()
	t.closed = true
	t.mu.Unlock()
	_ = t.cmd.Process.Kill()
}

// finishWithin is how long a child may take for what it has.
const finishWithin = 2 * time.Second

func (t *Transcoder) readPictures(layer int, in io.Reader) error {
	r := flv.NewReader(in, maxTag)
	var clock flv.Clock
	for {
		kind, ms, body, err := r.Next()
		if err != nil {
			return notAtTheEnd(err)
		}
		if kind != flv.TypeVideo {
			continue
		}
		tag, err := flv.ParseVideo(body)
		if err != nil {
			return err
		}
		if tag.Kind != flv.Config && tag.Kind != flv.Frame {
			continue
		}
		if err := t.sink.Picture(layer, clock.At(ms)+t.begins(), tag); err != nil {
			return err
		}
	}
}

func (t *Transcoder) readVP8(layer int, in io.Reader) error {
	r := newIVFReader(in, maxTag)
	for {
		at, data, err := r.next()
		if err != nil {
			return notAtTheEnd(err)
		}
		if len(data) == 0 {
			continue // the encoder has dropped it
		}
		key := data[0]&1 == 0 // RFC 6386 §9.1
		if err := t.sink.Picture(layer, at+t.begins(), flv.Tag{Kind: flv.Frame, Codec: flv.VP8, Key: key, Data: data}); err != nil {
			return err
		}
	}
}

func (t *Transcoder) readSound(in io.Reader) error {
	r := newOggReader(in)
	for {
		packet, at, err := r.next()
		if err != nil {
			return notAtTheEnd(err)
		}
		since := time.Duration(at/sampleRate)*time.Second + time.Duration(at%sampleRate)*time.Second/sampleRate
		if err := t.sink.Sound(since+t.begins(), packet); err != nil {
			return err
		}
	}
}

// notAtTheEnd leaves it to the child's exit to say why it ended in the middle.
func notAtTheEnd(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, os.ErrClosed) {
		return nil
	}
	return err
}

// maxSaid bounds what is kept of what a child says about errors, in bytes.
const maxSaid = 4 << 10

// lastSaid is the last line, or how the child exited.
func (t *Transcoder) lastSaid(exit error) string {
	switch line := t.said.Last(); {
	case line != "":
		return line
	case exit != nil:
		return exit.Error()
	}
	return "it said nothing"
}
