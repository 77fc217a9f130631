package client

import (
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pion/rtcp"
	"github.com/pion/rtp"
	"github.com/pion/rtp/codecs"
	"github.com/pion/sdp/v3"
	"github.com/pion/webrtc/v4"
)

// sendMTU is how long our packets are at most; it leaves room for SRTP, TURN
// and an extension or two.
const sendMTU = 1200

// Codecs to make tracks with.
var (
	Opus = webrtc.RTPCodecCapability{MimeType: webrtc.MimeTypeOpus, ClockRate: 48000, Channels: 2, SDPFmtpLine: "minptime=10;useinbandfec=1"}
	PCMU = webrtc.RTPCodecCapability{MimeType: webrtc.MimeTypePCMU, ClockRate: 8000}
	PCMA = webrtc.RTPCodecCapability{MimeType: webrtc.MimeTypePCMA, ClockRate: 8000}
	VP8  = webrtc.RTPCodecCapability{MimeType: webrtc.MimeTypeVP8, ClockRate: 90000}
	VP9  = webrtc.RTPCodecCapability{MimeType: webrtc.MimeTypeVP9, ClockRate: 90000, SDPFmtpLine: "profile-id=0"}
	H264 = webrtc.RTPCodecCapability{MimeType: webrtc.MimeTypeH264, ClockRate: 90000, SDPFmtpLine: "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f"}
	H265 = webrtc.RTPCodecCapability{MimeType: webrtc.MimeTypeH265, ClockRate: 90000}
	AV1  = webrtc.RTPCodecCapability{MimeType: webrtc.MimeTypeAV1, ClockRate: 90000}
)

// Sample is one encoded frame of audio or video.
type Sample struct {
	Data []byte
	// Duration is how long the frame lasts.
	Duration time.Duration
	// Timestamp is the RTP time of a frame that was received, which
	// RemoteTrack.CapturedAt understands. It is not read.
	Timestamp uint32
	// AudioLevel is how loud it is, from 0 for silence to 1; servers find the
	// active speakers by it. Voice says that somebody speaks. Audio only.
	AudioLevel float64
	Voice      bool
}

// FrameTransform changes a frame, for end-to-end encryption. It may change data
// in place, and returns the frame in its stead.
type FrameTransform func(data []byte) ([]byte, error)

// LocalTrack is media that the local participant can publish. An application
// writes samples or RTP packets to it; while it is not published, or muted, they
// are dropped. All methods may be called from anywhere, but samples are sent in
// the order of the calls.
type LocalTrack struct {
	// immutable
	codec     webrtc.RTPCodecCapability
	id, rid   string
	payloader func() (rtp.Payloader, error)
	clock     uint32

	muted  atomic.Bool
	paused atomic.Bool // nobody needs this layer

	mu         sync.Mutex
	transform  FrameTransform // mu guards
	keyFrame   func()         // mu guards; called when somebody needs one
	packetizer rtp.Packetizer // mu guards; nil before the first sample
	bindings   []*binding     // mu guards
	boundc     chan struct{}  // mu guards; closed while somebody takes packets
	mid        string         // mu guards; of a layer's media section
	fraction   time.Duration  // mu guards; of samples' time not yet in timestamps
	redundancy redSender      // mu guards
}

// binding is one connection's interest in a track.
type binding struct {
	// immutable
	id          string
	ssrc        uint32
	payloadType uint8
	primary     uint8 // payload type within redundant audio; 0 if it is not redundant
	// Ids of header extensions; 0 if not agreed on.
	levelID, midID, ridID uint8
	writer                webrtc.TrackLocalWriter
}

var errNoPayloader = errors.New("no packets are made of samples of this codec; write RTP")

// NewLocalTrack makes a track of the codec, which samples or packets are written to.
func NewLocalTrack(codec webrtc.RTPCodecCapability) *LocalTrack {
	return newLayer(codec, "TR_"+rand.Text(), "")
}

// NewSimulcastTracks makes the layers of one video track, from the smallest to
// the largest: two or three. Each is written to separately.
func NewSimulcastTracks(codec webrtc.RTPCodecCapability, layers int) ([]*LocalTrack, error) {
	if layers < 2 || layers > len(rids) {
		return nil, fmt.Errorf("%d simulcast layers: there can be 2 or 3", layers)
	}
	id := "TR_" + rand.Text()
	var all []*LocalTrack
	for _, rid := range rids[:layers] {
		all = append(all, newLayer(codec, id, rid))
	}
	return all, nil
}

