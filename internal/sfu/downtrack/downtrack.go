package downtrack

import (
	"time"

	"github.com/pion/rtcp"
	"github.com/pion/rtp"

	"github.com/rollcall-rtc/rollcall/internal/sfu/uptrack"
)

// Writer sends one RTP packet. It must be safe for concurrent use and must
// not keep the header or the payload.
type Writer interface {
	WriteRTP(h *rtp.Header, payload []byte) (int, error)
}

// Ext maps a header extension id of the publisher to one of the subscriber.
type Ext struct{ From, To uint8 }

// Binding is what was negotiated with the subscriber for the track.
type Binding struct {
	SSRC        uint32
	PayloadType uint8
	// RTXSSRC and RTXPayloadType select RFC 4588 retransmission; if one is 0
	// packets are repeated as they were.
	RTXSSRC        uint32
	RTXPayloadType uint8
	Writer         Writer
	RTX            Writer // nil means Writer
	// Extensions are forwarded; all others are stripped.
	Extensions []Ext
}

// Source is the up-track as a DownTrack sees it; *uptrack.UpTrack is one.
type Source interface {
	Codec() uptrack.Codec
	Attach(uptrack.Sink)
	Detach(uptrack.Sink)
	RequestKeyframe(layer int)
}

// Options configure a DownTrack. Only Source is required.
type Options struct {
	Source Source
	// OnLayer is called when forwarding starts and when it moves to another
	// layer. It runs on the packet path and must not block.
	OnLayer func(layer int)
	// Now is the clock; nil means time.Now.
	Now func() time.Time
}

// DownTrack is one track as one subscriber receives it.
type DownTrack struct {
	opts Options // immutable
}

// New returns an unbound DownTrack.
func New(opts Options) *DownTrack { return &DownTrack{opts: opts} }

// Bind starts sending with b and attaches to the source. Binding again
// replaces the binding.
func (d *DownTrack) Bind(b Binding) {}

// Unbind stops sending and detaches from the source. One packet may still be
// on its way to the Writer when it returns.
func (d *DownTrack) Unbind() {}

// SetPaused stops and resumes sending; video resumes at a key frame.
func (d *DownTrack) SetPaused(paused bool) {}

// SetMaxLayer caps the layer. If only higher ones are live the lowest of them
// is sent.
func (d *DownTrack) SetMaxLayer(layer int) {}

// Write implements uptrack.Sink.
func (d *DownTrack) Write(p *uptrack.Packet) {}

// HandleRTCP takes the subscriber's RTCP: NACK is answered from the source's
// cache, PLI and FIR go to the source, reception reports to Stats. Packets
// about other SSRCs are ignored.
func (d *DownTrack) HandleRTCP(pkts []rtcp.Packet) {}

// SenderReport returns the report for now, nil before the first packet.
func (d *DownTrack) SenderReport(now time.Time) *rtcp.SenderReport { return nil }

// Stats returns a snapshot.
func (d *DownTrack) Stats() Stats { return Stats{} }

// Close unbinds for good.
func (d *DownTrack) Close() {}

// Stats is a snapshot of a DownTrack.
type Stats struct {
	Bound   bool
	Paused  bool
	Layer   int // being sent; -1 before the first packet and while waiting for a key frame
	Packets uint64
	Octets  uint64 // of payload, retransmissions excluded

	Retransmitted uint64 // packets
	NACKs         uint64 // packets the subscriber asked for
	NACKMisses    uint64 // of those, no longer or never held
	PLIs          uint64 // received, FIR included
	WriteErrors   uint64

	// From the subscriber's last reception report.
	RTT          time.Duration
	Jitter       time.Duration
	FractionLost float64
	Lost         int64
}
