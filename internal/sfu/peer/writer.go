package peer

import (
	"github.com/pion/rtcp"
	"github.com/pion/rtp"

	"github.com/rollcall-rtc/rollcall/internal/sfu/srtp"
	"github.com/rollcall-rtc/rollcall/internal/sfu/transport"
	"github.com/rollcall-rtc/rollcall/internal/sfu/uptrack"
)

// Together returns a batch for packets and data that no connection brought in, and
// what sends it: those of one frame, or a message to many, go out in few system calls.
func Together() (batch uptrack.Batch, send func()) {
	b := transport.Borrow()
	return b, b.Return
}

// rtpWriter seals the packets of one SSRC. There is one for each SSRC of a
// connection, for as long as that lives: packet indices must not repeat.
type rtpWriter struct {
	packets *packets
	link    *transport.Link // of packets; one step less to the path
	stream  srtp.Stream
}

// writer returns the writer of an SSRC.
func (p *packets) writer(ssrc uint32) *rtpWriter {
	p.sendMu.Lock()
	defer p.sendMu.Unlock()
	w := p.writers[ssrc]
	if w == nil {
		w = &rtpWriter{packets: p, link: p.link}
		p.writers[ssrc] = w
	}
	return w
}

// WriteRTP implements downtrack.Writer.
func (w *rtpWriter) WriteRTP(h *rtp.Header, payload []byte, batch uptrack.Batch) (int, error) {
	sealer, path := w.packets.sealer.Load(), w.link.Path()
	if sealer == nil || path == nil {
		return 0, ErrNotConnected
	}
	index, ok := w.stream.Index(h.SequenceNumber)
	if !ok {
		return 0, srtp.ErrReplay
	}
	into, _ := batch.(*transport.Batch)
	if into == nil {
		into = transport.Borrow()
		defer into.Return()
	}
	header := h.MarshalSize()
	n := header + len(payload) + int(h.PaddingSize)
	b := into.Reserve(n + transport.Room)
	if _, err := h.MarshalTo(b); err != nil {
		return 0, err
	}
	copy(b[header:], payload)
	if h.PaddingSize > 0 {
		clear(b[header+len(payload) : n])
		b[n-1] = h.PaddingSize
	}
	into.AddRTP(path, sealer, n, header, index)
	return n, nil
}

// writeRTCP sends a compound packet to the client.
func (p *packets) writeRTCP(pkts []rtcp.Packet) error {
	sealer, path := p.sealer.Load(), p.link.Path()
	if sealer == nil || path == nil {
		return ErrNotConnected
	}
	raw, err := rtcp.Marshal(pkts)
	if err != nil {
		return err
	}
	batch := transport.Borrow()
	defer batch.Return()
	b := batch.Reserve(len(raw) + srtp.MaxOverhead)
	copy(b, raw)
	batch.Add(path, len(sealer.RTCP(&batch.Scratch, b[:len(raw)])))
	return nil
}
