package downtrack

import (
	"encoding/binary"
	"sync/atomic"
	"time"

	"github.com/pion/rtcp"
	"github.com/pion/rtp"

	"github.com/rollcall-rtc/rollcall/internal/sfu/codec"
	"github.com/rollcall-rtc/rollcall/internal/sfu/rtpstats"
	"github.com/rollcall-rtc/rollcall/internal/sfu/seqmap"
	"github.com/rollcall-rtc/rollcall/internal/sfu/uptrack"
)

const (
	// resendFloor is the least time between two retransmissions of a packet,
	// unknownRTT the time while the round trip is unknown.
	resendFloor = 10 * time.Millisecond
	unknownRTT  = 50 * time.Millisecond
)

// retransmitter answers NACKs; DownTrack.rtxMu guards it. Its buffer exists
// once the first packet was asked for.
type retransmitter struct {
	seq     uint16 // of the RTX stream
	buf     []byte // the packet from the cache
	packet  uptrack.Packet
	red     codec.RED
	wrapper rewrapper
	scratch []byte // the payload of RFC 4588
	header  rtp.Header
	stamp   [2]byte // the transport-wide sequence number of header
}

// HandleRTCP takes the subscriber's RTCP: NACK is answered from the source's
// cache, PLI and FIR go to the source, reception reports to Stats. Packets
// about other SSRCs are ignored.
func (d *DownTrack) HandleRTCP(pkts []rtcp.Packet) {
	b := d.binding.Load()
	if b == nil {
		return
	}
	for _, p := range pkts {
		switch p := p.(type) {
		case *rtcp.TransportLayerNack:
			if p.MediaSSRC == b.SSRC {
				d.handleNACK(b, p.Nacks)
			}
		case *rtcp.PictureLossIndication:
			if p.MediaSSRC == b.SSRC {
				d.handlePLI()
			}
		case *rtcp.FullIntraRequest:
			for _, e := range p.FIR {
				if e.SSRC == b.SSRC {
					d.handlePLI()
					break
				}
			}
		case *rtcp.ReceiverReport:
			d.handleReports(b, p.Reports)
		case *rtcp.SenderReport:
			d.handleReports(b, p.Reports)
		}
	}
}

func (d *DownTrack) handlePLI() {
	d.counters.plis.Add(1)
	d.askAgain()
}

// askAgain asks the source for a key frame of what is sent.
func (d *DownTrack) askAgain() {
	if d.stopped.Load() != 0 {
		return
	}
	if current := int(d.current.Load()); current >= 0 {
		d.src.RequestKeyframe(current)
		return
	}
	d.RequestKeyframe()
}

func (d *DownTrack) handleNACK(b *Binding, pairs []rtcp.NackPair) {
	history := d.history.Load()
	if history == nil || d.stopped.Load() != 0 {
		return
	}
	now := d.now()
	interval := time.Duration(d.reports.rtt.Load())
	if interval == 0 {
		interval = unknownRTT
	}
	interval = max(interval, resendFloor)
	d.rtxMu.Lock()
	defer d.rtxMu.Unlock()
	for _, pair := range pairs {
		pair.Range(func(seq uint16) bool {
			d.counters.nacks.Add(1)
			up, tag, note, ok := history.Lookup(seq)
			m := d.mappings[int(tag)%mappings].Load()
			if !ok || m == nil || m.tag != tag {
				d.counters.nackMisses.Add(1)
				return true
			}
			if !history.Resend(seq, now.Sub(d.epoch), interval) {
				return true
			}
			if !d.resend(b, m, note, seq, m.base+uint64(int64(int32(up-uint32(m.base))))) {
				d.counters.nackMisses.Add(1)
			}
			return true
		})
	}
}

