package source

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/livekit/protocol/livekit"

	"github.com/rollcall-rtc/rollcall/internal/ingress"
	"github.com/rollcall-rtc/rollcall/internal/ingress/ffmpeg"
	"github.com/rollcall-rtc/rollcall/internal/ingress/flv"
)

// start brings the participant into the room, with the tracks that the source has,
// and starts what encodes them.
func (f *feed) start(ctx context.Context) error {
	var job ffmpeg.Job
	var format ingress.Format
	if f.pictures != nil {
		var err error
		if format, err = f.planPictures(&job); err != nil {
			return err
		}
	}
	stereo := f.sounds != nil && f.planSound(&job)
	// Before anybody sees the participant: if it cannot be done there is none.
	if err := f.able(ctx, job); err != nil {
		return err
	}
	if err := f.session.Join(ctx); err != nil {
		return err
	}
	if f.pictures != nil {
		if err := f.publishVideo(ctx, format); err != nil {
			return err
		}
	} else if f.awaits {
		f.session.Expects(picturesWithin)
	}
	if f.sounds != nil {
		if err := f.publishAudio(ctx, stereo); err != nil {
			return err
		}
	}
	return f.startChildren(job)
}

// planPictures says how pictures get to the room, and what a child has to do for that.
func (f *feed) planPictures(job *ffmpeg.Job) (ingress.Format, error) {
	p, to := f.pictures, encodesTo(f.session.Info().GetVideo())
	layers, err := f.layersOf(*p)
	if err != nil {
		return ingress.Format{}, err
	}
	if p.order == reordered && len(layers) == 0 {
		layers = sourceLayer(p)
	}
	f.encoding = len(layers) > 0
	if err := f.limited(); err != nil {
		return ingress.Format{}, err
	}
	job.Layers, job.LayersAs, job.Pictures, job.PicturesAs, job.Varies = layers, to, f.encoding, p.stream(), f.client
	format := ingress.Format{MimeType: mimeTypes[p.codec], Layers: max(len(layers), 1), Width: uint32(p.width), Height: uint32(p.height)}
	if f.encoding {
		format.MimeType = mimeTypes[to]
	}
	if n := len(layers); n > 0 && layers[n-1].Width > 0 {
		format.Width, format.Height = uint32(layers[n-1].Width), uint32(layers[n-1].Height)
	}
	format.Awaits = f.sounds != nil && f.recodes()
	return format, nil
}

// recodes says whether sound has to be encoded.
func (f *feed) recodes() bool {
	return f.sounds.codec != flv.Opus || f.session.Info().GetAudio().GetEncodingOptions() != nil
}

// planSound is planPictures for sound, and says whether it will have two channels.
func (f *feed) planSound(job *ffmpeg.Job) (stereo bool) {
	if f.recoding = f.recodes(); !f.recoding {
		return f.sounds.channels > 1
	}
	job.Opus, job.Sound, job.SoundAs = opusOf(f.session.Info().GetAudio(), *f.sounds), true, f.sounds.stream()
	return job.Opus.Channels > 1
}

// able fails if what has to be encoded cannot be.
func (f *feed) able(ctx context.Context, job ffmpeg.Job) error {
	if !job.Sound && !job.Pictures {
		return nil
	}
	if err := ffmpeg.Able(ctx, f.ffmpeg, job); err != nil {
		return f.missing(job, err)
	}
	return nil
}

// picturesWithin is how long a client's pictures may come after its sound, for the start
// of both to be told as one.
const picturesWithin = time.Second

// beginPictures adds the pictures of a source whose sound is there already.
func (f *feed) beginPictures(ctx context.Context) error {
	var job ffmpeg.Job
	format, err := f.planPictures(&job)
	if err != nil {
		return err
	}
	if err := f.able(ctx, job); err != nil {
		return err
	}
	if err := f.publishVideo(ctx, format); err != nil {
		return err
	}
	f.session.Expects(0)
	return f.startChildren(job)
}

