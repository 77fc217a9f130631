package ingress

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/livekit/protocol/livekit"
	"github.com/pion/rtp"
	"github.com/pion/rtp/codecs"

	"github.com/rollcall-rtc/rollcall/internal/room"
	"github.com/rollcall-rtc/rollcall/internal/sfu/uptrack"
)

// Format is what a track is made of.
type Format struct {
	// MimeType is video/H264, video/H265, video/VP8, video/VP9, video/AV1 or
	// audio/opus.
	MimeType string
	// Layers is how many encodings of video there are, lowest first; 0 is one, and
	// three are the most.
	Layers int
	// Width and Height of the largest, in pixels; 0 if not known yet.
	Width, Height uint32
	// Awaits says that pictures come sooner than the sound that belongs to them, which
	// is encoded anew: browsers are asked to wait for it from the first picture on.
	Awaits bool
	// Stereo says that sound has two channels.
	Stereo bool
	// Fmtp are parameters of SDP that tell bitstreams of one codec apart, such as
	// profile-level-id of H.264; empty is fine.
	Fmtp string
	// OnKeyframe is called when a key frame of a layer is needed. It must not block.
	// Nil: the source makes them when it likes.
	OnKeyframe func(layer int)
	// OnMuted is called when the API mutes the track or unmutes it. Packets of a
	// muted track go nowhere. May be nil.
	OnMuted func(muted bool)
}

// Sample is an encoded frame.
type Sample struct {
	// Data is an access unit: of H.264 and H.265 in Annex B form, key frames with
	// their parameter sets; of AV1 a temporal unit of OBUs with sizes; of VP8 and VP9
	// a frame, of Opus a packet. It is not kept.
	Data []byte
	// PTS is when it is to be shown or heard, on the source's clock that all tracks
	// of the session share. Frames come in the order in which they are decoded.
	PTS time.Duration
	// Layer of video, from 0.
	Layer int
	// Level is how loud a packet of sound is, in -dBov (RFC 6464): 0 the loudest, 127
	// silence. It is what speakers are found by. HasLevel says that it is known; else
	// Opus is decoded to hear it.
	Level    uint8
	HasLevel bool
}

// Track is a track that a session publishes.
type Track struct {
	session  *Session
	injected *room.Injected
	format   Format
	rate     uint32 // of the clock, a second
	base     uint32 // of timestamps
	layers   []layerWriter
	loud     *loudness // of sound; the mutex of its layer guards
}

// layerWriter makes packets of the samples of a layer. Its mutex is for those who do
// not keep to one goroutine.
type layerWriter struct {
	mu        sync.Mutex
	payloader rtp.Payloader
	seq       uint16
	reported  time.Time
	buf       []byte
}

const (
	// stream has all tracks of a source be played in step, whatever they show.
	stream = "ingress"
	// maxPayload leaves room in a datagram for what transports add.
	maxPayload = 1160
	// levelExtension is the id of the audio level in packets of ours.
	levelExtension = 1
	reportInterval = time.Second
	maxLayers      = 3
	// longest is the longest that browsers may wait with pictures. It is more than they
	// have cause for, but they are told both limits or none.
	longest = 40 * time.Second
)

// codec of a format.
func (f Format) codec() (uptrack.Codec, func() rtp.Payloader, error) {
	c := uptrack.Codec{MimeType: f.MimeType, ClockRate: 90_000, Fmtp: f.Fmtp}
	var payloader func() rtp.Payloader
	switch strings.ToLower(f.MimeType) {
	case "video/h264":
		payloader = func() rtp.Payloader { return &codecs.H264Payloader{} }
		if c.Fmtp == "" {
			c.Fmtp = "packetization-mode=1;profile-level-id=42e01f"
		}
	case "video/h265":
		payloader = func() rtp.Payloader { return &codecs.H265Payloader{} }
	case "video/vp8":
		payloader = func() rtp.Payloader { return &codecs.VP8Payloader{EnablePictureID: true} }
	case "video/vp9":
		payloader = func() rtp.Payloader { return &codecs.VP9Payloader{} }
	case "video/av1":
		payloader = func() rtp.Payloader { return &codecs.AV1Payloader{} }
	case "audio/opus":
		c.ClockRate, c.Channels = 48_000, 2
		payloader = func() rtp.Payloader { return &codecs.OpusPayloader{} }
		if f.Stereo && c.Fmtp == "" {
			c.Fmtp = "sprop-stereo=1"
		}
	default:
		return c, nil, refuse(InvalidArgument, "%.64q is no codec that rooms take", f.MimeType)
	}
	return c, payloader, nil
}