// rids name the layers of a simulcast track, the smallest first.
var rids = []string{"q", "h", "f"}

func newLayer(codec webrtc.RTPCodecCapability, id, rid string) *LocalTrack {
	t := &LocalTrack{codec: codec, id: id, rid: rid, clock: codec.ClockRate, boundc: make(chan struct{})}
	t.payloader = sync.OnceValues(func() (rtp.Payloader, error) { return payloaderFor(codec.MimeType) })
	return t
}

func payloaderFor(mime string) (rtp.Payloader, error) {
	switch strings.ToLower(mime) {
	case strings.ToLower(webrtc.MimeTypeOpus):
		return &codecs.OpusPayloader{}, nil
	case strings.ToLower(webrtc.MimeTypePCMU), strings.ToLower(webrtc.MimeTypePCMA):
		return &codecs.G711Payloader{}, nil
	case strings.ToLower(webrtc.MimeTypeVP8):
		return &codecs.VP8Payloader{EnablePictureID: true}, nil
	case strings.ToLower(webrtc.MimeTypeVP9):
		return &codecs.VP9Payloader{}, nil
	case strings.ToLower(webrtc.MimeTypeH264):
		return &codecs.H264Payloader{}, nil
	case strings.ToLower(webrtc.MimeTypeH265):
		return &codecs.H265Payloader{}, nil
	case strings.ToLower(webrtc.MimeTypeAV1):
		return &codecs.AV1Payloader{}, nil
	default:
		return nil, fmt.Errorf("%s: %w", mime, errNoPayloader)
	}
}

// Codec is how the track is encoded.
func (t *LocalTrack) Codec() webrtc.RTPCodecCapability { return t.codec }

// OnKeyFrameRequest calls fn when somebody needs a picture that can be decoded
// without what came before. There is one such function for a track.
func (t *LocalTrack) OnKeyFrameRequest(fn func()) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.keyFrame = fn
}

// SetTransform has every sample pass through fn before it is sent.
func (t *LocalTrack) SetTransform(fn FrameTransform) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.transform = fn
}

// Bound is closed once packets are taken: what is written before is dropped. After
// a full reconnect there is a new channel.
func (t *LocalTrack) Bound() <-chan struct{} {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.boundc
}

// Paused says that nobody needs this layer now, so that it need not be encoded.
func (t *LocalTrack) Paused() bool { return t.paused.Load() }

// WriteSample sends a frame.
func (t *LocalTrack) WriteSample(s Sample) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.packetizer == nil {
		p, err := t.payloader()
		if err != nil {
			return err
		}
		t.packetizer = rtp.NewPacketizerWithOptions(sendMTU, p, rtp.NewRandomSequencer(), t.clock)
	}
	// What is less than a tick is kept for the next sample, so that nothing drifts.
	t.fraction += s.Duration
	ticks := uint32(int64(t.fraction) * int64(t.clock) / int64(time.Second))
	t.fraction -= time.Duration(int64(ticks) * int64(time.Second) / int64(t.clock))
	if len(t.bindings) == 0 || t.muted.Load() || t.paused.Load() {
		t.packetizer.SkipSamples(ticks)
		return nil
	}
	data := s.Data
	if t.transform != nil {
		var err error
		if data, err = t.transform(data); err != nil {
			return fmt.Errorf("transform frame: %w", err)
		}
	}
	var err error
	for _, p := range t.packetizer.Packetize(data, ticks) {
		err = errors.Join(err, t.write(p, &s))
	}
	return err
}

// WriteRTP sends a packet. Its SSRC and payload type are replaced by those that
// were agreed upon; its header extensions are not sent.
func (t *LocalTrack) WriteRTP(p *rtp.Packet) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.muted.Load() || t.paused.Load() {
		return nil
	}
	return t.write(p, nil)
}

// write sends p to everybody who is interested. The caller holds mu.
func (t *LocalTrack) write(p *rtp.Packet, s *Sample) error {
	var failed error
	var red []byte // the same for all: the primary's payload type is
	for _, b := range t.bindings {
		h, payload := p.Header, p.Payload
		if b.primary != 0 {
			if red == nil {
				red = t.redundancy.payload(p, b.primary)
			}
			payload = red
		}
		h.SSRC, h.PayloadType = b.ssrc, b.payloadType
		h.Extension, h.Extensions, h.ExtensionProfile = false, nil, 0
		err := t.extend(&h, b, s)
		if err == nil {
			_, err = b.writer.WriteRTP(&h, payload)
		}
		failed = errors.Join(failed, err)
	}
	return failed
}

