package peer

import (
	"net/netip"
	"strings"
	"sync"

	"github.com/rollcall-rtc/rollcall/internal/sfu/downtrack"
	"github.com/rollcall-rtc/rollcall/internal/sfu/transport"
	"github.com/rollcall-rtc/rollcall/internal/sfu/uptrack"
)

// Traffic is the media of all connections: counted since the start, with the
// tracks that have ended. Reading it costs the packet path nothing but what a
// look at the counters takes.
type Traffic struct {
	Connections int           `json:"connections"` // now
	Routes      map[Route]int `json:"-"`           // how media travels, by connections now
	Audio       Ways          `json:"audio"`
	Video       Ways          `json:"video"`
	// Reminders were sent to clients with one connection that made no offer when they
	// were asked for one, or for what they had announced.
	Reminders uint64 `json:"-"`
	Paced     Paced  `json:"-"`
}

// Paced is what is held back of video, so that key frames do not flood narrow connections.
type Paced struct {
	Connections int    // that have shown a limit
	Waiting     int    // packets, now
	Packets     uint64 // that have waited
}

func (p *Paced) add(o Paced) {
	p.Connections += o.Connections
	p.Waiting += o.Waiting
	p.Packets += o.Packets
}

// Ways is the media from clients and to them.
type Ways struct {
	In  Flow `json:"in"`
	Out Flow `json:"out"`
}

// Flow is the media of one kind in one way.
type Flow struct {
	Tracks  int    `json:"tracks"`  // now; of simulcast one
	Packets uint64 `json:"packets"` // without those sent again
	Bytes   uint64 `json:"bytes"`   // of their payload
	// Lost packets never came; out, as the clients report it. What comes late
	// after all is not taken back.
	Lost uint64 `json:"lost"`
	// NACKs are packets that the receiving side, which is us for In, asked for
	// again, Resent those that then were sent or came.
	NACKs  uint64 `json:"nacks"`
	Resent uint64 `json:"resent"`
	PLIs   uint64 `json:"plis"` // key frames that the receiving side asked for
}

// Route is how a connection's media travels.
type Route struct {
	Protocol string // udp or tcp
	// Candidate is the type of the client's: host, srflx, prflx or relay.
	Candidate string
}

func (f *Flow) add(o Flow) {
	f.Tracks += o.Tracks
	f.Packets += o.Packets
	f.Bytes += o.Bytes
	f.Lost += o.Lost
	f.NACKs += o.NACKs
	f.Resent += o.Resent
	f.PLIs += o.PLIs
}

func (w *Ways) add(o Ways) {
	w.In.add(o.In)
	w.Out.add(o.Out)
}

func isSound(c uptrack.Codec) bool {
	return strings.HasPrefix(strings.ToLower(c.MimeType), "audio/")
}

// way returns the traffic of a codec's kind.
func (t *Traffic) way(c uptrack.Codec) *Ways {
	if isSound(c) {
		return &t.Audio
	}
	return &t.Video
}

// tally is the tracks of a connection, and what those that have ended carried.
type tally struct {
	mu    sync.Mutex
	ups   map[*uptrack.UpTrack]struct{}          // mu guards
	downs map[*downtrack.DownTrack]uptrack.Codec // mu guards
	past  Traffic                                // mu guards
}

func (t *tally) receives(u *uptrack.UpTrack) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.ups == nil {
		t.ups = map[*uptrack.UpTrack]struct{}{}
	}
	t.ups[u] = struct{}{}
}

// received says that nothing more comes for u.
func (t *tally) received(u *uptrack.UpTrack) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if _, ok := t.ups[u]; ok {
		delete(t.ups, u)
		t.past.way(u.Codec()).In.add(flowIn(u))
	}
}

func (t *tally) sends(d *downtrack.DownTrack, c uptrack.Codec) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.downs == nil {
		t.downs = map[*downtrack.DownTrack]uptrack.Codec{}
	}
	t.downs[d] = c
}

// sent says that d, which is closed, sends nothing more.
func (t *tally) sent(d *downtrack.DownTrack) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if c, ok := t.downs[d]; ok {
		delete(t.downs, d)
		t.past.way(c).Out.add(flowOut(d))
	}
}

// traffic returns what the connection has carried, and its tracks.
func (t *tally) traffic() Traffic {
	t.mu.Lock()
	defer t.mu.Unlock()
	sum := t.past
	for u := range t.ups {
		in := &sum.way(u.Codec()).In
		in.add(flowIn(u))
		in.Tracks++
	}
	for d, c := range t.downs {
		out := &sum.way(c).Out
		out.add(flowOut(d))
		out.Tracks++
	}
	return sum
}

func flowIn(u *uptrack.UpTrack) (f Flow) {
	for _, l := range u.Stats().Layers {
		f.add(Flow{
			Packets: l.Packets, Bytes: l.Octets, Lost: uint64(max(l.Lost, 0)),
			NACKs: l.NACKs, Resent: l.Recovered, PLIs: l.PLIs,
		})
	}
	return f
}

func flowOut(d *downtrack.DownTrack) Flow {
	s := d.Stats()
	return Flow{
		Packets: s.Packets, Bytes: s.Octets, Lost: uint64(max(s.Lost, 0)),
		NACKs: s.NACKs, Resent: s.Retransmitted, PLIs: s.PLIs,
	}
}

// Traffic returns a snapshot. Its counts never fall.
func (f *Factory) Traffic() Traffic {
	f.mu.Lock()
	defer f.mu.Unlock()
	sum := f.past
	sum.Connections, sum.Routes = len(f.conns), map[Route]int{}
	sum.Reminders = f.reminded.Load()
	for c := range f.conns {
		t := c.tally.traffic()
		sum.Audio.add(t.Audio)
		sum.Video.add(t.Video)
		sum.Paced.add(c.packets.paced())
		if r := c.route.Load(); r != nil {
			sum.Routes[*r]++
		}
	}
	for i, w := range []*Ways{&sum.Audio, &sum.Video} {
		for j, flow := range []*Flow{&w.In, &w.Out} {
			// What was lost falls when a packet comes late, or a client counts anew.
			f.lost[i][j] = max(f.lost[i][j], flow.Lost)
			flow.Lost = f.lost[i][j]
		}
	}
	return sum
}

// told is what a client has said of its addresses.
type told struct {
	mu    sync.Mutex
	kinds map[netip.AddrPort]string // mu guards
}

// maxTold bounds it.
const maxTold = 4 * maxCandidates

func (t *told) add(c remoteCandidate) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.kinds == nil {
		t.kinds = map[netip.AddrPort]string{}
	}
	if len(t.kinds) < maxTold {
		t.kinds[c.addr] = c.kind
	}
}

// kind is the type of the candidate with an address: peer-reflexive if the client has not
// told it (RFC 8445 §7.3.1.3).
func (t *told) kind(addr netip.AddrPort) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	if kind := t.kinds[addr]; kind != "" {
		return kind
	}
	return "prflx"
}

// took notes how a connection's media travels from now on.
func (c *conn) took(p *transport.Path) {
	r := &Route{Protocol: "udp", Candidate: "prflx"}
	if p.Stream() {
		r.Protocol = "tcp"
	} else {
		r.Candidate = c.told.kind(p.Addr())
	}
	c.route.Store(r)
}

// Route returns how the connection's media travels; it is not ok before ICE has
// chosen a way and once there is none.
func (c *conn) Route() (r Route, ok bool) {
	if at := c.route.Load(); at != nil {
		return *at, true
	}
	return Route{}, false
}
