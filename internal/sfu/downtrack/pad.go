package downtrack

import "github.com/pion/rtp"

// padPacket is what one packet of padding adds to a connection: the most that
// RFC 3550 §5.1 allows, and a header.
const padPacket = 255 + 12 + 8

// Pad sends about so many bytes of padding, so that the connection can be
// measured. They go out as retransmissions of nothing (RFC 4588): receivers
// report their arrival and do no more. It returns how many bytes there were,
// 0 if retransmissions are not negotiated, or nobody reports the arrivals.
func (d *DownTrack) Pad(bytes int) (sent int) {
	b := d.binding.Load()
	if b == nil || b.RTXSSRC == 0 || b.RTXPayloadType == 0 || b.SequenceExt == 0 {
		return 0
	}
	d.rtxMu.Lock()
	defer d.rtxMu.Unlock()
	r := &d.rtx
	for sent < bytes {
		r.header = rtp.Header{
			Version: 2, Padding: true, PaddingSize: 255, PayloadType: b.RTXPayloadType, SSRC: b.RTXSSRC,
			SequenceNumber: r.seq, Timestamp: uint32(d.lastSent.Load() >> 32),
			Extensions: r.header.Extensions[:0],
		}
		r.seq++
		_ = r.header.SetExtension(b.SequenceExt, r.stamp[:])
		if _, err := b.RTX.WriteRTP(&r.header, nil, nil); err != nil {
			d.counters.writeErrors.Add(1)
			return sent
		}
		d.counters.padding.Add(1)
		sent += padPacket
	}
	return sent
}
