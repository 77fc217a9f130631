package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
)

// joining is participants who come into rooms of four, stay a moment and leave.
// The CPU of a join includes that of its leave, of the events of both, and of
// telling the others.
type joining struct {
	media bool // bring up the receiving connection, or only signal
	rate  int  // joins a second
	// floor is what is joined in place of the server, to see what no server does without;
	// empty: the server.
	floor string
}

const roomSize = 4

// stay is from the moment that all four are there to the first one's leave.
const stay = 300 * time.Millisecond

func (j joining) run(ctx context.Context, b *bench) (o outcome, err error) {
	t, err := j.start(ctx, b)
	if err != nil {
		return o, err
	}
	defer t.stop()
	cs, err := newClients(t.url)
	if err != nil {
		return o, err
	}
	// The first join pays for what is made once.
	if _, err := j.room(ctx, cs, "first"); err != nil {
		return o, err
	}
	rooms := max(1, int(b.window.Seconds()*float64(j.rate))/roomSize)
	r0, err := t.read()
	if err != nil {
		return o, err
	}
	var mu sync.Mutex
	var took []time.Duration
	var running errgroup.Group
	for i := range rooms {
		running.Go(func() error {
			if err := sleep(ctx, time.Duration(i)*roomSize*time.Second/time.Duration(j.rate)); err != nil {
				return err
			}
			each, err := j.room(ctx, cs, fmt.Sprint("room", i))
			mu.Lock()
			took = append(took, each...)
			mu.Unlock()
			return err
		})
	}
	if err := running.Wait(); err != nil {
		return o, err
	}
	// The server is not done with a leave when the client is.
	if err := sleep(ctx, b.scaled(settling)); err != nil {
		return o, err
	}
	r1, err := t.read()
	if err != nil {
		return o, err
	}
	joins := float64(rooms * roomSize)
	slices.Sort(took)
	o.noise = r1.machine.since(r0.machine)
	o.add("CPU per join and leave", "ms", milliseconds(r1.cpu-r0.cpu)/joins)
	what := "dial to JoinResponse"
	if j.media {
		what = "dial to connected"
	}
	o.add(what+", p50", "ms", milliseconds(quantile(took, 0.5)))
	o.add(what+", p99", "ms", milliseconds(quantile(took, 0.99)))
	o.judgeLoad(r0, r1)
	return o, nil
}

func (j joining) start(ctx context.Context, b *bench) (*target, error) {
	if j.floor != "" {
		return b.startFloor(ctx, j.floor)
	}
	return b.start(ctx)
}

// room fills a room and empties it. It returns how long each took to be there.
func (j joining) room(ctx context.Context, cs *clients, name string) (took []time.Duration, err error) {
	var clients []*client
	for i := range roomSize {
		c, d, err := j.one(ctx, cs, name, fmt.Sprint("participant", i))
		if c != nil {
			defer c.leave()
			clients = append(clients, c)
		}
		if err != nil {
			return nil, err
		}
		took = append(took, d)
	}
	if err := sleep(ctx, stay); err != nil {
		return nil, err
	}
	for _, c := range clients {
		err = errors.Join(err, c.failure())
	}
	return took, err
}

func (j joining) one(ctx context.Context, cs *clients, room, identity string) (*client, time.Duration, error) {
	began := time.Now()
	if !j.media {
		c, err := cs.joinSignal(ctx, room, identity)
		if err != nil {
			return nil, 0, err
		}
		return c, c.joined, nil
	}
	c, err := cs.join(ctx, room, identity)
	if err != nil {
		return nil, 0, err
	}
	err = c.await(ctx, c.connected, "receiving connection")
	return c, time.Since(began), err
}

// idling is subscribers to rooms in which nobody publishes.
type idling struct{ participants int }

// roomOfIdlers keeps what a join tells the others small beside the participant.
const roomOfIdlers = 10

func (d idling) run(ctx context.Context, b *bench) (o outcome, err error) {
	t, err := b.start(ctx)
	if err != nil {
		return o, err
	}
	defer t.stop()
	cs, err := newClients(t.url)
	if err != nil {
		return o, err
	}
	before, err := t.statsAfterGC(ctx)
	if err != nil {
		return o, err
	}
	c := &call{}
	defer c.end()
	for i := range d.participants {
		p, err := cs.join(ctx, fmt.Sprint("room", i/roomOfIdlers), fmt.Sprint("participant", i))
		if err != nil {
			return o, err
		}
		c.clients = append(c.clients, p)
		if err := p.await(ctx, p.connected, "receiving connection"); err != nil {
			return o, err
		}
	}
	if err := sleep(ctx, b.scaled(3*settling)); err != nil {
		return o, err
	}
	resident, err := residentBytes(t.pid)
	if err != nil {
		return o, err
	}
	began, err := t.stats(ctx)
	if err != nil {
		return o, err
	}
	r0, err := t.read()
	if err != nil {
		return o, err
	}
	if err := sleep(ctx, b.window); err != nil {
		return o, err
	}
	r1, err := t.read()
	if err != nil {
		return o, err
	}
	after, err := t.statsAfterGC(ctx)
	if err != nil {
		return o, err
	}
	for _, p := range c.clients {
		err = errors.Join(err, p.failure())
	}
	n, seconds := float64(d.participants), r1.at.Sub(r0.at).Seconds()
	o.noise = r1.machine.since(r0.machine)
	o.add("RSS per participant", "KiB", float64(resident-t.resident)/1024/n)
	o.add("CPU per participant and second", "ms", milliseconds(r1.cpu-r0.cpu)/n/seconds)
	if !t.silent {
		o.add("live heap per participant", "KiB", (float64(after.HeapBytes)-float64(before.HeapBytes))/1024/n)
		o.add("goroutines per participant", "", float64(after.Goroutines-before.Goroutines)/n)
		o.add("allocations per participant and second", "", float64(after.Mallocs-began.Mallocs)/n/seconds)
	}
	return o, err
}
