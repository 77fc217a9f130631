package ice

import (
	"container/heap"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"
)

// arrival is a message on its way to one of two Agents.
type arrival struct {
	at   time.Time
	side int
	from Path
	b    []byte
}

type arrivals []arrival

func (q arrivals) Len() int           { return len(q) }
func (q arrivals) Less(i, j int) bool { return q[i].at.Before(q[j].at) }
func (q arrivals) Swap(i, j int)      { q[i], q[j] = q[j], q[i] }
func (q *arrivals) Push(x any)        { *q = append(*q, x.(arrival)) }
func (q *arrivals) Pop() any {
	last := (*q)[len(*q)-1]
	*q = (*q)[:len(*q)-1]
	return last
}

// network joins two Agents with paths that lose and delay, in virtual time.
type network struct {
	random *rand.Rand
	loss   float64
	now    time.Time
	queue  arrivals
	agents [2]*Agent
	next   [2]time.Time
	ways   [2][]*way // ways[0][i] and ways[1][i] are the ends of one path
	sent   int
}

// side is one Agent's end of a network.
type side struct {
	*network
	at int
}

func (s side) Send(p Path, b []byte) {
	s.sent++
	if s.random.Float64() < s.loss {
		return
	}
	for i, w := range s.ways[s.at] {
		if Path(w) == p {
			delay := 10*time.Millisecond + time.Duration(s.random.IntN(60))*time.Millisecond
			heap.Push(&s.queue, arrival{s.now.Add(delay), 1 - s.at, s.ways[1-s.at][i], append([]byte(nil), b...)})
		}
	}
}

// want keeps the earliest.
func (n *network) want(at int, next time.Time) {
	if n.next[at].IsZero() || !next.IsZero() && next.Before(n.next[at]) {
		n.next[at] = next
	}
}

// run lets time pass until nothing is left to do, for a minute at most.
func (n *network) run() {
	for end := n.now.Add(time.Minute); ; {
		var at time.Time
		who := -1
		for i, next := range n.next {
			if !next.IsZero() && (who < 0 || next.Before(at)) {
				at, who = next, i
			}
		}
		arrives := len(n.queue) > 0 && (who < 0 || n.queue[0].at.Before(at))
		if arrives {
			at = n.queue[0].at
		}
		if !arrives && who < 0 || at.After(end) {
			return
		}
		if at.After(n.now) {
			n.now = at
		}
		if arrives {
			m := heap.Pop(&n.queue).(arrival)
			n.want(m.side, n.agents[m.side].Handle(m.b, m.from, n.now, side{n, m.side}))
			continue
		}
		n.next[who] = time.Time{}
		n.want(who, n.agents[who].Tick(n.now, side{n, who}))
	}
}

// newNetwork returns one of so many paths. Both Agents know the addresses of all.
func newNetwork(seed uint64, paths int, roles [2]bool) *network {
	n := &network{random: rand.New(rand.NewPCG(seed, 1)), now: start}
	for at, local := range []Credentials{ours, theirs} {
		for i := range paths {
			n.ways[at] = append(n.ways[at], newWay(fmt.Sprintf("192.0.2.%d:%d", 1+i, 1+at)))
		}
		n.agents[at] = New(Options{Local: local, Controlling: roles[at], Selected: func(Path) {}, Paths: func(addr netip.AddrPort) (found []Path) {
			for _, w := range n.ways[at] {
				if w.addr == addr {
					found = append(found, w)
				}
			}
			return found
		}})
	}
	return n
}

func (n *network) start(at int, told int) {
	remote := []Credentials{theirs, ours}[at]
	n.want(at, n.agents[at].Start(remote, false, n.now, side{n, at}))
	for i, w := range n.ways[at][:told] {
		n.want(at, n.agents[at].AddCandidate(w.addr, uint32(100-i), n.now, side{n, at}))
	}
}

func TestAgentsAgreeOverAnyNetwork(t *testing.T) {
	const seeds = 300
	sum := 0
	for seed := range uint64(seeds) {
		roles := [2]bool{seed%4 == 0 || seed%4 == 1, seed%4 == 0 || seed%4 == 2} // both, one, the other, none
		n := newNetwork(seed, 1+int(seed%3), roles)
		n.loss = 0.15
		n.start(0, len(n.ways[0]))
		n.now = n.now.Add(time.Duration(n.random.IntN(300)) * time.Millisecond)
		n.start(1, int(seed)%(1+len(n.ways[1])))
		n.run()
		for i, a := range n.agents {
			if a.Searching() || !a.Answered() {
				t.Errorf("seed %d: agent %d has no path", seed, i)
			}
			if next := a.Tick(n.now, side{n, i}); !next.IsZero() {
				t.Errorf("seed %d: agent %d has something left to do", seed, i)
			}
		}
		if n.agents[0].Controlling() == n.agents[1].Controlling() {
			t.Errorf("seed %d: both have one role", seed)
		}
		sum += n.sent
	}
	if mean := float64(sum) / seeds; mean > 40 {
		t.Errorf("%.1f messages", mean)
	}
}

func TestConnectionNeedsFewMessages(t *testing.T) {
	for _, c := range []struct {
		controlling bool
		want        int
	}{
		{true, 4},  // a check of each and the answers: our first check nominates
		{false, 6}, // the client nominates what is valid
	} {
		n := newNetwork(1, 1, [2]bool{c.controlling, !c.controlling})
		n.start(1, 1) // the client checks before it has told anything
		n.now = n.now.Add(30 * time.Millisecond)
		n.start(0, 0)
		n.run()
		if n.agents[0].Searching() || n.agents[1].Searching() || n.sent != c.want {
			t.Errorf("controlling %t: %d messages", c.controlling, n.sent)
		}
	}
}
