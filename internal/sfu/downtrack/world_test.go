package downtrack

import (
	"encoding/binary"
	"io"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pion/rtcp"
	"github.com/pion/rtp"

	"github.com/rollcall-rtc/rollcall/internal/sfu/uptrack"
)

// A world is a publisher of VP8, the track under test and a viewer, with a
// network on either side, all in the fake time of a synctest bubble. The
// seed decides everything.
type world struct {
	t    *testing.T
	seed uint64
	rng  *rand.Rand
	up   *uptrack.UpTrack
	down *DownTrack
	bind Binding

	pub    *publisher
	viewer *viewer
	uplink link // publisher -> up-track
	toPub  link // feedback to the publisher
	dnlink link // down-track -> viewer
	toDown link // feedback of the viewer
}

// flight is something on its way.
type flight struct {
	at      time.Time
	arrives func()
}

// link loses, delays and reorders. The world's goroutine and those of the
// up-track send on it.
type link struct {
	mu     sync.Mutex
	rng    *rand.Rand // its own, so that the order of senders changes nothing elsewhere
	loss   float64
	delay  time.Duration
	jitter time.Duration
	queue  []flight
}

func (w *world) carry(l *link, arrives func()) { w.carryLate(l, 0, arrives) }

func (w *world) carryLate(l *link, lag time.Duration, arrives func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.rng == nil {
		l.rng = rand.New(rand.NewPCG(w.seed, uint64(l.delay)))
	}
	if l.rng.Float64() < l.loss {
		return
	}
	at := time.Now().Add(l.delay + lag)
	if l.jitter > 0 {
		at = at.Add(time.Duration(l.rng.Int64N(int64(l.jitter))))
	}
	l.queue = append(l.queue, flight{at, arrives})
}

// setLoss returns the loss it replaces.
func (l *link) setLoss(loss float64) (before float64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	before, l.loss = l.loss, loss
	return before
}

func (l *link) due(now time.Time) (due []flight) {
	l.mu.Lock()
	defer l.mu.Unlock()
	slices.SortStableFunc(l.queue, func(a, b flight) int { return a.at.Compare(b.at) })
	n := 0
	for n < len(l.queue) && !l.queue[n].at.After(now) {
		n++
	}
	due = slices.Clone(l.queue[:n])
	l.queue = l.queue[n:]
	return due
}

const step = 5 * time.Millisecond

// run lets time pass.
func (w *world) run(d time.Duration) {
	for end := time.Now().Add(d); time.Now().Before(end); {
		time.Sleep(step)
		synctest.Wait()
		now := time.Now()
		w.pub.capture(now)
		for _, l := range []*link{&w.uplink, &w.dnlink, &w.toDown, &w.toPub} {
			for _, f := range l.due(now) {
				f.arrives()
				synctest.Wait()
			}
		}
		w.viewer.feedback(now)
	}
}

func newWorld(t *testing.T, seed uint64, rids ...string) *world {
	w := &world{t: t, seed: seed, rng: rand.New(rand.NewPCG(seed, 42))}
	w.up = uptrack.New(uptrack.Options{
		Codec: uptrack.Codec{MimeType: "video/VP8", ClockRate: 90000},
		NACK:  true,
		WriteRTCP: func(pkts []rtcp.Packet) error {
			w.carry(&w.toPub, func() { w.pub.handle(pkts) })
			return nil
		},
	})
	w.down = New(Options{Source: w.up})
	w.viewer = newViewer(w)
	w.bind = Binding{SSRC: 1000, PayloadType: 120, RTXSSRC: 1001, RTXPayloadType: 121, Writer: w.viewer}
	w.pub = &publisher{w: w, next: time.Now()}
	for _, rid := range rids {
		w.pub.start(rid)
	}
	return w
}

func (w *world) close() {
	for _, l := range w.pub.layers {
		l.stop()
	}
	synctest.Wait()
	w.down.Close()
	end(w.up)
}

// publisher captures a frame each 33 ms and sends it on every layer.
type publisher struct {
	w      *world
	layers []*simLayer
	next   time.Time
	ssrcs  uint32
	sr     int
}

type simLayer struct {
	w       *world
	rid     string
	index   byte
	packets chan []byte
	ended   bool
	silent  bool          // sends nothing, as a layer without bandwidth
	lag     time.Duration // that its encoder takes longer
	wantKey bool
	keys    int

	ssrc      uint32
	seq       uint16
	tsBase    uint32
	frame     uint32
	pictureID uint16
	tl0       uint8
	keyIdx    uint8
	sent      map[uint16][]byte
}

func (l *simLayer) Read(b []byte) (int, error) {
	raw, ok := <-l.packets
	if !ok {
		return 0, io.EOF
	}
	return copy(b, raw), nil
}

func (l *simLayer) stop() {
	if !l.ended {
		l.ended = true
		close(l.packets)
	}
}

