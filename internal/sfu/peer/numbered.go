package peer

import (
	"encoding/binary"
	"time"

	"github.com/pion/rtp"

	"github.com/rollcall-rtc/rollcall/internal/sfu/bwe"
	"github.com/rollcall-rtc/rollcall/internal/sfu/downtrack"
	"github.com/rollcall-rtc/rollcall/internal/sfu/uptrack"
)

// numbered is the last stage of a packet that is ours: it writes the
// transport-wide sequence number into the room left for it, and remembers when
// the packet went.
type numbered struct {
	downtrack.Writer
	history *bwe.History
	epoch   time.Time
	id      uint8
	pacer   *pacer // of the connection; nil if history is never paced
	again   bool   // retransmissions and padding
	turn    uint32 // the pacer's, which guards it
}

func newNumbered(w downtrack.Writer, h *bwe.History, id uint8) *numbered {
	return &numbered{Writer: w, history: h, epoch: h.Epoch(), id: id}
}

// WriteRTP implements downtrack.Writer.
func (n *numbered) WriteRTP(h *rtp.Header, payload []byte, batch uptrack.Batch) (int, error) {
	if n.history.Paced() {
		return n.pacer.write(n, h, payload, batch)
	}
	return n.send(h, payload, batch)
}

// send has a packet go now.
func (n *numbered) send(h *rtp.Header, payload []byte, batch uptrack.Batch) (int, error) {
	if stamp := h.GetExtension(n.id); len(stamp) == 2 {
		size := h.MarshalSize() + len(payload) + int(h.PaddingSize)
		binary.BigEndian.PutUint16(stamp, n.history.Sent(size, time.Since(n.epoch)))
	}
	return n.Writer.WriteRTP(h, payload, batch)
}
