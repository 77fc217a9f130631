package peer

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pion/interceptor/pkg/twcc"
	"github.com/pion/rtcp"
	"github.com/pion/rtp"

	"github.com/rollcall-rtc/rollcall/internal/sfu/downtrack"
	"github.com/rollcall-rtc/rollcall/internal/sfu/uptrack"
)

// Whatever is done to two tracks of one connection in whatever order, once it is undone
// both flow in the layer that is wished, and the client has heard so last.
func TestNoOrderOfEventsStarvesATrackForGood(t *testing.T) {
	for seed := range uint64(8) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newPlay(t, seed)
				defer p.end()
				for range 2 {
					for range 12 {
						p.act()
						p.run(time.Duration(p.rng.IntN(1500)) * time.Millisecond)
					}
					p.undo()
					for range 60 {
						if p.amiss() == "" {
							break
						}
						p.run(time.Second)
					}
					for range 3 { // and it stays so
						p.run(time.Second)
						if what := p.amiss(); what != "" {
							t.Fatalf("after %q: %s", p.log, what)
						}
					}
				}
			})
		})
	}
}

// play is the sending half of a connection, its client and what it is sent, in the fake
// time of a synctest bubble. The seed decides everything.
type play struct {
	sending
	conn   conn
	paces  paces
	t      *testing.T
	rng    *rand.Rand
	actors [2]*actor
	log    []string

	arrivals bool   // the client reports them, else it tells its own estimate
	pads     bool   // it takes retransmissions, and so padding
	estimate uint64 // that it tells, 0: none

	mu       sync.Mutex
	told     map[string]string // mu guards; last word by track
	rate     uint64            // mu guards; of the link to the client, in bits per second
	free     time.Time         // mu guards; when the link has sent what it holds
	flight   []inFlight        // mu guards
	recorder *twcc.Recorder
	began    time.Time
	ticks    int
}

// inFlight is a packet on the link.
type inFlight struct {
	at   time.Time
	ssrc uint32
	seq  uint16
}

// actor is a track in three layers, each with three temporal ones.
type actor struct {
	p      *play
	id     string
	up     *uptrack.UpTrack
	in     [3]*uptrack.Input
	keys   [3]atomic.Bool // that are asked for
	silent [3]bool
	phase  [3]int // of its temporal layers
	frames int
	wish   int
	sender *Sender      // nil while the track is not subscribed to
	got    atomic.Int64 // packets that were sent
	seen   int64        // of them
}

// sizes are of packets, of which a layer has one for each frame.
var sizes = [3]int{250, 600, 1100}

const fps = 30

func newPlay(t *testing.T, seed uint64) *play {
	p := &play{
		t: t, rng: rand.New(rand.NewPCG(seed, 3)), told: map[string]string{}, rate: 10e6,
		arrivals: seed%2 == 1, pads: seed%4 != 3, estimate: 10e6, recorder: twcc.NewRecorder(1), began: time.Now(),
	}
	p.conn.queue = newQueue()
	p.conn.packets.init(nil, nil)
	p.prepare(&p.conn, p, true, [2]time.Duration{})
	p.reports.now = time.Now
	p.budget.pacer.visit = p.paces.add
	for i := range p.actors {
		a := &actor{p: p, id: trackName(i), wish: 2}
		a.up = uptrack.New(uptrack.Options{Codec: uptrack.Codec{MimeType: mimeVP8, ClockRate: 90000}, WriteRTCP: a.asked})
		for l, rid := range []string{"q", "h", "f"} {
			a.in[l] = a.up.AddStream(uptrack.StreamInfo{RID: rid, SSRC: uint32(10*i + l + 1)})
			a.keys[l].Store(true)
		}
		p.actors[i] = a
		p.add(a)
	}
	p.run(time.Second)
	return p
}

func (p *play) end() {
	for _, a := range p.actors {
		p.remove(a)
		a.up.Close()
	}
	p.reports.close()
	p.budget.close()
	<-p.conn.queue.close()
}

func (p *play) StreamState(s *Sender, paused bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.told[s.TrackID()] = "flows"; paused {
		p.told[s.TrackID()] = "paused"
	}
}

func (p *play) SenderFailed(_ *Sender, err error) { p.t.Error(err) }

func (p *play) heard(a *actor) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.told[a.id]
}

// task runs f as the connection's tasks are.
func (p *play) task(f func()) {
	if err := p.conn.queue.post(f); err != nil {
		p.t.Fatal(err)
	}
	synctest.Wait()
}