// beginSound adds the sound of a source whose pictures are there already.
func (f *feed) beginSound(ctx context.Context) error {
	var job ffmpeg.Job
	stereo := f.planSound(&job)
	if err := f.able(ctx, job); err != nil {
		return err
	}
	if err := f.publishAudio(ctx, stereo); err != nil {
		return err
	}
	return f.startChildren(job)
}

// missing says what ffmpeg would have been needed for.
func (f *feed) missing(job ffmpeg.Job, err error) error {
	what := "video that has to be encoded"
	switch {
	case job.Pictures && f.pictures.order == reordered:
		what = "video with B-frames"
	case !job.Pictures:
		what = fmt.Sprintf("%s audio", f.sounds.codec)
	}
	return fmt.Errorf("%s cannot be sent to a room: %w", what, err)
}

// layersOf are the encodings that the ingress asks for. Those of a client's pictures are
// as large as these may become.
func (f *feed) layersOf(p picture) ([]ffmpeg.Layer, error) {
	video := f.session.Info().GetVideo()
	if !f.client {
		return layersOf(video, p)
	}
	if video.GetEncodingOptions() == nil {
		video = &livekit.IngressVideoOptions{EncodingOptions: &livekit.IngressVideoOptions_Preset{Preset: usualPreset}}
	}
	p = p.grown()
	if o := video.GetOptions(); o != nil && len(o.Layers) == 0 {
		p.width, p.height = fit(p, 1280, 720)
	}
	return layersOf(video, p)
}

// stream describes it to the child.
func (p *picture) stream() ffmpeg.Stream {
	return ffmpeg.Stream{Codec: p.codec, Config: p.config, Width: p.width, Height: p.height}
}

func (s *sound) stream() ffmpeg.Stream {
	return ffmpeg.Stream{Codec: s.codec, Config: s.config, Rate: s.rate, Channels: s.channels}
}

// sourceLayer is the source's video, encoded anew.
func sourceLayer(p *picture) []ffmpeg.Layer {
	width, height := fit(*p, 1920, 1080)
	return []ffmpeg.Layer{{Width: width, Height: height, Bitrate: bitrateOf(width, height, referenceBitrate)}}
}

func (f *feed) publishVideo(ctx context.Context, format ingress.Format) (err error) {
	f.layers = make([]*layer, format.Layers)
	for i := range f.layers {
		f.layers[i] = &layer{drop: func() { f.session.Dropped(ingress.DropNoKeyframe, 1) }, write: func(data []byte, pts time.Duration) error {
			return f.video.WriteSample(ingress.Sample{Data: data, PTS: pts, Layer: i})
		}}
	}
	f.decoded = make([]picture, format.Layers)
	format.OnKeyframe = func(i int) {
		if i >= 0 && i < len(f.layers) {
			f.layers[i].want()
		}
	}
	if f.video, err = f.session.Publish(ctx, format); err != nil {
		return fmt.Errorf("publish video: %w", err)
	}
	return nil
}

func (f *feed) publishAudio(ctx context.Context, stereo bool) (err error) {
	if f.audio, err = f.session.Publish(ctx, ingress.Format{MimeType: mimeTypes[flv.Opus], Stereo: stereo}); err != nil {
		return fmt.Errorf("publish audio: %w", err)
	}
	return nil
}

// leavesWithin is how long a child may take for what it has of a source that is gone.
const leavesWithin = time.Second

// startChildren starts what the job needs. Of a client pictures may come later than
// sound, so each has its own.
func (f *feed) startChildren(job ffmpeg.Job) error {
	if f.client && job.Sound && job.Pictures {
		if err := f.startChild(ffmpeg.Job{Sound: true, SoundAs: job.SoundAs, Opus: job.Opus}); err != nil {
			return err
		}
		job.Sound, job.SoundAs, job.Opus = false, ffmpeg.Stream{}, nil
	}
	return f.startChild(job)
}

