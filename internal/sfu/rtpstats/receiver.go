package rtpstats

import (
	"time"

	"github.com/pion/rtcp"
)

// Receiver counts one SSRC as received. Make it with NewReceiver.
type Receiver struct {
	rate  uint32
	epoch time.Time // arrival times are ticks since then

	started  bool
	base     uint64 // first sequence number, extended
	highest  uint64
	received uint64 // duplicates excluded
	transit  int64
	jitter   int64 // ticks, scaled by 16

	expectedPrior uint64
	receivedPrior uint64

	lsr   uint32 // middle bits of the last sender report's NTP time
	lsrAt time.Time
}

// NewReceiver returns a Receiver for an RTP clock rate.
func NewReceiver(rate uint32) Receiver { return Receiver{rate: max(rate, 1)} }

// Packet notes a packet by its extended sequence number and RTP timestamp.
func (r *Receiver) Packet(seq uint64, timestamp uint32, arrival time.Time) {
	if !r.started {
		r.started, r.epoch = true, arrival
		r.base, r.highest = seq, seq
		r.transit = -int64(timestamp)
	}
	r.base = min(r.base, seq)
	r.highest = max(r.highest, seq)
	r.received++
	// The difference of two transit times is right modulo 2^32 although
	// timestamps wrap (RFC 3550 A.8).
	transit := Ticks(arrival.Sub(r.epoch), r.rate) - int64(timestamp)
	d := int64(int32(uint32(transit - r.transit)))
	r.transit = transit
	if d < 0 {
		d = -d
	}
	if d < int64(r.rate)*5 { // a jump of the sender's clock is no jitter
		r.jitter += d - (r.jitter+8)>>4
	}
}

// SenderReport notes a sender report for the LSR and DLSR fields.
func (r *Receiver) SenderReport(ntp uint64, arrival time.Time) {
	r.lsr, r.lsrAt = uint32(ntp>>16), arrival
}

// Received returns how many packets came.
func (r *Receiver) Received() uint64 { return r.received }

// Lost returns expected minus received packets.
func (r *Receiver) Lost() int64 {
	if !r.started {
		return 0
	}
	return int64(r.highest-r.base+1) - int64(r.received)
}

// Jitter returns the interarrival jitter.
func (r *Receiver) Jitter() time.Duration {
	return time.Duration(r.jitter>>4) * time.Second / time.Duration(r.rate)
}

// Report returns the report block for now and starts the next interval. It
// is not ok before the first packet.
func (r *Receiver) Report(ssrc uint32, now time.Time) (rtcp.ReceptionReport, bool) {
	if !r.started {
		return rtcp.ReceptionReport{}, false
	}
	expected := r.highest - r.base + 1
	interval := int64(expected - r.expectedPrior)
	lost := interval - int64(r.received-r.receivedPrior)
	r.expectedPrior, r.receivedPrior = expected, r.received
	var fraction uint8
	if interval > 0 && lost > 0 {
		fraction = uint8(min(lost<<8/interval, 255))
	}
	b := rtcp.ReceptionReport{
		SSRC:         ssrc,
		FractionLost: fraction,
		// 24 bits, signed; the library takes unsigned ones.
		TotalLost:          uint32(min(max(r.Lost(), 0), 1<<23-1)),
		LastSequenceNumber: uint32(r.highest),
		Jitter:             uint32(r.jitter >> 4),
		LastSenderReport:   r.lsr,
	}
	if r.lsr != 0 {
		b.Delay = uint32(Ticks(now.Sub(r.lsrAt), 65536))
	}
	return b, true
}