// extend adds what servers want to know of a packet: how loud it is, and of which
// layer. The caller holds mu.
func (t *LocalTrack) extend(h *rtp.Header, b *binding, s *Sample) error {
	if s != nil && b.levelID != 0 {
		level, err := rtp.AudioLevelExtension{Level: dBov(s.AudioLevel), Voice: s.Voice}.Marshal()
		if err != nil {
			return err
		}
		if err := h.SetExtension(b.levelID, level); err != nil {
			return err
		}
	}
	if t.rid == "" || b.midID == 0 || b.ridID == 0 || t.mid == "" {
		return nil
	}
	// RFC 8852 §3: the layers' packets belong to one media section.
	return errors.Join(h.SetExtension(b.midID, []byte(t.mid)), h.SetExtension(b.ridID, []byte(t.rid)))
}

// setMid names the media section that the layers' packets belong to.
func (t *LocalTrack) setMid(mid string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.mid = mid
}

// onRTCP tells the application what receivers ask for.
func (t *LocalTrack) onRTCP(packets []rtcp.Packet) {
	for _, p := range packets {
		switch p.(type) {
		case *rtcp.PictureLossIndication, *rtcp.FullIntraRequest:
			t.wantKeyFrame()
			return
		}
	}
}

func (t *LocalTrack) wantKeyFrame() {
	t.mu.Lock()
	fn := t.keyFrame
	t.mu.Unlock()
	if fn != nil {
		fn()
	}
}

// setPaused says whether anybody needs the layer.
func (t *LocalTrack) setPaused(paused bool) {
	if t.paused.Swap(paused) && !paused {
		t.wantKeyFrame()
	}
}

// outgoing is a LocalTrack as pion knows it.
type outgoing struct {
	*LocalTrack
	red bool // with redundancy, if the server takes it
}

// Bind implements webrtc.TrackLocal.
func (o outgoing) Bind(ctx webrtc.TrackLocalContext) (webrtc.RTPCodecParameters, error) {
	chosen, err := agreed(o.codec, ctx.CodecParameters())
	if err != nil {
		return webrtc.RTPCodecParameters{}, err
	}
	b := &binding{id: ctx.ID(), ssrc: uint32(ctx.SSRC()), payloadType: uint8(chosen.PayloadType), writer: ctx.WriteStream()}
	if red, opus, found := redOf(ctx.CodecParameters()); found && o.red {
		chosen, b.payloadType, b.primary = red, uint8(red.PayloadType), uint8(opus.PayloadType)
	}
	for _, e := range ctx.HeaderExtensions() {
		switch {
		case e.URI == sdp.AudioLevelURI && o.Kind() == webrtc.RTPCodecTypeAudio:
			b.levelID = uint8(e.ID)
		case e.URI == sdp.SDESMidURI:
			b.midID = uint8(e.ID)
		case e.URI == sdp.SDESRTPStreamIDURI:
			b.ridID = uint8(e.ID)
		}
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.bindings = append(o.bindings, b)
	if len(o.bindings) == 1 {
		close(o.boundc)
	}
	return chosen, nil
}

// Unbind implements webrtc.TrackLocal.
func (o outgoing) Unbind(ctx webrtc.TrackLocalContext) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	for i, b := range o.bindings {
		if b.id == ctx.ID() {
			o.bindings = append(o.bindings[:i:i], o.bindings[i+1:]...)
			if len(o.bindings) == 0 {
				o.boundc = make(chan struct{})
			}
			return nil
		}
	}
	return nil
}

// ID implements webrtc.TrackLocal.
func (o outgoing) ID() string { return o.id }

// RID implements webrtc.TrackLocal.
func (o outgoing) RID() string { return o.rid }

// StreamID implements webrtc.TrackLocal.
func (o outgoing) StreamID() string { return o.id }

// Kind implements webrtc.TrackLocal.
func (o outgoing) Kind() webrtc.RTPCodecType { return kindOf(o.codec) }

func kindOf(codec webrtc.RTPCodecCapability) webrtc.RTPCodecType {
	if strings.HasPrefix(strings.ToLower(codec.MimeType), "audio/") {
		return webrtc.RTPCodecTypeAudio
	}
	return webrtc.RTPCodecTypeVideo
}
