package sctp

import (
	"bytes"
	"container/heap"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
)

// network carries packets between two associations, in simulated time, and loses,
// repeats and reorders them as it is told.
type network struct {
	t        testing.TB
	now      time.Time
	random   *rand.Rand
	loss     float64
	repeat   float64
	delay    time.Duration
	jitter   time.Duration
	ends     [2]*end
	packets  arrivals
	sent     int
	dropNext func(from int, b []byte) bool
}

type end struct {
	*Association
	got    []Message
	closed []uint16
	keep   bool // messages are not consumed
}

type arrival struct {
	at time.Time
	n  int // keeps the order of what arrives together
	to int
	b  []byte
}

type arrivals []arrival

func (a arrivals) Len() int      { return len(a) }
func (a arrivals) Swap(i, j int) { a[i], a[j] = a[j], a[i] }
func (a arrivals) Less(i, j int) bool {
	return a[i].at.Before(a[j].at) || a[i].at.Equal(a[j].at) && a[i].n < a[j].n
}
func (a *arrivals) Push(x any) { *a = append(*a, x.(arrival)) }
func (a *arrivals) Pop() any {
	x := (*a)[len(*a)-1]
	*a = (*a)[:len(*a)-1]
	return x
}

func newNetwork(t testing.TB, seed uint64) *network {
	n := &network{t: t, now: time.Unix(1000, 0), random: rand.New(rand.NewPCG(seed, 1)), delay: 10 * time.Millisecond}
	for i := range n.ends {
		e := &end{}
		n.ends[i] = e
		e.Association = New(Options{
			MaxMessage: 65536, Window: 1 << 18,
			Write:   func(b []byte) { n.carry(1-i, b) },
			Message: func(m Message) { e.got = append(e.got, m) },
			Reset:   func(id uint16) { e.closed = append(e.closed, id) },
		})
	}
	return n
}

func (n *network) carry(to int, b []byte) {
	if len(b) > maxPacket {
		n.t.Errorf("a packet of %d bytes", len(b))
	}
	if n.dropNext != nil && n.dropNext(1-to, b) || n.random.Float64() < n.loss {
		return
	}
	for range 1 + pick(n.random.Float64() < n.repeat, 1, 0) {
		n.sent++
		at := n.now.Add(n.delay + time.Duration(n.random.Int64N(int64(n.jitter)+1)))
		heap.Push(&n.packets, arrival{at, n.sent, to, bytes.Clone(b)})
	}
}

// step goes on to what is next, and reports false if nothing is.
func (n *network) step() bool {
	var next time.Time
	if len(n.packets) > 0 {
		next = n.packets[0].at
	}
	for _, e := range n.ends {
		if d := e.Deadline(); !d.IsZero() && (next.IsZero() || d.Before(next)) {
			next = d
		}
	}
	if next.IsZero() {
		return false
	}
	if next.After(n.now) {
		n.now = next
	}
	for len(n.packets) > 0 && !n.packets[0].at.After(n.now) {
		p := heap.Pop(&n.packets).(arrival)
		e := n.ends[p.to]
		before := len(e.got)
		_ = e.Handle(p.b, n.now)
		for _, m := range e.got[before:] {
			if !e.keep {
				e.Consumed(m, n.now)
			}
		}
	}
	for _, e := range n.ends {
		e.Tick(n.now)
	}
	return true
}

// until steps until the condition holds, and fails if an hour does not bring it.
func (n *network) until(what string, done func() bool) {
	n.t.Helper()
	for limit := n.now.Add(time.Hour); !done(); {
		if !n.step() || n.now.After(limit) {
			n.t.Fatalf("%s: it does not come; %v, %v", what, n.ends[0].err, n.ends[1].err)
		}
	}
}

// rest steps until nothing is to be done any more.
func (n *network) rest() {
	n.t.Helper()
	for limit := n.now.Add(time.Hour); n.step(); {
		if n.now.After(limit) {
			n.t.Fatal("it does not come to rest")
		}
	}
}

func (n *network) connected() *network {
	n.t.Helper()
	n.ends[0].Connect(n.now)
	n.until("established", func() bool { return n.ends[0].Established() && n.ends[1].Established() })
	return n
}

func (n *network) send(from int, stream uint16, text string, r Reliability) {
	n.t.Helper()
	if err := n.ends[from].Send(stream, 51, []byte(text), r, n.now); err != nil {
		n.t.Fatal(err)
	}
}

// text is a message that says which one it is, and is as long.
func text(i, size int) string {
	s := fmt.Sprintf("%d:%d:", i, size)
	return s + string(bytes.Repeat([]byte{byte('a' + i%26)}, max(0, size-len(s))))
}
