package ice

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rollcall-rtc/rollcall/internal/sfu/stun"
)

var (
	ours   = Credentials{Ufrag: "ours", Password: "our password of 22 chars"}
	theirs = Credentials{Ufrag: "theirs", Password: "their password, it is longer"}
	start  = time.Unix(1_000_000, 0)
)

// way is a Path. Its address is that of the client.
type way struct {
	addr   netip.AddrPort
	stream bool
}

func (w *way) Addr() netip.AddrPort { return w.addr }
func (w *way) Stream() bool         { return w.stream }
func (w *way) String() string       { return w.addr.String() }

func newWay(addr string) *way { return &way{addr: netip.MustParseAddrPort(addr)} }

// packet is what an Agent has sent.
type packet struct {
	path Path
	b    []byte
	m    stun.Message
}

// rig is an Agent and a client that the test plays.
type rig struct {
	t       testing.TB
	a       *Agent
	now     time.Time
	next    time.Time
	sent    []packet // since the last take
	checked []packet // all checks
	ways    []*way   // that candidates lead to
	chosen  []Path
	heard   time.Time

	local, remote Credentials // of the client's checks
	controlling   bool        // the client's role
	tieBreaker    uint64
	id            byte
}

func newRig(t testing.TB, change func(*Options)) *rig {
	r := &rig{t: t, now: start, local: ours, remote: theirs, tieBreaker: 1 << 63}
	o := Options{
		Local: ours,
		Paths: func(addr netip.AddrPort) (paths []Path) {
			for _, w := range r.ways {
				if w.addr == addr {
					paths = append(paths, w)
				}
			}
			return paths
		},
		Selected: func(p Path) { r.chosen = append(r.chosen, p) },
		Heard:    func() time.Time { return r.heard },
	}
	if change != nil {
		change(&o)
	}
	r.controlling = !o.Controlling
	r.a = New(o)
	return r
}

func controlling(o *Options) { o.Controlling = true }
func lite(o *Options)        { o.Lite = true }

// Send takes what the Agent sends.
func (r *rig) Send(p Path, b []byte) {
	r.t.Helper()
	b = slices.Clone(b)
	m, ok := stun.Parse(b)
	if !ok {
		r.t.Fatalf("sent what is none: %x", b)
	}
	r.sent = append(r.sent, packet{p, b, m})
	if m.Kind == stun.Request {
		r.checked = append(r.checked, packet{p, b, m})
	}
}

func (r *rig) start() { r.next = r.a.Start(r.remote, false, r.now, r) }

func (r *rig) tell(w *way, priority uint32) {
	if !slices.Contains(r.ways, w) {
		r.ways = append(r.ways, w)
	}
	r.next = r.a.AddCandidate(w.addr, priority, r.now, r)
}

// wait lets time pass, with the Ticks that the Agent asks for.
func (r *rig) wait(d time.Duration) {
	r.t.Helper()
	end := r.now.Add(d)
	for n := 0; !r.next.IsZero() && !r.next.After(end); n++ {
		if n > 10_000 {
			r.t.Fatal("ticks without end")
		}
		if r.next.After(r.now) {
			r.now = r.next
		}
		r.next = r.a.Tick(r.now, r)
	}
	r.now = end
}

// message is one of the client's.
func (r *rig) message(kind uint16, id []byte, password string, attributes func(*stun.Writer)) []byte {
	room := make([]byte, stun.MaxMessage)
	var w stun.Writer
	w.Begin(room, kind, id)
	attributes(&w)
	key := stun.NewKey(password)
	return room[:w.End(&key)]
}

// check is a check of the client's.
func (r *rig) check(more ...func(*stun.Writer)) []byte {
	r.id++
	return r.message(stun.Request, slices.Repeat([]byte{r.id}, stun.IDSize), r.local.Password, func(w *stun.Writer) {
		w.Username(r.local.Ufrag + ":" + r.remote.Ufrag)
		role := uint16(stun.AttrControlled)
		if r.controlling {
			role = stun.AttrControlling
		}
		w.Uint64(role, r.tieBreaker)
		w.Uint32(stun.AttrPriority, 5000)
		for _, f := range more {
			f(w)
		}
	})
}

func nominating(w *stun.Writer) { w.Flag(stun.AttrUseCandidate) }

func nominatingWith(value uint32) func(*stun.Writer) {
	return func(w *stun.Writer) { w.Uint32(stun.AttrNomination, value) }
}

func (r *rig) handle(b []byte, from Path) { r.next = r.a.Handle(b, from, r.now, r) }

// checks has the client check a path.
func (r *rig) checks(w *way, more ...func(*stun.Writer)) { r.handle(r.check(more...), w) }

// answers has the client answer a check.
func (r *rig) answers(p packet) { r.answersFrom(p, p.path) }

func (r *rig) answersFrom(p packet, from Path) {
	r.handle(r.message(stun.Success, p.m.ID, r.remote.Password, func(w *stun.Writer) { w.XORMapped(from.Addr()) }), from)
}

// take returns what was sent since the last take, in words: "check 192.0.2.1:1".
func (r *rig) take() (words []string, packets []packet) {
	for _, p := range r.sent {
		what := map[uint16]string{stun.Request: "check", stun.Success: "answer", stun.Error: "error"}[p.m.Kind]
		if p.m.UseCandidate {
			what = "nomination"
		}
		words = append(words, fmt.Sprintf("%s %v", what, p.path))
		packets = append(packets, p)
	}
	r.sent = nil
	return words, packets
}

// wantSent compares what was sent since the last time, in any order for paths that
// are checked together, and returns it.
func (r *rig) wantSent(why string, want ...string) []packet {
	r.t.Helper()
	words, packets := r.take()
	sorted := slices.Clone(words)
	slices.Sort(sorted)
	slices.Sort(want)
	if !slices.Equal(sorted, want) {
		r.t.Fatalf("%s: sent [%s], want [%s]", why, strings.Join(words, ", "), strings.Join(want, ", "))
	}
	return packets
}

// lastCheck is the last check that was sent on a path.
func (r *rig) lastCheck(w *way) packet {
	r.t.Helper()
	for _, p := range slices.Backward(r.checked) {
		if p.path == Path(w) {
			return p
		}
	}
	r.t.Fatalf("no check on %v", w)
	return packet{}
}

// wantPath compares the path in use.
func (r *rig) wantPath(why string, want *way) {
	r.t.Helper()
	got := r.a.Path()
	if want == nil && got != nil || want != nil && got != Path(want) {
		r.t.Fatalf("%s: path %v, want %v", why, got, want)
	}
	if len(r.chosen) > 0 && r.chosen[len(r.chosen)-1] != got {
		r.t.Fatalf("%s: told of %v", why, r.chosen)
	}
}

// netAddr is the address of w with another port.
func netAddr(w *way, port uint16) netip.AddrPort { return netip.AddrPortFrom(w.addr.Addr(), port) }
