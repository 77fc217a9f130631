package peer

import (
	"encoding/binary"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pion/rtcp"

	"github.com/rollcall-rtc/rollcall/internal/sfu/bwe"
	"github.com/rollcall-rtc/rollcall/internal/sfu/downtrack"
	"github.com/rollcall-rtc/rollcall/internal/sfu/srtp"
	"github.com/rollcall-rtc/rollcall/internal/sfu/transport"
	"github.com/rollcall-rtc/rollcall/internal/sfu/uptrack"
)

// maxEarly is how many datagrams wait for the end of the handshake: a client
// may send the moment it has ended on its side.
const maxEarly = 64

// What a client may send in garbageWindow that is of no use. Its packets are authentic,
// so it is nobody else's fault.
const (
	garbageWindow = 10 * time.Second

	// maxGarbage is how many reports and packets of tracks, and how many packets of data, that
	// cannot be read: no client sends ten a second.
	maxGarbage = 1000

	// maxStray is how many packets of media that belong to nothing, or are too long. Some come
	// while tracks are negotiated; this many are those of 20 Mb/s all the time.
	maxStray = 20_000
)

// packets is the media of a connection, both ways.
//
// Receiving: HandleMedia runs on the goroutine that has read the socket, opens
// the packet where it lies, and puts it into the up-track it belongs to, which
// calls the down-tracks, which seal their copies into the batch.
type packets struct {
	link   *transport.Link             // immutable
	sealer atomic.Pointer[srtp.Sealer] // nil before the handshake

	keys     handshakeKeys
	arrivals feedback
	data     association
	failed   func(error)                                                  // immutable; called once, and must not block
	checks   func(b []byte, from *transport.Path, batch *transport.Batch) // immutable
	records  func(b []byte)                                               // immutable; of the handshake
	budget   *budget                                                      // immutable; nil if nothing is sent

	senders atomic.Pointer[map[uint32]*downtrack.DownTrack] // by SSRC; the map is immutable

	mu      sync.Mutex   // held while a packet is received
	opener  *srtp.Opener // mu guards; nil before the handshake
	scratch srtp.Scratch // mu guards
	early   [][]byte     // mu guards
	closed  bool         // mu guards
	demux   demux        // mu guards
	garbage garbage      // mu guards; reports and media that cannot be read
	strays  garbage      // mu guards; media that belongs to nothing
	intake  *intake      // mu guards; nil if media has no limit
	spoilt  atomic.Bool  // failed was called

	sendMu  sync.Mutex            // a leaf
	writers map[uint32]*rtpWriter // sendMu guards; by SSRC
}

func (p *packets) init(m *transport.Mux, s *transport.Streams) {
	p.link = transport.NewLink(m, s, p)
	p.arrivals.write = p.writeRTCP
	p.failed = func(error) {}
	p.data.spoilt = func() { p.spoil(errNotSCTP) }
	p.checks, p.records = func([]byte, *transport.Path, *transport.Batch) {}, func([]byte) {}
	p.senders.Store(&map[uint32]*downtrack.DownTrack{})
	p.writers = map[uint32]*rtpWriter{}
}

// secured begins to use the keys of a handshake that has ended.
func (p *packets) secured() error {
	keys, data, err := p.keys.export()
	if err != nil {
		return err
	}
	if err := p.data.secured(data, time.Now()); err != nil {
		return err
	}
	sealer, err := srtp.NewSealer(keys)
	if err != nil {
		return err
	}
	opener, err := srtp.NewOpener(keys)
	if err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil
	}
	p.sealer.Store(sealer)
	p.opener = opener
	early := p.early
	p.early = nil
	batch := transport.Borrow()
	defer batch.Return()
	for _, b := range early {
		p.receive(b, batch)
	}
	return nil
}

// HandleCheck implements transport.Handler.
func (p *packets) HandleCheck(b []byte, from *transport.Path, batch *transport.Batch) {
	p.checks(b, from, batch)
}

// HandleHandshake implements transport.Handler.
func (p *packets) HandleHandshake(b []byte, _ *transport.Path) { p.records(b) }

// HandleData implements transport.Handler.
func (p *packets) HandleData(b []byte, batch *transport.Batch) { p.data.handle(b, batch) }

