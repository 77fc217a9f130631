package downtrack

import (
	"time"

	"github.com/pion/rtp"

	"github.com/rollcall-rtc/rollcall/internal/sfu/codec"
	"github.com/rollcall-rtc/rollcall/internal/sfu/rtpstats"
)

// Blank implements uptrack.Sink: it sends a frame that shows nothing, or silence,
// so that neither the last picture nor the last sound stays. What comes next
// begins anew. Nothing is sent of codecs that no such frame is known of, nor to
// who has seen nothing.
func (d *DownTrack) Blank(now time.Time) {
	b := d.binding.Load()
	if b == nil || d.stopped.Load() != 0 || d.f.m == nil {
		return
	}
	f := &d.f
	c := f.shape
	c.PictureID, c.TL0, c.KeyIdx = f.pictureID+1, f.tl0+1, f.keyIdx+1
	payload, ok := codec.AppendBlank(f.scratch[:0], d.src.Codec().MimeType, &c)
	if !ok {
		return
	}
	f.scratch = payload
	f.pictureID, f.tl0, f.keyIdx = c.PictureID, c.TL0, c.KeyIdx
	f.own(d, b, now, rtp.Header{Marker: d.gate, PayloadType: b.payloadType(d.red || b.Wrap)}, payload)
	d.counters.octets.Add(uint64(len(payload)))
}

// pad sends one packet of padding alone, after which sending begins anew.
func (f *forwarder) pad(d *DownTrack, b *Binding, now time.Time) {
	f.own(d, b, now, rtp.Header{Padding: true, PaddingSize: 255, PayloadType: b.payloadType(false)}, nil)
}

// own sends a packet that is not the publisher's, right after what was sent.
func (f *forwarder) own(d *DownTrack, b *Binding, now time.Time, h rtp.Header, payload []byte) {
	if f.started {
		f.timestamp += uint32(max(rtpstats.Ticks(max(now.Sub(f.arrival), 0), d.rate), 1))
	}
	f.started = true
	f.seq++
	f.arrival = now
	d.current.Store(-1)
	d.lastSent.Store(uint64(f.timestamp)<<32 | uint64(d.millis(now)))
	h.Version, h.SSRC, h.SequenceNumber, h.Timestamp = 2, b.SSRC, uint16(f.seq), f.timestamp
	h.Extensions = f.header.Extensions[:0]
	f.header = h
	if b.SequenceExt != 0 {
		_ = f.header.SetExtension(b.SequenceExt, f.stamp[:])
	}
	if _, err := b.Writer.WriteRTP(&f.header, payload, nil); err != nil {
		d.counters.writeErrors.Add(1)
		return
	}
	d.counters.packets.Add(1)
}
