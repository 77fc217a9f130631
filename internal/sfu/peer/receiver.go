package peer

import (
	"maps"
	"slices"
	"time"

	"github.com/rollcall-rtc/rollcall/internal/sfu/uptrack"
)

// minCodecLife bounds how often a client can have a track replaced by
// changing its codec.
const minCodecLife = time.Second

// Receiver is one track of a client: a media section that sends, in one
// codec. It is immutable.
type Receiver struct {
	trackID  string
	streamID string
	mid      string
	kind     string
	codec    uptrack.Codec
	rids     []string
	up       *uptrack.UpTrack
}

// TrackID returns the second token of the msid, empty if there was none.
func (r *Receiver) TrackID() string { return r.trackID }

// StreamID returns the first token of the msid.
func (r *Receiver) StreamID() string { return r.streamID }

// Mid returns the mid of the media section.
func (r *Receiver) Mid() string { return r.mid }

// Kind returns "audio" or "video".
func (r *Receiver) Kind() string { return r.kind }

// MimeType returns the codec: the first of our answer, until the first packet
// says otherwise; then the track ends and begins again.
func (r *Receiver) MimeType() string { return r.codec.MimeType }

// Simulcast returns the rids in the order of the offer, nil without simulcast.
func (r *Receiver) Simulcast() []string { return slices.Clone(r.rids) }

// UpTrack returns the packets.
func (r *Receiver) UpTrack() *uptrack.UpTrack { return r.up }

// publication is a section's Receiver and how its packets are known. Tasks own
// it.
type publication struct {
	receiver  *Receiver
	announced bool
	offer     line
	answer    line
	codec     lineCodec
	began     time.Time
	followed  bool // it began because the client changed its codec
}

// negotiated compares what the client sends now with what it sent before.
func (p *Publisher) negotiated(offer, answer []line) {
	sending := map[string]bool{}
	for i, o := range offer {
		a := answer[i]
		if o.sends && !o.rejected && !a.rejected && a.receives && len(a.codecs) > 0 {
			sending[o.mid] = true
		}
	}
	for _, mid := range p.sortedMids() {
		if !sending[mid] {
			p.end(p.lines[mid])
		}
	}
	for i, o := range offer {
		if !sending[o.mid] {
			continue
		}
		pub := p.lines[o.mid]
		switch {
		case pub == nil:
			p.begin(o, answer[i], answer[i].codecs[0])
		case pub.receiver.trackID != o.trackID || !slices.Equal(pub.receiver.rids, o.rids):
			p.replace(pub, o, answer[i], answer[i].codecs[0])
		default:
			pub.offer, pub.answer = o, answer[i]
		}
	}
	p.route()
	p.announce()
}

// begin makes a Receiver for a section that sends.
func (p *Publisher) begin(offer, answer line, codec lineCodec) *publication {
	c := codec.describe()
	up := uptrack.New(uptrack.Options{
		Codec:                   c,
		AudioLevelExt:           answer.exts[extAudioLevel],
		DependencyDescriptorExt: answer.exts[extDependencyDescriptor],
		PrimaryPayloadType:      codec.primary,
		NACK:                    codec.nack,
		Clock:                   p.clock,
		RTT:                     p.vigil.rtt,
		WriteRTCP:               p.packets.writeRTCP,
		Now:                     p.factory.clock.now,
	})
	pub := &publication{offer: offer, answer: answer, codec: codec, began: time.Now()}
	pub.receiver = &Receiver{
		trackID: offer.trackID, streamID: offer.streamID, mid: offer.mid, kind: offer.kind,
		codec: c, rids: offer.rids, up: up,
	}
	p.factory.extensions.Store(up, answer.exts)
	p.lines[offer.mid] = pub
	p.tally.receives(up)
	return pub
}

// announce tells the handler of the tracks that can carry media by now.
func (p *Publisher) announce() {
	if p.conn.state != Connected {
		return
	}
	for _, mid := range p.sortedMids() {
		pub := p.lines[mid]
		if pub.announced {
			continue
		}
		pub.announced = true
		p.call(func() { p.handler.PublisherTrack(pub.receiver) })
	}
}

func (p *Publisher) sortedMids() []string {
	return slices.Sorted(maps.Keys(p.lines))
}

// end stops a Receiver. Until the next route its packets go nowhere.
func (p *Publisher) end(pub *publication) {
	delete(p.lines, pub.receiver.mid)
	if pub.announced {
		p.call(func() { p.handler.PublisherTrackEnded(pub.receiver) })
	}
	p.factory.extensions.Delete(pub.receiver.up)
	pub.receiver.up.Close()
	p.tally.received(pub.receiver.up)
}

func (p *Publisher) endAll() {
	for _, mid := range p.sortedMids() {
		p.end(p.lines[mid])
	}
}

// replace ends a Receiver and begins one in its place, for the same packets.
func (p *Publisher) replace(old *publication, offer, answer line, codec lineCodec) *publication {
	p.end(old)
	return p.begin(offer, answer, codec)
}

// route has packets find their publications.
func (p *Publisher) route() {
	var ids exts
	sections := make([]*mediaSection, 0, len(p.lines))
	for _, mid := range p.sortedMids() {
		pub := p.lines[mid]
		sections = append(sections, p.section(pub))
		e := pub.answer.exts
		ids.mid = max(ids.mid, e[extMID])
		ids.rid = max(ids.rid, e[extRID])
		ids.repairedRID = max(ids.repairedRID, e[extRepairedRID])
		ids.transportCC = max(ids.transportCC, e[extTransportCC])
	}
	p.packets.route(sections, ids)
}

func (p *packets) route(sections []*mediaSection, ids exts) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.closed {
		p.demux.replace(sections, ids)
	}
}

// section is what packets need to know of a publication.
func (p *Publisher) section(pub *publication) *mediaSection {
	s := &mediaSection{
		mid: pub.offer.mid, up: pub.receiver.up, pt: pub.codec.pt, primary: pub.codec.primary, rids: len(pub.offer.rids) > 0, names: namesOf(pub.offer.rids),
		ssrcs: pub.offer.ssrcs, repairs: pub.offer.repairs, sound: isSound(pub.receiver.up.Codec()),
	}
	for _, c := range pub.answer.codecs {
		s.media[c.pt&0x7f] = true
		if c.rtx != 0 {
			s.rtx[c.rtx&0x7f] = c.pt + 1
		}
	}
	s.changed = func(pt uint8) {
		_ = p.queue.post(func() {
			if p.lines[pub.offer.mid] == pub && (!pub.followed || time.Since(pub.began) >= minCodecLife) {
				p.changeCodec(pub, pt)
			}
		})
	}
	return s
}

// changeCodec follows a client that sends in another codec than the
// publication's.
func (p *Publisher) changeCodec(pub *publication, pt uint8) {
	for _, c := range pub.answer.codecs {
		if c.pt == pt && c.describe() != pub.receiver.codec {
			p.replace(pub, pub.offer, pub.answer, c).followed = true
			p.route()
			p.announce()
			return
		}
	}
}