// HandleMedia implements transport.Handler.
func (p *packets) HandleMedia(b []byte, batch *transport.Batch) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.closed:
	case p.opener != nil:
		p.receive(b, batch)
	case len(p.early) < maxEarly && len(b) <= uptrack.MaxPacket:
		p.early = append(p.early, append([]byte(nil), b...))
	}
}

// receive takes one datagram; RFC 5761 §4 tells RTCP from RTP. mu is held.
func (p *packets) receive(b []byte, batch *transport.Batch) {
	if len(b) < 2 {
		return
	}
	if kind := b[1]; kind >= 192 && kind <= 223 {
		b, err := p.opener.RTCP(&p.scratch, b)
		if err != nil {
			return
		}
		p.takeReports(b)
		return
	}
	b, err := p.opener.RTP(&p.scratch, b)
	if err != nil {
		return
	}
	switch err := p.demux.receive(p, b, batch); {
	case err == nil:
	case err == errStray && p.strays.add(time.Now(), maxStray),
		err == ErrGarbage && p.garbage.add(time.Now(), maxGarbage):
		p.spoil(err)
	}
}

// spoil ends the connection of a client that sends garbage, once.
func (p *packets) spoil(err error) {
	if !p.spoilt.Swap(true) {
		p.failed(err)
	}
}

// takeReports takes a compound packet of RTCP. mu is held.
func (p *packets) takeReports(b []byte) {
	p.takeFeedback(b)
	if pkts, err := rtcp.Unmarshal(b); err == nil {
		p.handleRTCP(pkts)
	} else if p.garbage.add(time.Now(), maxGarbage) {
		p.spoil(ErrGarbage)
	}
}

// garbage counts what is of no use.
type garbage struct {
	since time.Time
	n     int
}

// add reports whether this one is the one too many, once.
func (g *garbage) add(now time.Time, most int) bool {
	if g.n <= most && now.Sub(g.since) > garbageWindow {
		g.since, g.n = now, 0
	}
	g.n++
	return g.n == most+1
}

// takeFeedback hands on what of a compound packet says how the client receives.
// It names any SSRC, that of padding too.
func (p *packets) takeFeedback(b []byte) {
	for p.budget != nil && len(b) >= 4 {
		n := min(4+4*int(binary.BigEndian.Uint16(b[2:])), len(b))
		if bwe.IsFeedback(b[:n]) {
			p.budget.feedback(b[:n])
		}
		b = b[n:]
	}
}

// handleRTCP gives reports to the tracks they are about. mu is held.
func (p *packets) handleRTCP(pkts []rtcp.Packet) {
	senders := *p.senders.Load()
	var about []*downtrack.DownTrack
	for _, pkt := range pkts {
		switch pkt := pkt.(type) {
		case *rtcp.SenderReport:
			if up := p.demux.trackOf(pkt.SSRC); up != nil {
				up.HandleRTCP(pkt.SSRC, []rtcp.Packet{pkt})
			}
		case *rtcp.ReceiverEstimatedMaximumBitrate:
			if p.budget != nil && pkt.Bitrate >= 0 {
				p.budget.remb(uint64(pkt.Bitrate), time.Now())
			}
		}
		if len(senders) == 0 {
			continue
		}
		for _, ssrc := range pkt.DestinationSSRC() {
			if down := senders[ssrc]; down != nil && !contains(about, down) {
				about = append(about, down)
			}
		}
	}
	for _, down := range about {
		down.HandleRTCP(pkts)
	}
}

func contains(downs []*downtrack.DownTrack, d *downtrack.DownTrack) bool {
	for _, other := range downs {
		if other == d {
			return true
		}
	}
	return false
}

// close ends the receiving of packets: none is on its way after it.
func (p *packets) close() {
	p.mu.Lock()
	p.closed = true
	p.early = nil
	p.demux.close()
	p.sealer.Store(nil)
	p.mu.Unlock()
	p.arrivals.close()
	p.data.close()
}

// listen has a down-track hear of reports about its SSRCs.
func (p *packets) listen(d *downtrack.DownTrack, ssrcs ...uint32) {
	p.sendMu.Lock()
	defer p.sendMu.Unlock()
	senders := map[uint32]*downtrack.DownTrack{}
	for ssrc, other := range *p.senders.Load() {
		if other != d {
			senders[ssrc] = other
		}
	}
	for _, ssrc := range ssrcs {
		if ssrc != 0 {
			senders[ssrc] = d
		}
	}
	p.senders.Store(&senders)
}

var _ uptrack.Batch = (*transport.Batch)(nil)
