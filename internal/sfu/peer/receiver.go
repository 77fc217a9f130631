package peer

import (
	"maps"
	"slices"
	"time"

	"github.com/pion/webrtc/v4"

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

// publication is a section's Receiver and what feeds it. Tasks own it.
type publication struct {
	receiver  *Receiver
	announced bool
	offer     line
	answer    line
	sources   []*source
	began     time.Time
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
			pub.answer = answer[i]
		}
	}
	p.announce()
}

// begin makes a Receiver for a section that sends.
func (p *Publisher) begin(offer, answer line, codec lineCodec) *publication {
	c := codec.describe()
	up := uptrack.New(uptrack.Options{
		Codec:                   c,
		AudioLevelExt:           answer.exts[extAudioLevel],
		DependencyDescriptorExt: answer.exts[extDependencyDescriptor],
		NACK:                    codec.nack,
		Clock:                   p.clock,
		WriteRTCP:               p.pc.WriteRTCP,
	})
	pub := &publication{offer: offer, answer: answer, began: time.Now()}
	pub.receiver = &Receiver{
		trackID: offer.trackID, streamID: offer.streamID, mid: offer.mid, kind: offer.kind,
		codec: c, rids: offer.rids, up: up,
	}
	p.factory.extensions.Store(up, answer.exts)
	p.lines[offer.mid] = pub
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

// end stops a Receiver. Its sources can be read by another one when the
// channel is closed.
func (p *Publisher) end(pub *publication) <-chan struct{} {
	delete(p.lines, pub.receiver.mid)
	for _, s := range pub.sources {
		s.stream.end()
	}
	if pub.announced {
		p.call(func() { p.handler.PublisherTrackEnded(pub.receiver) })
	}
	up := pub.receiver.up
	p.factory.extensions.Delete(up)
	donec := make(chan struct{})
	p.helpers.Go(func() {
		defer close(donec)
		up.Close()
	})
	return donec
}

func (p *Publisher) endAll() {
	for _, mid := range p.sortedMids() {
		p.end(p.lines[mid])
	}
}

// replace ends a Receiver and begins one in its place from the same sources.
func (p *Publisher) replace(old *publication, offer, answer line, codec lineCodec) {
	donec := p.end(old)
	pub := p.begin(offer, answer, codec)
	p.announce()
	if len(old.sources) == 0 {
		return
	}
	p.helpers.Go(func() {
		<-donec
		_ = p.queue.post(func() {
			if p.lines[offer.mid] != pub {
				return
			}
			for _, s := range old.sources {
				if !s.stale() {
					_ = s.track.SetReadDeadline(time.Time{})
					p.feed(pub, s, codec.pt)
				}
			}
		})
	})
}

// attach takes up a source whose first packet has arrived.
func (p *Publisher) attach(track *webrtc.TrackRemote, receiver *webrtc.RTPReceiver) {
	s := &source{track: track, receiver: receiver}
	if s.stale() {
		return
	}
	pub := p.lines[receiver.RTPTransceiver().Mid()]
	if pub == nil {
		return
	}
	pt := uint8(track.Codec().PayloadType) // PayloadType is 0 for a rid until it is read
	p.feed(pub, s, pt)
	p.helpers.Go(s.readRTCP)
	p.changeCodec(pub, pt)
}

// feed has the publication read a source in one codec.
func (p *Publisher) feed(pub *publication, s *source, pt uint8) {
	s.up.Store(pub.receiver.up)
	s.stream = &stream{track: s.track, pt: pt, changed: func(pt uint8) {
		_ = p.queue.post(func() {
			if p.lines[pub.receiver.mid] == pub && time.Since(pub.began) >= minCodecLife {
				p.changeCodec(pub, pt)
			}
		})
	}}
	pub.sources = append(pub.sources, s)
	pub.receiver.up.AddStream(uptrack.StreamInfo{
		RID: s.track.RID(), SSRC: uint32(s.track.SSRC()), PayloadType: pt,
	}, s.stream)
}

// changeCodec follows a client that sends in another codec than the
// publication's.
func (p *Publisher) changeCodec(pub *publication, pt uint8) {
	for _, c := range pub.answer.codecs {
		if c.pt == pt && c.describe() != pub.receiver.codec {
			p.replace(pub, pub.offer, pub.answer, c)
			return
		}
	}
}
