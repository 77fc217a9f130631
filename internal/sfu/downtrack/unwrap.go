package downtrack

import (
	"github.com/rollcall-rtc/rollcall/internal/sfu/codec"
	"github.com/rollcall-rtc/rollcall/internal/sfu/uptrack"
)

// unwrapper takes the redundancy out of redundant audio, for a subscriber that
// does not know it, and puts it where a packet is missing.
type unwrapper struct {
	red       codec.RED
	packet    uptrack.Packet     // the one made of redundancy
	recovered [recoveries]uint64 // numbers of the publisher that were made so
	n         int
}

// recoveries is how many recovered packets are remembered, so that the original
// is not sent as well if it was only late: one number must not be two packets.
const recoveries = 32

// payloadType is that of a packet, which is plain if it carries redundant audio
// without the redundancy.
func (b *Binding) payloadType(plain bool) uint8 {
	if b.Unwrap || plain {
		return b.PrimaryPayloadType
	}
	return b.PayloadType
}

// sendUnwrapped sends the primary block of a packet, after what its redundant
// blocks know of packets right before it that did not come.
func (f *forwarder) sendUnwrapped(d *DownTrack, b *Binding, p *uptrack.Packet) {
	if len(p.Payload) == 0 {
		f.sendAsIs(d, b, p)
		return
	}
	u := &f.unwrap
	whole := p.Payload
	defer func() { p.Payload = whole }()
	if !u.red.Parse(whole) {
		d.counters.malformed.Add(1)
		p.Payload = nil // the number is left out
	} else {
		p.Payload = u.red.Primary
	}
	if highest := f.seqs.Highest(); p.Seq > highest {
		f.recover(d, b, p, highest)
	} else if u.wasRecovered(p.Seq) {
		return
	}
	f.sendAsIs(d, b, p)
}

// recover sends what p's redundant blocks say of the packets missing before it.
// The last block is of the packet right before p, and so on.
func (f *forwarder) recover(d *DownTrack, b *Binding, p *uptrack.Packet, highest uint64) {
	u := &f.unwrap
	blocks := u.red.Redundant()
	missing := min(uint64(len(blocks)), p.Seq-highest-1)
	for k := missing; k > 0; k-- {
		block := blocks[uint64(len(blocks))-k]
		timestamp := p.Timestamp - block.Before
		// After a pause of discontinuous transmission a block may be of a packet
		// that was sent.
		if len(block.Payload) == 0 || int32(timestamp+f.m.timestamp-f.timestamp) <= 0 {
			continue
		}
		q := &u.packet
		*q = *p
		q.Seq, q.Timestamp, q.Marker, q.Payload = p.Seq-k, timestamp, false, block.Payload
		u.recovered[u.n%recoveries] = q.Seq
		u.n++
		f.sendAsIs(d, b, q)
		d.counters.recovered.Add(1)
	}
}

func (u *unwrapper) wasRecovered(seq uint64) bool {
	for i := max(0, u.n-recoveries); i < u.n; i++ {
		if u.recovered[i%recoveries] == seq {
			return true
		}
	}
	return false
}
