package studio

import (
	"time"

	"github.com/thesyncim/gopus"

	"github.com/rollcall-rtc/rollcall/internal/egress/compose"
	"github.com/rollcall-rtc/rollcall/internal/egress/container"
	"github.com/rollcall-rtc/rollcall/internal/egress/ffmpeg"
	"github.com/rollcall-rtc/rollcall/internal/egress/frames"
	"github.com/rollcall-rtc/rollcall/internal/egress/wire"
	"github.com/rollcall-rtc/rollcall/internal/egress/worker"
)

// How late pictures are drawn: what comes later than that is seen late, or not heard. It
// is as much as what comes needs, within these.
const (
	leastLatency = 120 * time.Millisecond
	mostLatency  = 400 * time.Millisecond
)

// pageLatency is that of pages, whose pictures and sound a browser encodes first.
const pageLatency = time.Second

// floor draws, mixes and hands on. All of it is one goroutine's.
type floor struct {
	studio   *Studio
	program  *ffmpeg.Program
	settings ffmpeg.Settings
	desk     *desk
	plain    bool // pictures without names

	canvas  *compose.Canvas // nil without pictures
	layouts []change        // that are to come
	mixer   compose.Mixer
	tiles   map[uint16]*tile
	voices  map[uint16]*voice

	film    bool            // pictures come encoded as they are to be, and pass
	strip   *tile           // decodes them for images; nil without
	lag     *frames.Lag     // of what comes; nil of pages
	delay   delay           // how late it is drawn for that
	begun   bool            // there was media
	encoder *ffmpeg.Encoder // nil if there is nothing to encode
	epoch   time.Time       // of the first picture
	next    int64           // picture, or without pictures slot of sound
	slot    int64           // of sound, the next
	pace    pace            // of pictures

	looked time.Duration // when it was looked who speaks
	loud   string
	since  time.Duration // from when loud is the loudest
}

// voice is one track of sound, decoded.
type voice struct {
	wire.Track
	compose.Voice
	decoder *gopus.Decoder
	pcm     []float32
}

func newFloor(s *Studio, program *ffmpeg.Program, job wire.Job, settings ffmpeg.Settings, d *desk) *floor {
	f := &floor{
		studio: s, program: program, settings: settings, desk: d, plain: job.Plain,
		tiles: make(map[uint16]*tile), voices: make(map[uint16]*voice), lag: frames.NewLag(leastLatency, mostLatency),
	}
	switch {
	case job.Kind == wire.Browse:
		f.lag = nil
		f.settings.Video = "" // for the encoder
		if f.film = settings.Video != ""; f.film {
			d.film = make(chan container.Frame, 64)
			d.shift = 1
		}
		if len(d.images) > 0 {
			f.strip = &tile{codec: settings.Video, decode: decodeBy(program), want: func() {}}
			f.strip.show(settings.Width, settings.Height, true)
		}
	case settings.Video != "":
		f.canvas = compose.NewCanvas(settings.Width, settings.Height, compose.Layout(job.Layout))
		f.canvas.SetPlain(job.Plain)
	}
	return f
}

// due is when a step is, since the beginning.
func (f *floor) due(step int64) time.Duration {
	if f.canvas == nil {
		return time.Duration(step) * compose.SlotTime
	}
	return time.Duration(step) * time.Second / time.Duration(f.settings.Framerate)
}

// latency is how late pictures are drawn now. To a picture belongs the sound up to the
// next one.
func (f *floor) latency() time.Duration {
	if f.lag == nil {
		return pageLatency
	}
	return f.delay.atLeast(f.lag.Wait()) + f.due(1)
}