// add subscribes to a track that there is no sender of.
func (p *play) add(a *actor) {
	if a.sender == nil {
		a.sender = p.newSender("PA_x", a.id, a.up)
		a.sender.down.SetMaxLayer(a.wish)
		p.place(a)
	}
}

// place has a sender's section agreed to.
func (p *play) place(a *actor) {
	s := a.sender
	if s == nil || s.bound {
		return
	}
	p.task(func() {
		s.bound, s.history = true, p.budget.add(s)
		p.reports.add(s, func([]rtcp.Packet) error { return nil })
		b := downtrack.Binding{SSRC: s.ssrc, PayloadType: 96, Writer: a}
		if p.arrivals {
			n := newNumbered(a, s.history, 3)
			n.pacer = &p.budget.pacer
			b.SequenceExt, b.Writer = 3, n
		}
		if p.pads {
			b.RTXSSRC, b.RTXPayloadType = s.rtx, 97
		}
		s.down.Bind(b)
	})
}

// displace takes a sender's section away.
func (p *play) displace(a *actor) {
	if s := a.sender; s != nil && s.bound {
		p.task(func() {
			p.vacate(s)
			s.bound = false
			s.down.Unbind()
		})
	}
}

func (p *play) remove(a *actor) {
	if s := a.sender; s != nil {
		s.down.Close()
		p.task(func() { p.removeTrack(s) })
		a.sender = nil
	}
}

// asked takes requests for key frames.
func (a *actor) asked(pkts []rtcp.Packet) error {
	for _, pkt := range pkts {
		if pli, ok := pkt.(*rtcp.PictureLossIndication); ok {
			a.keys[(pli.MediaSSRC-1)%10].Store(true)
		}
	}
	return nil
}

// WriteRTP implements downtrack.Writer: the packet goes to the client.
func (a *actor) WriteRTP(h *rtp.Header, payload []byte, _ uptrack.Batch) (int, error) {
	if len(payload) > 0 {
		a.got.Add(1)
	}
	size := h.MarshalSize() + len(payload) + int(h.PaddingSize)
	p, now := a.p, time.Now()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.free.Before(now) {
		p.free = now
	}
	if stamp := h.GetExtension(3); len(stamp) == 2 && p.free.Sub(now) < 300*time.Millisecond {
		p.free = p.free.Add(time.Duration(8*size) * time.Second / time.Duration(p.rate))
		p.flight = append(p.flight, inFlight{p.free.Add(20 * time.Millisecond), h.SSRC, uint16(stamp[0])<<8 | uint16(stamp[1])})
	}
	return len(payload), nil
}

// came is how many packets were sent since it was called last.
func (a *actor) came() int64 {
	n := a.got.Load()
	defer func() { a.seen = n }()
	return n - a.seen
}

// frame sends one in each layer.
func (a *actor) frame() {
	a.frames++
	for l, in := range a.in {
		if a.silent[l] {
			continue
		}
		key := a.keys[l].Swap(false)
		if a.phase[l]++; key {
			a.phase[l] = 0
		}
		temporal := []byte{0, 2, 1, 2}[a.phase[l]%4]
		payload := make([]byte, sizes[l])
		copy(payload, []byte{0x90, 0xe0, 0x80 | byte(a.frames>>8), byte(a.frames), byte(a.phase[l] / 4), temporal << 6, 1})
		if a.phase[l]%4 != 3 {
			payload[5] |= 0x20 // refers to the lowest temporal layer only
		}
		if key {
			payload[6] = 0
		}
		raw, err := (&rtp.Packet{Header: rtp.Header{
			Version: 2, Marker: true, PayloadType: 96, SSRC: uint32(10*int(a.id[len(a.id)-1]-'0') + l + 1),
			SequenceNumber: uint16(a.frames), Timestamp: uint32(a.frames) * 90000 / fps,
		}, Payload: payload}).Marshal()
		if err != nil {
			a.p.t.Fatal(err)
		}
		in.Receive(raw, nil)
	}
}

// run lets time pass.
func (p *play) run(d time.Duration) {
	for end := time.Now().Add(d); time.Now().Before(end); p.ticks++ {
		for _, a := range p.actors {
			a.frame()
		}
		time.Sleep(time.Second / fps)
		synctest.Wait()
		switch {
		case p.arrivals && p.ticks%3 == 0:
			p.report()
		case !p.arrivals && p.estimate > 0 && p.ticks%fps == 0:
			p.budget.remb(p.estimate, time.Now())
		}
	}
	synctest.Wait()
}

