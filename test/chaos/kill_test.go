package chaos

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rollcall-rtc/rollcall/event"
	"github.com/rollcall-rtc/rollcall/internal/testkit/webhooksink"
)

// In the short form; joins are those of a round, were it not for the kill.
var kills, joins = 6, 100

const (
	workers = 8
	rooms   = 12
	// stepsPerJoin is how many moments a join has at which the server may die.
	stepsPerJoin = 3
)

// A server that is killed while people come and go, again and again, keeps
// every event that anybody could have seen, in its order, delivers each, and
// closes what its death left open exactly once.
func TestKilledServerKeepsItsWordAboutEveryEvent(t *testing.T) {
	takesTurns(t)
	seed := uint64(time.Now().UnixNano())
	if s := os.Getenv("ROLLCALL_CHAOS_SEED"); s != "" {
		var err error
		if seed, err = strconv.ParseUint(s, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("ROLLCALL_CHAOS_SEED=%d", seed)
	random := rand.New(rand.NewPCG(seed, 0))

	b := newBackend(t)
	s := newServer(t, b.url)
	s.start()
	gs := newGuests(s.url)
	story := newStory()
	var lost int
	for round := range kills {
		after := story.last
		witnessed := b.witness(s, after)
		calamity := &calamity{at: 1 + random.Int64N(int64(joins*stepsPerJoin)), strike: s.kill}
		crowd(t, gs, fmt.Sprintf("%d", round), random.Uint64(), calamity)
		calamity.once.Do(calamity.strike) // had the round fewer steps than thought
		seen := witnessed()

		s.start()
		read := func() []*record {
			records := s.read(story.last)
			for _, r := range records {
				if err := story.add(r); err != nil {
					t.Fatalf("round %d: %v", round, err)
				}
			}
			return records
		}
		records := read()
		for i, r := range seen {
			if i >= len(records) || !same(r, records[i]) {
				t.Fatalf("round %d: %v was seen and is lost", round, r)
			}
		}
		if present := story.present(); len(present) > 0 {
			t.Fatalf("round %d: did not survive the server, and did not end with it: %v", round, present)
		}
		b.wantDelivered(t, records, read)
		lost += len(records) - len(seen)
	}
	s.wantEmpty()
	s.stop()
	if len(story.sessions) < rooms {
		t.Fatalf("only %d sessions", len(story.sessions))
	}
	t.Logf("%d events of %d sessions; %d came of the deaths", story.last, len(story.sessions), lost)
}

// calamity strikes once, at the at-th step.
type calamity struct {
	at     int64
	strike func()

	steps  atomic.Int64
	once   sync.Once
	struck atomic.Bool
}

// step counts, and says whether the server still lives.
func (c *calamity) step() bool {
	if c.steps.Add(1) == c.at {
		c.struck.Store(true)
		c.once.Do(c.strike)
	}
	return !c.struck.Load()
}

// crowd lets joins people come and go, a few at a time, until the calamity.
func crowd(t *testing.T, gs *guests, round string, seed uint64, c *calamity) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	var next atomic.Int64
	var wg sync.WaitGroup
	for w := range workers {
		random := rand.New(rand.NewPCG(seed, uint64(w)))
		wg.Go(func() {
			for {
				n := next.Add(1)
				if n > int64(joins) {
					return
				}
				room := fmt.Sprintf("room-%d", random.IntN(rooms))
				err := visit(ctx, gs, room, fmt.Sprintf("guest-%s-%d", round, n), random, c)
				switch {
				case c.struck.Load():
					return
				case err != nil:
					t.Errorf("guest %d of round %s: %v", n, round, err)
					return
				}
			}
		})
	}
	wg.Wait()
}

// visit is one join and leave: some come without media, some speak, some have one
// connection for both ways, and some leave without a word.
func visit(ctx context.Context, gs *guests, room, identity string, random *rand.Rand, c *calamity) error {
	ghost, speaks, politely := random.IntN(8) == 0, random.IntN(3) == 0, random.IntN(4) > 0
	if !c.step() {
		return nil
	}
	g, err := gs.enter(ctx, room, identity, !ghost)
	if g != nil {
		defer g.leave(politely)
	}
	if err != nil || !c.step() || ghost {
		return err
	}
	if err := g.await(ctx, g.active); err != nil {
		return err
	}
	if speaks {
		if err := g.publish(ctx); err != nil {
			return err
		}
	}
	c.step()
	return nil
}

// backend is the application: it hears the webhooks, and reads the log as it grows.
type backend struct {
	sink      *webhooksink.Sink
	url       string
	delivered map[string]bool // ids, of the rounds before
	judged    int             // deliveries, of the rounds before
}

func newBackend(t *testing.T) *backend {
	t.Helper()
	sink := webhooksink.New(map[string]string{apiKey: apiSecret})
	listener, err := webhooksink.Listen("127.0.0.1:0", sink, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(listener.Close)
	return &backend{sink: sink, url: listener.URL, delivered: map[string]bool{}}
}

// witness follows the log from a place until the server dies; the returned
// function waits for that and returns what was seen.
func (b *backend) witness(s *server, after uint64) func() []*record {
	s.t.Helper()
	read := s.follow(after)
	seen := make(chan []*record, 1)
	go func() { seen <- read() }()
	return func() []*record { return <-seen }
}

// wantDelivered waits until every record was accepted, and checks the order of
// each room: after a death the delivery may go back once, and never skips. Rooms
// that wait for somebody may end meanwhile: more reads what came since.
func (b *backend) wantDelivered(t *testing.T, records []*record, more func() []*record) {
	t.Helper()
	want := map[string]*record{}
	place := map[string]int{}  // of an id in its room, from 1
	length := map[string]int{} // of a room
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	var deliveries []webhooksink.Delivery
	for read := true; read; {
		for _, r := range records {
			if d, _ := event.Lookup(event.Name(r.Name)); !d.Stock {
				continue // nobody asked for it
			}
			want[r.ID] = r
			length[r.Room]++
			place[r.ID] = length[r.Room]
		}
		all, err := b.sink.WaitFor(ctx, func(all []webhooksink.Delivery) bool {
			got := map[string]bool{}
			for _, d := range webhooksink.Accepted(all[b.judged:]) {
				if want[d.ID()] != nil {
					got[d.ID()] = true
				}
			}
			return len(got) == len(want)
		})
		if err != nil {
			t.Fatalf("%d events were not all delivered: %v", len(want), err)
		}
		deliveries = all[b.judged:]
		read = slices.ContainsFunc(deliveries, func(d webhooksink.Delivery) bool { return want[d.ID()] == nil && !b.delivered[d.ID()] })
		if read {
			if records = more(); len(records) == 0 {
				break // it is not in the log, which is what is to be told
			}
		}
	}
	b.judged += len(deliveries)

	last, returns := map[string]int{}, map[string]int{} // by room
	for i := range deliveries {
		d := &deliveries[i]
		r := want[d.ID()]
		switch {
		case d.Invalid != "":
			t.Fatalf("delivery %d does not verify: %s", d.N, d.Invalid)
		case r == nil && !b.delivered[d.ID()]:
			t.Fatalf("%s %s was delivered and is not in the log", d.Name(), d.ID())
		case r != nil && !bytes.Equal(d.Body, r.Body):
			t.Fatalf("%v was delivered as\n%s\nand is logged as\n%s", r, d.Body, r.Body)
		}
		// What is delivered again from the rounds before has place 0.
		at, room := place[d.ID()], d.Room()
		switch {
		case at > last[room]+1:
			t.Fatalf("%v was delivered %d places too early", r, at-last[room]-1)
		case last[room] > 0 && at <= last[room]:
			if returns[room]++; returns[room] > 1 {
				t.Fatalf("%v: the delivery went back a second time", r)
			}
		}
		last[room] = at
	}
	for id := range want {
		b.delivered[id] = true
	}
	for room, n := range length {
		if last[room] != n {
			t.Fatalf("the delivery of %s ended at %d of %d", room, last[room], n)
		}
	}
}