// start publishes a layer, in place of the one of that rid if there is one.
func (p *publisher) start(rid string) *simLayer {
	p.ssrcs++
	rng := p.w.rng
	l := &simLayer{
		w: p.w, rid: rid, packets: make(chan []byte), wantKey: true,
		index: map[string]byte{"": 0, "q": 0, "h": 1, "f": 2}[rid],
		ssrc:  p.ssrcs, seq: uint16(65000 + rng.IntN(1000)), tsBase: uint32(1<<32 - 90000*rng.IntN(5)),
		pictureID: uint16(rng.IntN(1 << 15)), tl0: uint8(rng.Uint32()), keyIdx: uint8(rng.IntN(32)),
		sent: make(map[uint16][]byte),
	}
	if i := slices.IndexFunc(p.layers, func(l *simLayer) bool { return l.rid == rid }); i >= 0 {
		p.layers[i].stop()
		synctest.Wait()
		p.layers[i] = l
	} else {
		p.layers = append(p.layers, l)
	}
	if !play(p.w.up, uptrack.StreamInfo{RID: rid, SSRC: l.ssrc, PayloadType: 96}, l) {
		p.w.t.Fatal("stream refused")
	}
	return l
}

func (p *publisher) layer(rid string) *simLayer {
	for _, l := range p.layers {
		if l.rid == rid {
			return l
		}
	}
	return nil
}

func (p *publisher) capture(now time.Time) {
	if now.Before(p.next) {
		return
	}
	p.next = p.next.Add(time.Second / 30)
	for _, l := range p.layers {
		if !l.silent && !l.ended {
			l.capture(now)
		}
	}
	if p.sr++; p.sr%30 == 0 {
		for _, l := range p.layers {
			sr := &rtcp.SenderReport{SSRC: l.ssrc, NTPTime: ntp(now), RTPTime: l.timestamp(now)}
			p.w.carry(&p.w.uplink, func() { p.w.up.HandleRTCP(sr.SSRC, []rtcp.Packet{sr}) })
		}
	}
}

var worldEpoch = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC) // of synctest

func (l *simLayer) timestamp(now time.Time) uint32 {
	return l.tsBase + uint32(now.Sub(worldEpoch)*90000/time.Second)
}

// capture sends one frame. Its body tells what a viewer must know to judge
// it: SSRC, frame number, packet number and count, layer, and the time.
func (l *simLayer) capture(now time.Time) {
	key := l.wantKey
	l.wantKey = false
	l.frame++
	l.pictureID = (l.pictureID + 1) & 0x7fff
	l.tl0++
	if key {
		l.keys++
		l.keyIdx = (l.keyIdx + 1) & 0x1f
	}
	n := 1 + l.w.rng.IntN(2+int(l.index))
	if key {
		n += 2
	}
	for i := range n {
		b := []byte{0x80, 0xd0, 0x80 | byte(l.pictureID>>8), byte(l.pictureID), l.tl0, l.keyIdx, 1}
		if i == 0 {
			b[0] |= 0x10
		}
		if key {
			b[6] = 0
		}
		b = binary.BigEndian.AppendUint32(b, l.ssrc)
		b = binary.BigEndian.AppendUint32(b, l.frame)
		b = append(b, byte(i), byte(n), l.index)
		b = binary.BigEndian.AppendUint32(b, uint32(now.Sub(worldEpoch).Microseconds()))
		l.send(rtp.Packet{Header: rtp.Header{Version: 2, SSRC: l.ssrc, PayloadType: 96, SequenceNumber: l.seq,
			Timestamp: l.timestamp(now), Marker: i == n-1}, Payload: b})
		l.seq++
	}
	for l.w.rng.IntN(20) == 0 { // probing
		l.send(rtp.Packet{Header: rtp.Header{Version: 2, SSRC: l.ssrc, PayloadType: 96, SequenceNumber: l.seq,
			Timestamp: l.timestamp(now), Padding: true, PaddingSize: 100}})
		l.seq++
	}
}

func (l *simLayer) send(p rtp.Packet) {
	raw, err := p.Marshal()
	if err != nil {
		l.w.t.Fatal(err)
	}
	l.sent[p.SequenceNumber] = raw
	delete(l.sent, p.SequenceNumber-2000)
	l.transmit(raw)
}

func (l *simLayer) transmit(raw []byte) {
	l.w.carryLate(&l.w.uplink, l.lag, func() {
		if !l.ended {
			l.packets <- raw
		}
	})
}

func (p *publisher) handle(pkts []rtcp.Packet) {
	for _, pkt := range pkts {
		for _, l := range p.layers {
			switch pkt := pkt.(type) {
			case *rtcp.PictureLossIndication:
				l.wantKey = l.wantKey || pkt.MediaSSRC == l.ssrc
			case *rtcp.TransportLayerNack:
				if pkt.MediaSSRC != l.ssrc {
					continue
				}
				for _, pair := range pkt.Nacks {
					for _, seq := range pair.PacketList() {
						if raw := l.sent[seq]; raw != nil {
							l.transmit(raw)
						}
					}
				}
			}
		}
	}
}