// startChild starts a child, which ends with the session at the latest: one that
// takes nothing any more would have its writer wait for ever.
func (f *feed) startChild(job ffmpeg.Job) error {
	if !job.Sound && !job.Pictures {
		return nil
	}
	child, err := ffmpeg.Start(f.ffmpeg, job, (*encoded)(f), f.running, f.logger)
	if err != nil {
		return err
	}
	f.children = append(f.children, child)
	if job.Pictures {
		f.painter = child
	}
	if job.Sound {
		f.voice = child
	}
	f.watching.Go(func() {
		select {
		case <-f.session.Ended():
		case <-f.left:
			select {
			case <-f.session.Ended():
			case <-time.After(leavesWithin):
			case <-child.Done():
			}
		case <-child.Done():
		}
		child.Kill()
	})
	return nil
}

// beginEncoding has the child take over pictures that were forwarded so far, for the
// source turns out to have B-frames. They are shown again from the next key frame on.
func (f *feed) beginEncoding(ctx context.Context) error {
	if f.pictures.codec != flv.H264 {
		return fmt.Errorf("the source's %s %w", f.pictures.codec, errReorders)
	}
	job := ffmpeg.Job{Pictures: true, PicturesAs: f.pictures.stream(), Layers: sourceLayer(f.pictures)}
	if f.sounds != nil && f.recoding {
		job.Sound, job.SoundAs, job.Opus = true, f.sounds.stream(), opusOf(f.session.Info().GetAudio(), *f.sounds)
	}
	if err := f.able(ctx, job); err != nil {
		return err
	}
	f.encoding = true
	if err := f.limited(); err != nil {
		return err
	}
	f.close(true)
	if err := f.startChild(job); err != nil {
		return err
	}
	for kind, body := range map[byte][]byte{flv.TypeVideo: f.config, flv.TypeAudio: f.soundConf} {
		if len(body) > 0 && (kind == flv.TypeVideo || job.Sound) {
			if err := f.painter.Write(kind, f.clock.last, body); err != nil {
				return err
			}
		}
	}
	return nil
}

// encoded is a feed as its child sees it: on other goroutines.
type encoded feed

// Picture implements ffmpeg.Sink.
func (e *encoded) Picture(layer int, at time.Duration, t flv.Tag) error {
	p := &e.decoded[layer]
	if t.Kind == flv.Config {
		params, err := avcParams(t.Data)
		if err != nil {
			return e.fail(err)
		}
		p.codec, p.params = t.Codec, params
		return nil
	}
	return e.fail(e.layers[layer].put(appendFrame(nil, p, t), at+t.CTS, t.Key))
}

// startsWithin is how far behind the source sound may begin. What the child has to
// catch up with while it starts would come in one burst, of which browsers make a
// delay that they lose only over seconds.
const (
	startsWithin = 150 * time.Millisecond
	startsBy     = 500 * time.Millisecond // then it begins in any case
)

// Sound implements ffmpeg.Sink.
func (e *encoded) Sound(at time.Duration, packet []byte) error {
	if !e.heard {
		if e.firstSound.IsZero() {
			e.firstSound = time.Now()
		}
		if at < time.Duration(e.newest.Load())-startsWithin && time.Since(e.firstSound) < startsBy {
			e.session.Dropped(ingress.DropLateStart, 1)
			return nil
		}
		e.heard = true
	}
	return e.fail(e.audio.WriteSample(ingress.Sample{Data: packet, PTS: at}))
}

// fail notes an error for the goroutine of the source.
func (e *encoded) fail(err error) error {
	if err == nil || errors.Is(err, ingress.ErrEnded) {
		return err
	}
	e.failMu.Lock()
	defer e.failMu.Unlock()
	if e.failed == nil {
		e.failed = err
	}
	return err
}