// run is the goroutine's, up to the end. The encoder is told that nothing follows.
func (f *floor) run() (err error) {
	defer f.close(&err)
	if err := f.start(); err != nil {
		return err
	}
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		end, err := f.takeAll()
		if err != nil {
			return err
		}
		until := time.Now().Add(-f.latency())
		if !end.IsZero() {
			until = end
		}
		for f.steps() && !f.epoch.Add(f.due(f.next)).After(until) {
			var late time.Duration
			if end.IsZero() {
				late = time.Since(f.epoch.Add(f.due(f.next) + f.latency()))
				f.delay.shrink(late, f.due(1))
			}
			if err := f.step(late, end.IsZero()); err != nil {
				return err
			}
			// What came meanwhile may be of the next step.
			more, err := f.takeAll()
			if err != nil {
				return err
			}
			if end.IsZero() && !more.IsZero() {
				end, until = more, more
			}
		}
		if !end.IsZero() {
			if !f.begun {
				return worker.ErrNothing
			}
			return nil
		}
		if err := f.desk.problem(); err != nil {
			return err
		}
		wait := time.Hour
		if f.steps() {
			wait = max(time.Until(f.epoch.Add(f.due(f.next)+f.latency())), 0)
		}
		timer.Reset(wait)
		select {
		case <-timer.C:
		case <-f.studio.wakec:
		}
	}
}

// takeAll takes what has come; end is set when nothing follows.
func (f *floor) takeAll() (end time.Time, err error) {
	arrange := false
	for _, e := range f.studio.take() {
		switch {
		case !e.end.IsZero():
			end = e.end
		case e.control != nil:
			f.desk.control(*e.control)
			if l := compose.Layout(e.control.Layout); l != "" && l.Known() && f.canvas != nil {
				f.layouts = append(f.layouts, change{e.at, l})
			}
		case e.track != nil:
			if err := f.track(*e.track); err != nil {
				return end, err
			}
			arrange = true
		case e.frame != nil:
			if arrange {
				f.arrange()
				arrange = false
			}
			if f.lag != nil {
				f.lag.Came(e.number, e.frame.At, e.at)
			}
			err := f.frame(e.number, e.frame)
			f.studio.taken(len(e.frame.Data))
			if err != nil {
				return end, err
			}
		case e.gap != nil:
			if f.lag != nil && (f.tiles[e.number] != nil || f.voices[e.number] != nil) {
				f.lag.Gap(e.number, *e.gap)
			}
		default:
			if t := f.tiles[e.gone]; t != nil {
				t.stop()
				delete(f.tiles, e.gone)
			}
			delete(f.voices, e.gone)
			if f.lag != nil {
				f.lag.Forget(e.gone)
			}
			arrange = true
		}
	}
	if arrange {
		f.arrange()
	}
	return end, nil
}

func (f *floor) track(t wire.Track) error {
	codec, err := container.CodecOf(t.MimeType)
	if err != nil {
		return nil
	}
	if old := f.tiles[t.Number]; old != nil {
		old.Track = t
		return nil
	}
	if old := f.voices[t.Number]; old != nil {
		old.Track = t
		return nil
	}
	switch {
	case codec.Video() && f.film: // it is the only one
	case codec.Video() && f.canvas != nil:
		f.tiles[t.Number] = &tile{Track: t, codec: codec, decode: decodeBy(f.program), want: func() { f.studio.want(t.Number) }}
	case !codec.Video() && f.settings.Audio != "":
		decoder, err := gopus.NewDecoder(gopus.DefaultDecoderConfig(compose.Rate, compose.Channels))
		if err != nil {
			return err
		}
		v := &voice{Track: t, decoder: decoder, pcm: make([]float32, 5760*compose.Channels)}
		v.Owner = t.Identity
		switch t.Side {
		case "left":
			v.Voice.Side = compose.Left
		case "right":
			v.Voice.Side = compose.Right
		}
		f.voices[t.Number] = v
	}
	return nil
}

// frame takes a frame: the first begins the recording.
func (f *floor) frame(track uint16, fr *frames.Frame) error {
	t, v := f.tiles[track], f.voices[track]
	passes := f.film && v == nil
	if t == nil && v == nil && !passes {
		return nil
	}
	if !f.begun {
		switch {
		case t != nil && !fr.Key:
			t.want()
			return nil
		case passes && !fr.Key, v != nil && f.film:
			return nil // pictures are the first that is seen
		}
		f.begin(fr.At)
	}
	at := fr.At.Sub(f.epoch)
	if passes {
		f.desk.film <- container.Frame{Track: 0, At: max(at, 0), Key: fr.Key, Data: fr.Data}
		if f.strip != nil {
			return f.strip.frame(max(at, 0), fr.Key, fr.Data)
		}
		return nil
	}
	if t != nil {
		return t.frame(max(at, 0), fr.Key, fr.Data)
	}
	n, err := v.decoder.Decode(fr.Data, v.pcm)
	if err != nil || n == 0 {
		return nil // none
	}
	v.Put(compose.SampleAt(at), v.pcm[:n*compose.Channels])
	return nil
}