// Publish makes a track with the name and source that the endpoint's options say,
// and tells the room of it. Join comes before it. It fails once the session is over.
func (x *Session) Publish(ctx context.Context, f Format) (*Track, error) {
	f.Layers = min(max(f.Layers, 1), maxLayers)
	codec, payloader, err := f.codec()
	if err != nil {
		return nil, err
	}
	x.mu.Lock()
	injection, ok := x.presence.(*room.Injection)
	over, n := x.over, len(x.tracks)
	x.mu.Unlock()
	switch {
	case over:
		return nil, ErrEnded
	case !ok:
		return nil, refuse(FailedPrecondition, "BUG: a track is published before its session has joined")
	}
	req := x.announcement(f)
	req.Cid = fmt.Sprintf("%s-%d", x.id, n)
	t := &Track{session: x, format: f, rate: codec.ClockRate, layers: make([]layerWriter, f.Layers)}
	media := room.InjectedMedia{Codec: codec, Layers: f.Layers, OnKeyframe: f.OnKeyframe}
	if req.Type == livekit.TrackType_AUDIO {
		media.AudioLevelExt = levelExtension
		t.loud = newLoudness()
	} else if least := x.s.opts.Behind; f.Awaits && least > 0 {
		media.PlayoutDelay = [2]time.Duration{least, longest}
	}
	if t.injected, err = injection.Publish(ctx, req, media); err != nil {
		return nil, err
	}
	for i := range t.layers {
		t.layers[i].payloader = payloader()
	}
	x.mu.Lock()
	x.tracks = append(x.tracks, t)
	x.mu.Unlock()
	x.came()
	return t, nil
}

// came has the state name a track that came after the start.
func (x *Session) came() {
	infos := x.infos()
	x.s.mu.Lock()
	defer x.s.mu.Unlock()
	if e := x.endpoint; e.session == x && x.started {
		e.change(func(state *livekit.IngressState) { state.Tracks = infos })
		e.keep()
	}
}

// announcement describes a track as the endpoint's options say.
func (x *Session) announcement(f Format) *livekit.AddTrackRequest {
	kind, codec, _ := strings.Cut(strings.ToLower(f.MimeType), "/")
	req := &livekit.AddTrackRequest{Type: livekit.TrackType_VIDEO, Width: f.Width, Height: f.Height, Stream: stream}
	if kind == "audio" {
		o := x.info.Audio
		req.Type, req.Name, req.Source = livekit.TrackType_AUDIO, o.GetName(), o.GetSource()
		req.Stereo, req.DisableRed = f.Stereo, true //nolint:staticcheck // clients read it
		if req.Source == livekit.TrackSource_UNKNOWN {
			req.Source = livekit.TrackSource_MICROPHONE
		}
		if f.Stereo {
			req.AudioFeatures = []livekit.AudioTrackFeature{livekit.AudioTrackFeature_TF_STEREO}
		}
		return req
	}
	o := x.info.Video
	req.Name, req.Source = o.GetName(), o.GetSource()
	if req.Source == livekit.TrackSource_UNKNOWN {
		req.Source = livekit.TrackSource_CAMERA
	}
	req.SimulcastCodecs = []*livekit.SimulcastCodec{{Codec: codec}}
	req.Layers = layersOf(f)
	return req
}

// layersOf describes the encodings of video, each half as large as the next.
func layersOf(f Format) []*livekit.VideoLayer {
	n := f.Layers
	layers := make([]*livekit.VideoLayer, 0, n)
	for i := range n {
		down := n - 1 - i
		quality := livekit.VideoQuality(i)
		if n == 1 {
			quality = livekit.VideoQuality_HIGH
		}
		layers = append(layers, &livekit.VideoLayer{Quality: quality, Width: f.Width >> down, Height: f.Height >> down, Ssrc: 0})
	}
	return layers
}

// Info is the track as it was published. It is immutable.
func (t *Track) Info() *livekit.TrackInfo { return t.injected.Info() }

// Resize says how large the pictures are now.
func (t *Track) Resize(width, height uint32) { t.injected.Resize(width, height) }

// bitrate is what comes, in bits a second over the last one.
func (t *Track) bitrate() (sum uint32) {
	for _, l := range t.injected.Stats().Layers {
		sum += uint32(l.Bitrate)
	}
	return sum
}

