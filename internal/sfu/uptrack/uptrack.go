package uptrack

import (
	"time"

	"github.com/pion/rtcp"
)

// MaxLayers is how many simulcast layers one track may have.
const MaxLayers = 4

// Stream is a source of decrypted RTP packets, one per Read. Read returns an
// error when the stream has ended.
type Stream interface {
	Read(b []byte) (n int, err error)
}

// StreamInfo describes a Stream.
type StreamInfo struct {
	// RID is the simulcast rid, empty without simulcast. The rids q, h and f
	// are the layers 0, 1 and 2; any other takes the lowest free layer.
	RID string
	// SSRC is the publisher's media SSRC as negotiated or first seen.
	SSRC uint32
	// PayloadType is the media payload type. Packets with another one are
	// dropped and counted; 0 accepts any.
	PayloadType uint8
}

// Codec is what the track is encoded with.
type Codec struct {
	MimeType  string // "video/VP8", "audio/opus"
	ClockRate uint32
	Channels  uint16
	Fmtp      string
}

// Options configure an UpTrack. Only Codec is required.
type Options struct {
	Codec Codec

	// AudioLevelExt is the negotiated id of ssrc-audio-level (RFC 6464), 0 if none.
	AudioLevelExt uint8
	// DependencyDescriptorExt is the negotiated id of the AV1 dependency
	// descriptor, 0 if none.
	DependencyDescriptorExt uint8
	// NACK says that the publisher retransmits what we ask for.
	NACK bool
	// SenderSSRC is the SSRC our RTCP comes from; 0 means 1.
	SenderSSRC uint32
	// Clock is shared by the tracks of one publisher so that their sender
	// reports are mapped alike; nil makes one for this track.
	Clock *Clock

	// WriteRTCP sends feedback to the publisher. It is called without locks
	// held, from stream goroutines, timers and callers of RequestKeyframe.
	WriteRTCP func([]rtcp.Packet) error
	// OnFirstPacket is called once, from a stream goroutine, when the first
	// packet that carries media has arrived.
	OnFirstPacket func()
	// OnAudioLevel is called for every packet that carries RFC 6464 level
	// (0 loudest to 127 silence, in -dBov). It runs on the packet path.
	OnAudioLevel func(level uint8, voice bool)

	// Now is the clock; nil means time.Now.
	Now func() time.Time
}

// Sink takes the packets of an UpTrack. Packets of one layer come in turn
// from one goroutine; different layers come concurrently. Write must not
// block and must not keep the packet or anything it points to. It may change
// the bytes of Payload and extensions while it runs if it puts them back.
type Sink interface {
	Write(p *Packet)
}

// UpTrack is one published track. Its methods may be called from anywhere.
type UpTrack struct {
	opts Options // immutable
}

// New returns an UpTrack without streams.
func New(opts Options) *UpTrack { return &UpTrack{opts: opts} }

// Codec returns what the track is encoded with.
func (u *UpTrack) Codec() Codec { return u.opts.Codec }

// AddStream starts one goroutine that reads s until it fails. A second stream
// for the same rid takes that layer over.
func (u *UpTrack) AddStream(info StreamInfo, s Stream) {}

// Attach adds a sink and requests a key frame. Attaching twice is harmless.
// A DownTrack attaches itself when it is bound.
func (u *UpTrack) Attach(s Sink) {}

// Detach removes a sink. A Write that is under way may still finish after it.
func (u *UpTrack) Detach(s Sink) {}

// RequestKeyframe asks the publisher for a key frame of a layer, at most every
// half second, and repeats a few times until one arrives.
func (u *UpTrack) RequestKeyframe(layer int) {}

// HandleRTCP takes the publisher's RTCP, of which sender reports matter. The
// ssrc is that of the stream the packets were read from; packets about other
// SSRCs find their layer by the SSRC inside.
func (u *UpTrack) HandleRTCP(ssrc uint32, pkts []rtcp.Packet) {}

// SetRTT tells the round trip time to the publisher, if the transport knows
// it. Without it the track estimates it from its own retransmissions.
func (u *UpTrack) SetRTT(rtt time.Duration) {}

// SetMuted stops and resumes forwarding. Packets that arrive while muted are
// counted and dropped; video resumes with a key frame.
func (u *UpTrack) SetMuted(muted bool) {}

// Muted reports whether forwarding is stopped by SetMuted.
func (u *UpTrack) Muted() bool { return false }

// AudioLevel returns the track's loudness over the last window, from 0
// (silence) to 1, and whether that counts as speaking. It decays to silence
// when packets stop.
func (u *UpTrack) AudioLevel(now time.Time) (level float64, speaking bool) { return 0, false }

// Stats returns a snapshot.
func (u *UpTrack) Stats() Stats { return Stats{} }

// Close stops the track's timers and feedback and waits until its stream
// goroutines have ended, so end the Streams first. Sinks are detached.
func (u *UpTrack) Close() {}
