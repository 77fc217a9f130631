package studio

import (
	"cmp"
	"slices"
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

// loudEvery is how often it is looked who speaks, and speakFor how long somebody has
// to be the loudest to be shown large.
const (
	loudEvery = 200 * time.Millisecond
	speakFor  = 800 * time.Millisecond
)

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
	encoder *ffmpeg.Encoder // nil before the first media, or if there is nothing to encode
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
			if err := f.step(late); err != nil {
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

// change is another layout, from its moment on.
type change struct {
	at     time.Time
	layout compose.Layout
}

// relayout takes the layouts whose moment has come.
func (f *floor) relayout(now time.Time) {
	for len(f.layouts) > 0 && !f.layouts[0].at.After(now) {
		f.canvas.SetLayout(f.layouts[0].layout)
		f.sizes()
		f.layouts = f.layouts[1:]
	}
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

// arrange lays out what there is.
func (f *floor) arrange() {
	if f.canvas == nil {
		return
	}
	heard := make(map[string]bool)
	for _, v := range f.voices {
		heard[v.Identity] = heard[v.Identity] || !v.Muted
	}
	var tiles []compose.Tile
	seen := make(map[string]bool)
	for _, n := range sorted(f.tiles) {
		t := f.tiles[n]
		seen[t.Identity] = true
		tiles = append(tiles, compose.Tile{
			ID: t.Sid, Owner: t.Identity, Name: t.Name, Screen: f.plain || t.Source == "screen_share", Blank: t.Muted, Silent: !heard[t.Identity],
			Width: t.Width, Height: t.Height, Number: n,
		})
	}
	if len(tiles) == 0 && !f.plain {
		for _, n := range sorted(f.voices) { // who is there at least
			if v := f.voices[n]; !seen[v.Identity] {
				seen[v.Identity] = true
				tiles = append(tiles, compose.Tile{ID: v.Sid, Owner: v.Identity, Name: v.Name, Blank: true})
			}
		}
	}
	if !slices.Equal(tiles, f.canvas.Tiles()) {
		f.canvas.SetTiles(tiles)
	}
	f.sizes()
}

// sizes tells the decoders how large their pictures are to be.
func (f *floor) sizes() {
	for _, t := range f.tiles {
		t.show(0, 0, false)
	}
	for _, p := range f.canvas.Places() {
		c := f.canvas.Tiles()[p.Tile]
		if t := f.tiles[c.Number]; t != nil && !c.Blank {
			w, h := f.canvas.Want(p)
			t.show(w, h, c.Screen)
		}
	}
}

func sorted[V any](m map[uint16]V) []uint16 {
	keys := make([]uint16, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, cmp.Compare)
	return keys
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
		if err := f.begin(fr.At); err != nil {
			return err
		}
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

// begin begins the outputs, and the encoder if there is anything to encode.
func (f *floor) begin(at time.Time) (err error) {
	if f.settings.Video != "" || f.settings.Audio != "" {
		if f.encoder, err = f.program.Encode(f.settings); err != nil {
			return err
		}
	}
	f.begun, f.epoch = true, at
	f.pace.debt = time.Since(at)
	f.desk.begin(f.encoder, f.epoch)
	return nil
}

// steps says whether there is something to do as time passes.
func (f *floor) steps() bool { return f.encoder != nil || f.begun && f.strip != nil }

// slots is how many slots of sound begin before that time, and are not mixed yet.
func (f *floor) slots(end time.Duration) int64 {
	return max(int64((end+compose.SlotTime-1)/compose.SlotTime)-f.slot, 0)
}

// step draws one picture, which is so late, and mixes the sound that is heard while it
// is seen.
func (f *floor) step(late time.Duration) error {
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
		if f.strip.advance(now); f.strip.current != nil {
			f.desk.picture(now, f.strip.current)
		}
	}
	if f.canvas == nil {
		return nil
	}
	if !f.pace.draw(late, f.due(1)) {
		return f.encoder.Picture(f.canvas.Picture())
	}
	f.relayout(f.epoch.Add(now))
	// The picture that is nearest: of two, neither is more than half a step early or late.
	shown := now + (f.due(f.next)-now)/2
	for _, p := range f.canvas.Places() {
		var pic *compose.Picture
		if t := f.tiles[f.canvas.Tiles()[p.Tile].Number]; t != nil {
			t.hurry = f.pace.hurries()
			t.advance(shown)
			pic = t.current
		}
		f.canvas.Draw(p, pic)
	}
	f.desk.picture(now, f.canvas.Picture())
	return f.encoder.Picture(f.canvas.Picture())
}

// missing is for how long pictures are the ones before them.
func (f *floor) missing() time.Duration {
	if f.pace.repeated == 0 {
		return 0
	}
	return f.due(f.pace.repeated)
}

// listen notes who speaks. Who has been the loudest for a while is shown large.
func (f *floor) listen(now time.Duration, speakers []string) {
	first := ""
	if len(speakers) > 0 {
		first = speakers[0]
	}
	if first != f.loud {
		f.loud, f.since = first, now
	}
	before := f.canvas.Speaker()
	f.canvas.SetHeard(speakers)
	if f.loud != "" && (now-f.since >= speakFor || before == "") && f.canvas.SetSpeaker(f.loud) {
		f.sizes()
	}
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
	if *err != nil {
		f.encoder.Close()
		return
	}
	f.encoder.Finish()
}