// WriteSample sends a frame. Samples of a layer are written by one goroutine at a
// time. It fails once the session is over.
func (t *Track) WriteSample(s Sample) error {
	select {
	case <-t.session.ended:
		return ErrEnded
	default:
	}
	if s.Layer < 0 || s.Layer >= len(t.layers) {
		return refuse(InvalidArgument, "BUG: layer %d of %d", s.Layer, len(t.layers))
	}
	t.session.flows()
	w := &t.layers[s.Layer]
	w.mu.Lock()
	defer w.mu.Unlock()
	timestamp := t.base + ticks(s.PTS, t.rate)
	t.report(w, s.Layer, s.PTS, timestamp)
	if t.loud != nil && !s.HasLevel {
		s.Level, s.HasLevel = t.loud.of(s.Data)
	}
	payloads := w.payloader.Payload(maxPayload, s.Data)
	batch, send := room.Together()
	defer send()
	for i, payload := range payloads {
		h := rtp.Header{
			Version: 2, SSRC: t.injected.SSRC(s.Layer), SequenceNumber: w.seq, Timestamp: timestamp,
			PayloadType: 96, Marker: i == len(payloads)-1,
		}
		if s.HasLevel && t.loud != nil {
			h.Marker = false
			if err := h.SetExtension(levelExtension, []byte{s.Level & 0x7f}); err != nil {
				return err
			}
		}
		w.seq++
		if err := t.send(w, &h, payload, s.Layer, batch); err != nil {
			return err
		}
	}
	return nil
}

// ticks is how often the clock of a track ticks in d, modulo 2³². It is exact for
// days.
func ticks(d time.Duration, rate uint32) uint32 {
	whole := int64(d / time.Second)
	rest := int64(d % time.Second)
	return uint32(whole*int64(rate) + rest*int64(rate)/int64(time.Second))
}

// send writes one packet of the layer, whose mutex is held.
func (t *Track) send(w *layerWriter, h *rtp.Header, payload []byte, layer int, batch uptrack.Batch) error {
	size := h.MarshalSize() + len(payload)
	if cap(w.buf) < size {
		w.buf = make([]byte, max(size, 1500))
	}
	n, err := h.MarshalTo(w.buf[:size])
	if err != nil {
		return err
	}
	copy(w.buf[n:size], payload)
	t.injected.Write(layer, w.buf[:size], batch)
	return nil
}

// WriteRTP passes a packet of the source's through as it is, but for the SSRC,
// which becomes that of the layer. Timestamps are the source's: Report says what
// they mean. It fails once the session is over, and for what is no RTP.
func (t *Track) WriteRTP(layer int, raw []byte) error {
	select {
	case <-t.session.ended:
		return ErrEnded
	default:
	}
	if layer < 0 || layer >= len(t.layers) {
		return refuse(InvalidArgument, "BUG: layer %d of %d", layer, len(t.layers))
	}
	var h rtp.Header
	n, err := h.Unmarshal(raw)
	if err != nil {
		return fmt.Errorf("read packet: %w", err)
	}
	t.session.flows()
	w := &t.layers[layer]
	w.mu.Lock()
	defer w.mu.Unlock()
	h.SSRC = t.injected.SSRC(layer)
	return t.send(w, &h, raw[n:], layer, nil)
}

// Report says which moment of the source's clock a timestamp of WriteRTP stands for,
// so that tracks are played in step. WriteSample does that by itself.
func (t *Track) Report(layer int, pts time.Duration, timestamp uint32) {
	t.injected.Report(layer, t.session.clock.ntp(pts, time.Now()), timestamp)
}

// Begins says that the source's clock shows pts now: what is written at first may have
// waited for a while. Without it the first that is written is taken to be of now.
func (x *Session) Begins(pts time.Duration) { x.clock.ntp(pts, time.Now()) }

// report is Report, now and then.
func (t *Track) report(w *layerWriter, layer int, pts time.Duration, timestamp uint32) {
	now := time.Now()
	if now.Sub(w.reported) >= reportInterval {
		w.reported = now
		t.injected.Report(layer, t.session.clock.ntp(pts, now), timestamp)
	}
}

// Close unpublishes the track.
func (t *Track) Close() { t.injected.Close() }

// mediaClock puts the source's clock beside the wall clock, once for a session.
type mediaClock struct {
	mu   sync.Mutex
	zero time.Time // when the source's clock was at 0
}

// ntp is the moment pts in NTP's format (RFC 3550 §4), on a clock that runs as the
// source's does.
func (c *mediaClock) ntp(pts time.Duration, now time.Time) uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.zero.IsZero() {
		c.zero = now.Add(-pts)
	}
	at := c.zero.Add(pts)
	const epoch = 2_208_988_800 // seconds from 1900 to 1970
	seconds := uint64(at.Unix() + epoch)
	fraction := uint64(at.Nanosecond()) << 32 / uint64(time.Second)
	return seconds<<32 | fraction
}

// muted hears that the API mutes a track.
func (x *Session) muted(sid string, muted bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, t := range x.tracks {
		if t.injected.SID() == sid && t.format.OnMuted != nil {
			go t.format.OnMuted(muted)
		}
	}
}
