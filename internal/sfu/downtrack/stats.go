package downtrack

import (
	"math/bits"
	"time"
)

// Stats is a snapshot of a DownTrack.
type Stats struct {
	Bound    bool
	Paused   bool   // by the subscriber
	Starved  bool   // by what its connection carries
	Layer    int    // being sent, inside a stream the highest; -1 before the first packet and while waiting for a key frame
	MaxLayer int    // the subscriber's wish
	Allotted int    // what its connection carries
	Missed   int    // live layers between the two
	Packets  uint64 // sent, retransmissions excluded
	Octets   uint64 // of their payload
	Switches uint64 // how often forwarding began or moved

	Retransmitted       uint64 // packets
	RetransmittedOctets uint64
	Padding             uint64 // packets
	NACKs               uint64 // packets the subscriber asked for
	NACKMisses          uint64 // of those, no longer or never held
	PLIs                uint64 // received, FIR included
	Recovered           uint64 // packets made of redundant audio
	Malformed           uint64 // packets of it that could not be read
	WriteErrors         uint64

	// From the subscriber's last reception report.
	RTT          time.Duration
	Jitter       time.Duration
	FractionLost float64
	Lost         int64
}

// Stats returns a snapshot.
func (d *DownTrack) Stats() Stats {
	c, r := &d.counters, &d.reports
	s := Stats{
		Bound:               d.binding.Load() != nil,
		Paused:              d.Paused(),
		Layer:               int(d.current.Load()),
		Starved:             d.Starved(),
		MaxLayer:            int(d.maxLayer.Load()),
		Allotted:            int(d.allotted.Load()),
		Padding:             c.padding.Load(),
		Packets:             c.packets.Load(),
		Octets:              c.octets.Load(),
		Switches:            c.switches.Load(),
		Retransmitted:       c.retransmitted.Load(),
		RetransmittedOctets: c.retransmittedOctets.Load(),
		NACKs:               c.nacks.Load(),
		NACKMisses:          c.nackMisses.Load(),
		PLIs:                c.plis.Load(),
		Recovered:           c.recovered.Load(),
		Malformed:           c.malformed.Load(),
		WriteErrors:         c.writeErrors.Load(),
		RTT:                 time.Duration(r.rtt.Load()),
		FractionLost:        float64(r.fraction.Load()) / 256,
		Lost:                int64(int32(r.lost.Load()<<8) >> 8), // 24 bits, signed
	}
	if spatial := int(d.spatial.Load()); s.Layer >= 0 && spatial >= 0 {
		s.Layer = spatial
	}
	if d.seen.Load() != d.restarts.Load() {
		s.Layer = -1
	}
	if live := d.src.Live(); !s.Paused && s.Allotted < s.MaxLayer {
		s.Missed = bits.OnesCount8(live & (2<<s.MaxLayer - 1) &^ (2<<s.Allotted - 1))
	}
	if d.rate > 0 {
		s.Jitter = time.Duration(r.jitter.Load()) * time.Second / time.Duration(d.rate)
	}
	return s
}