// report has the client say what has arrived.
func (p *play) report() {
	now := time.Now()
	p.mu.Lock()
	n := 0
	for ; n < len(p.flight) && !p.flight[n].at.After(now); n++ {
		one := p.flight[n]
		p.recorder.Record(one.ssrc, one.seq, one.at.Sub(p.began).Microseconds())
	}
	p.flight = p.flight[n:]
	p.mu.Unlock()
	if n == 0 {
		return
	}
	for _, pkt := range p.recorder.BuildFeedbackPacket() {
		b, err := pkt.Marshal()
		if err != nil {
			p.t.Fatal(err)
		}
		p.budget.feedback(b)
	}
}

func (p *play) setRate(bitsPerSecond uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.rate = bitsPerSecond
}

// act does something to somebody.
func (p *play) act() {
	a := p.actors[p.rng.IntN(len(p.actors))]
	down := func(name string, do func(*downtrack.DownTrack)) func() string {
		return func() string {
			if a.sender != nil {
				do(a.sender.down)
			}
			return name
		}
	}
	acts := []func() string{
		down("pause", func(d *downtrack.DownTrack) { d.SetPaused(true) }),
		down("resume", func(d *downtrack.DownTrack) { d.SetPaused(false) }),
		down("all frames", func(d *downtrack.DownTrack) { d.SetMaxFPS(0) }),
		down("fewer frames", func(d *downtrack.DownTrack) { d.SetMaxFPS(uint32(1 + p.rng.IntN(30))) }),
		func() string { a.up.SetMuted(true); return "mute" },
		func() string { a.up.SetMuted(false); return "unmute" },
		func() string { p.remove(a); return "remove" },
		func() string { p.add(a); return "add" },
		func() string { p.displace(a); return "displace" },
		func() string { p.place(a); return "place" },
		func() string { a.silent[p.rng.IntN(3)] = true; return "silence" },
		func() string { a.silent[p.rng.IntN(3)] = false; return "sound" },
		func() string {
			a.wish = p.rng.IntN(3)
			if a.sender != nil {
				a.sender.down.SetMaxLayer(a.wish)
			}
			return fmt.Sprint("wish ", a.wish)
		},
		func() string {
			if a.sender != nil {
				a.sender.SetPriority(p.rng.IntN(3))
			}
			return "priority"
		},
		func() string {
			limit := []uint64{0, 0, 1000, 70e3, 300e3, 5e6}[p.rng.IntN(6)]
			p.LimitBandwidth(limit)
			return fmt.Sprint("limit ", limit)
		},
	}
	for range 4 { // more of what the connection carries
		acts = append(acts, func() string {
			p.estimate = []uint64{0, 1000, 50e3, 100e3, 300e3, 10e6}[p.rng.IntN(6)]
			p.setRate(max(p.estimate, 10e3))
			return fmt.Sprint("carries ", p.estimate)
		})
	}
	p.log = append(p.log, fmt.Sprintf("%s %s", a.id, acts[p.rng.IntN(len(acts))]()))
}

// undo takes everything back but wishes of layers. The client may tell no estimate any more.
func (p *play) undo() {
	p.log = append(p.log, "undo")
	for _, a := range p.actors {
		p.add(a)
		p.place(a)
		a.sender.down.SetPaused(false)
		a.sender.down.SetMaxFPS(0)
		a.up.SetMuted(false)
		a.silent = [3]bool{}
	}
	p.LimitBandwidth([]uint64{0, 5e6}[p.rng.IntN(2)])
	p.setRate(10e6)
	p.estimate = []uint64{0, 10e6}[p.rng.IntN(2)]
	p.run(2 * time.Second)
	for _, a := range p.actors {
		a.came()
	}
	p.run(time.Second)
}

// amiss says what is not as it should be once nothing is in the way, "" if all is well. It
// is called a second after the last time.
func (p *play) amiss() string {
	for _, a := range p.actors {
		s, n := a.sender.down.Stats(), a.came()
		switch {
		case s.Starved, n < fps-5:
			return fmt.Sprintf("%d packets of %s in a second, starved %v", n, a.id, s.Starved)
		case s.Layer != a.wish:
			return fmt.Sprintf("%s is sent in layer %d, want %d, allotted %d", a.id, s.Layer, a.wish, s.Allotted)
		case p.heard(a) != "flows":
			return fmt.Sprintf("of %s the client was told last that it is %q", a.id, p.heard(a))
		}
	}
	return ""
}
