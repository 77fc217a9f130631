package peer

import (
	"encoding/binary"
	"time"

	"github.com/pion/rtp"
	"github.com/pion/transport/v5/packetio"
	"github.com/pion/webrtc/v4"

	"github.com/rollcall-rtc/rollcall/internal/sfu/bwe"
)

// numbered is the last stage of a packet that is ours: it writes the
// transport-wide sequence number into the room left for it, and remembers when
// the packet went.
type numbered struct {
	webrtc.TrackLocalWriter
	history *bwe.History
	epoch   time.Time
	id      uint8
}

func newNumbered(w webrtc.TrackLocalWriter, h *bwe.History, id uint8) *numbered {
	return &numbered{TrackLocalWriter: w, history: h, epoch: h.Epoch(), id: id}
}

// WriteRTP implements downtrack.Writer.
func (n *numbered) WriteRTP(h *rtp.Header, payload []byte) (int, error) {
	if stamp := h.GetExtension(n.id); len(stamp) == 2 {
		size := h.MarshalSize() + len(payload) + int(h.PaddingSize)
		binary.BigEndian.PutUint16(stamp, n.history.Sent(size, time.Since(n.epoch)))
	}
	return n.TrackLocalWriter.WriteRTP(h, payload)
}

// maxWaiting is how many bytes of a stream wait for their reader.
const (
	maxWaitingRTP  = 1000 * 1000
	maxWaitingRTCP = 100 * 1000
)

// inbox is where pion puts the packets of one SSRC. Transport-wide feedback
// does not wait there: it names any SSRC that was sent, that of padding too,
// which nobody reads.
type inbox struct {
	*packetio.Buffer
	budget *budget // nil for RTP
}

func newInbox(kind packetio.BufferPacketType, g *budget) *inbox {
	b := &inbox{Buffer: packetio.NewBuffer()}
	b.SetLimitSize(maxWaitingRTP)
	if kind == packetio.RTCPBufferPacket {
		b.budget = g
		b.SetLimitSize(maxWaitingRTCP)
	}
	return b
}

// Write implements io.Writer.
func (b *inbox) Write(p []byte) (int, error) { return b.WriteWithAttributes(p, nil) }

// Read implements io.Reader.
func (b *inbox) Read(p []byte) (int, error) {
	n, _, err := b.Buffer.Read(p, nil)
	return n, err
}

// WriteWithAttributes is what pion calls where it can.
func (b *inbox) WriteWithAttributes(p []byte, a packetio.Attributes) (int, error) {
	if b.budget != nil && bwe.IsFeedback(p) {
		b.budget.feedback(p)
		return len(p), nil
	}
	return b.Buffer.Write(p, a)
}

// ReadWithAttributes is what pion calls where it can.
func (b *inbox) ReadWithAttributes(p []byte, a packetio.Attributes) (int, packetio.Attributes, error) {
	return b.Buffer.Read(p, a)
}