// start starts the encoder if there is anything to encode: it is there when the first
// media comes.
func (f *floor) start() (err error) {
	if f.settings.Video != "" || f.settings.Audio != "" {
		f.encoder, err = f.program.Encode(f.settings)
	}
	return err
}

// begin begins the outputs.
func (f *floor) begin(at time.Time) {
	f.begun, f.epoch = true, at
	f.pace.begin(time.Since(at))
	f.desk.begin(f.encoder, f.epoch)
}

// steps says whether there is something to do as time passes.
func (f *floor) steps() bool { return f.begun && (f.encoder != nil || f.strip != nil) }

// slots is how many slots of sound begin before that time, and are not mixed yet.
func (f *floor) slots(end time.Duration) int64 {
	return max(int64((end+compose.SlotTime-1)/compose.SlotTime)-f.slot, 0)
}

// step draws one picture, which is so late, and mixes the sound that is heard while it
// is seen. After the end, when nothing is live any more, no picture is left out.
func (f *floor) step(late time.Duration, live bool) error {
	n := f.next
	now := f.due(f.next)
	f.next++
	if f.settings.Audio != "" {
		var voices []*compose.Voice
		for _, n := range sorted(f.voices) {
			voices = append(voices, &f.voices[n].Voice)
		}
		for range f.slots(f.due(f.next)) {
			out := make([]byte, compose.Slot*compose.Channels*2)
			f.mixer.Mix(f.slot*compose.Slot, voices, out)
			if err := f.encoder.Sound(out); err != nil {
				return err
			}
			f.slot++
		}
		if f.canvas != nil && !f.plain && now-f.looked >= loudEvery {
			f.looked = now
			f.listen(now, compose.Speakers(voices))
		}
	}
	if f.strip != nil {
		if f.strip.advance(now, time.Now().Add(decodePatience)); f.strip.current != nil {
			f.desk.picture(now, f.strip.current)
		}
	}
	if f.canvas == nil {
		return nil
	}
	patience := decodePatience
	if live {
		state := encoderState{starting: !f.encoder.Begun(), full: f.encoder.Full(n)}
		if !f.pace.draw(now, late, state) {
			f.follow(now)
			return nil
		}
		patience = f.pace.patience(state)
	}
	f.draw(now, patience)
	f.desk.picture(now, f.canvas.Picture())
	return f.encoder.Picture(n, f.canvas.Picture())
}

// follow takes what has been decoded up to that time, so that decoders go on.
func (f *floor) follow(now time.Duration) {
	for _, p := range f.canvas.Places() {
		if t := f.tiles[f.canvas.Tiles()[p.Tile].Number]; t != nil {
			t.hurry = true
			t.advance(now, time.Time{})
		}
	}
}

// draw has the canvas be what is to be seen at that time. What is being decoded is
// waited for so long.
func (f *floor) draw(now, patience time.Duration) {
	f.relayout(f.epoch.Add(now))
	// The picture that is nearest: of two, neither is more than half a step early or late.
	shown := now + f.due(1)/2
	until := time.Now().Add(patience)
	for _, p := range f.canvas.Places() {
		var pic *compose.Picture
		if t := f.tiles[f.canvas.Tiles()[p.Tile].Number]; t != nil {
			t.hurry = patience == 0
			t.advance(shown, until)
			pic = t.current
		}
		f.canvas.Draw(p, pic)
	}
}

// lacks are the pictures that were left out, and for how long others are seen in their
// place.
func (f *floor) lacks() (l wire.Lacks) {
	if l.Dropped = f.pace.dropped; l.Dropped > 0 {
		l.Missing = f.due(l.Dropped)
	}
	return l
}

// close ends what there is.
func (f *floor) close(err *error) {
	for _, t := range f.tiles {
		t.stop()
	}
	if f.strip != nil {
		f.strip.stop()
	}
	if f.film {
		close(f.desk.film)
	}
	if f.encoder == nil {
		return
	}
	if *err != nil || !f.begun {
		f.encoder.Close()
		return
	}
	f.encoder.Finish()
}
