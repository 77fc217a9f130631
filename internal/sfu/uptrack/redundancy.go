package uptrack

import "github.com/rollcall-rtc/rollcall/internal/sfu/codec"

// redundancy makes redundant audio of Opus that comes without (RFC 2198): each packet
// with the one before it in front. It is made once for all subscribers. In turn only.
type redundancy struct {
	// Of the newest packet that was forwarded; seq 0 is none.
	seq       uint64
	timestamp uint32
	payload   []byte

	whole []byte // what Packet.Redundant is
}

const (
	// maxBefore is how much earlier the packet before may be, in ticks: Opus has no
	// longer packets than of 120 ms (RFC 6716 §2). One that is older was followed by
	// silence (DTX), and what is missing of it is past. The header has room for 341 ms.
	maxBefore = 5760
	// maxRedundant leaves room for header, extensions, SRTP and TURN in packets that
	// every network carries whole.
	maxRedundant = 1140
)

// wrap makes p.Redundant. What was not forwarded, as during a mute, is not in it. A sink
// that begins anew with p, as each does in another epoch, has no use for it.
func (r *redundancy) wrap(p *Packet) {
	before := p.Timestamp - r.timestamp
	if p.Seq == r.seq+1 && len(r.payload) > 0 && len(p.Payload) > 0 && before > 0 && before <= maxBefore &&
		len(r.payload) <= codec.MaxRedundantBlock && codec.REDHeaders+len(r.payload)+len(p.Payload) <= maxRedundant {
		r.whole = codec.AppendRED(r.whole[:0], before, r.payload, p.Payload)
		p.Redundant = r.whole
	}
	if p.Seq > r.seq {
		r.seq, r.timestamp = p.Seq, p.Timestamp
		r.payload = append(r.payload[:0], p.Payload...)
	}
}

// SetRedundancy says whether subscribers that take redundant audio get a track of Opus
// so, though it comes without. It is for the time before the first subscriber.
func (u *UpTrack) SetRedundancy(on bool) {
	u.redundant.Store(on && codec.IsOpus(u.opts.Codec.MimeType))
}

// Redundancy reports whether they do. What publishers encrypt among themselves is left
// as it is.
func (u *UpTrack) Redundancy() bool { return u.redundant.Load() && !u.opaque.Load() }