// resend sends a packet again as it was sent under m, by RFC 4588 if that is
// negotiated. It reports false if the packet is no longer held.
func (d *DownTrack) resend(b *Binding, m *mapping, note uint8, seq uint16, up uint64) bool {
	r := &d.rtx
	if r.buf == nil {
		r.buf = make([]byte, uptrack.MaxPacket)
	}
	p := &r.packet
	if !d.src.Retrieve(m.layer, up, r.buf, p) {
		return false
	}
	marker, dropped, active := p.Marker, uint16(0), uint32(0)
	switch {
	case p.Structure != nil:
		marker, active = note&noteEnds != 0, recall(p, note)
	case p.Descriptor.HasSpatial:
		marker = marker || note&noteEnds != 0
	case d.runOn:
		// The note is the low bits of a count that has risen by little since.
		dropped = uint16(d.dropped.Load())
		dropped -= (dropped - uint16(note)) & seqmap.NoteMask
	}
	m.rewrite(p, dropped)
	if d.red && b.Unwrap && !p.Plain {
		if !r.red.Parse(p.Payload) {
			return false
		}
		p.Payload = r.red.Primary
	}
	if p.Plain = p.Plain || b.Wrap && note&noteWrapped == 0; b.Wrap && !p.Plain && !r.wrapper.wrap(d.src, b, p) {
		return false
	}
	r.header = rtp.Header{
		Version: 2, Marker: marker, PayloadType: b.payloadType(p.Plain), SSRC: b.SSRC,
		SequenceNumber: seq, Timestamp: p.Timestamp + m.timestamp,
		Extensions: r.header.Extensions[:0],
	}
	setExtensions(&r.header, b, p, tell(p, active, &p.Out), &r.stamp)
	w, payload := b.Writer, p.Payload
	if b.RTXSSRC != 0 && b.RTXPayloadType != 0 {
		r.header.SSRC, r.header.PayloadType, r.header.SequenceNumber = b.RTXSSRC, b.RTXPayloadType, r.seq
		r.seq++
		w, payload = b.RTX, r.withOriginal(seq)
	}
	if _, err := w.WriteRTP(&r.header, payload, nil); err != nil {
		d.counters.writeErrors.Add(1)
		return true
	}
	d.counters.retransmitted.Add(1)
	d.counters.retransmittedOctets.Add(uint64(len(payload)))
	return true
}

// withOriginal returns the payload with the original sequence number in front
// (RFC 4588 §4).
func (r *retransmitter) withOriginal(seq uint16) []byte {
	p := r.packet.Payload
	r.scratch = append(binary.BigEndian.AppendUint16(r.scratch[:0], seq), p...)
	return r.scratch
}

// ClockAt returns what the clock of what is sent shows at that moment, by the
// publisher's sender reports. It is not ok before there was one, nor before the
// first packet.
func (d *DownTrack) ClockAt(now time.Time) (timestamp uint32, ok bool) {
	m := d.mapping.Load()
	if m == nil {
		return 0, false
	}
	up, ok := d.src.RTPTime(m.layer, m.ssrc, now)
	return up + m.timestamp, ok
}

// counters are added to by the packet path and the RTCP side.
type counters struct {
	packets, octets, switches                                          atomic.Uint64
	retransmitted, retransmittedOctets, nacks, nackMisses, writeErrors atomic.Uint64
	plis, padding, recovered, malformed                                atomic.Uint64
}

// reports is what the subscriber last reported.
type reports struct {
	rtt      atomic.Int64 // nanoseconds, 0 = unknown
	jitter   atomic.Uint32
	fraction atomic.Uint32
	lost     atomic.Uint32
}

func (d *DownTrack) handleReports(b *Binding, blocks []rtcp.ReceptionReport) {
	for _, r := range blocks {
		if r.SSRC != b.SSRC {
			continue
		}
		d.playout.received(uint16(r.LastSequenceNumber))
		if d.unheard.CompareAndSwap(true, false) {
			d.askAgain()
		}
		d.reports.jitter.Store(r.Jitter)
		d.reports.fraction.Store(uint32(r.FractionLost))
		d.reports.lost.Store(r.TotalLost)
		if rtt, ok := rtpstats.RTT(d.now(), r.LastSenderReport, r.Delay); ok {
			d.reports.rtt.Store(int64(rtt))
		}
	}
}

// SenderReport returns the report for now, nil before the first packet and
// while unbound. Its NTP time is ours; its RTP time is what the publisher's
// clock shows at that moment, so that the tracks of one publisher, whose
// clocks are mapped alike, play together.
func (d *DownTrack) SenderReport(now time.Time) *rtcp.SenderReport {
	b, last := d.binding.Load(), d.lastSent.Load()
	if b == nil || last == 0 {
		return nil
	}
	age := int32(d.millis(now) - uint32(last))
	timestamp := uint32(last>>32) + uint32(rtpstats.Ticks(time.Duration(max(age, 0))*time.Millisecond, d.rate))
	if m := d.mapping.Load(); m != nil {
		if up, ok := d.src.RTPTime(m.layer, m.ssrc, now); ok {
			timestamp = up + m.timestamp
		}
	}
	return &rtcp.SenderReport{
		SSRC:        b.SSRC,
		NTPTime:     rtpstats.NTP(now),
		RTPTime:     timestamp,
		PacketCount: uint32(d.counters.packets.Load()),
		OctetCount:  uint32(d.counters.octets.Load()),
	}
}
