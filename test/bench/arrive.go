package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"
)

// arriving is participants who come into a room with one publisher, one after the other,
// and leave when its media has come.
type arriving struct {
	kind trackKind
	rate int // joins a second, at most
}

func (a arriving) run(ctx context.Context, b *bench) (o outcome, err error) {
	t, err := b.start(ctx)
	if err != nil {
		return o, err
	}
	defer t.stop()
	cs, err := newClients(t.url)
	if err != nil {
		return o, err
	}
	c := &call{kind: a.kind}
	defer c.end()
	if err := c.enter(ctx, cs, "call", "publisher"); err != nil {
		return o, err
	}
	c.start()
	// The first pays for what is made once.
	if _, err := a.one(ctx, cs, "first"); err != nil {
		return o, err
	}
	joins := max(3, int(b.window.Seconds()*float64(a.rate)))
	r0, err := t.read()
	if err != nil {
		return o, err
	}
	var took []time.Duration
	for i := range joins {
		due := time.Now().Add(time.Second / time.Duration(a.rate))
		d, err := a.one(ctx, cs, fmt.Sprint("participant", i))
		if err != nil {
			return o, err
		}
		took = append(took, d)
		if err := sleep(ctx, time.Until(due)); err != nil {
			return o, err
		}
	}
	r1, err := t.read()
	if err != nil {
		return o, err
	}
	slices.Sort(took)
	o.noise = r1.machine.since(r0.machine)
	o.add("dial to first packet of media, p50", "ms", milliseconds(quantile(took, 0.5)))
	o.add("dial to first packet of media, p99", "ms", milliseconds(quantile(took, 0.99)))
	return o, c.senders[0].failure()
}

// one joins, and leaves when a packet has come. It returns how long that took.
func (a arriving) one(ctx context.Context, cs *clients, identity string) (time.Duration, error) {
	began := time.Now()
	var took time.Duration
	came := make(chan struct{})
	first := sync.OnceFunc(func() { took = time.Since(began); close(came) })
	p, err := cs.join(ctx, "call", identity, func(p *client) { p.subSocket.hear(func([]byte) { first() }) })
	if err != nil {
		return 0, err
	}
	defer p.leave()
	err = p.await(ctx, came, "media") // took is written before
	return took, err
}

// crowding is participants who come into a large room and stay. The CPU of a join
// includes telling everybody there.
type crowding struct {
	people int // who are there already
	rate   int // joins a second
}

func (w crowding) run(ctx context.Context, b *bench) (o outcome, err error) {
	t, err := b.start(ctx)
	if err != nil {
		return o, err
	}
	defer t.stop()
	cs, err := newClients(t.url)
	if err != nil {
		return o, err
	}
	c := new(call)
	defer c.end()
	if _, err := w.come(ctx, cs, c, 0, w.people); err != nil {
		return o, err
	}
	if err := sleep(ctx, b.scaled(3*settling)); err != nil {
		return o, err
	}
	joins := max(3, int(b.window.Seconds()*float64(w.rate)))
	r0, err := t.read()
	if err != nil {
		return o, err
	}
	took, err := w.come(ctx, cs, c, w.people, joins)
	if err != nil {
		return o, err
	}
	if err := sleep(ctx, b.scaled(settling)); err != nil {
		return o, err
	}
	r1, err := t.read()
	if err != nil {
		return o, err
	}
	for _, p := range c.clients {
		err = errors.Join(err, p.failure())
	}
	o.noise = r1.machine.since(r0.machine)
	o.add("CPU per join", "ms", milliseconds(r1.cpu-r0.cpu)/float64(joins))
	o.add("dial to connected, p50", "ms", milliseconds(quantile(took, 0.5)))
	o.add("dial to connected, p99", "ms", milliseconds(quantile(took, 0.99)))
	o.judgeLoad(r0, r1)
	return o, err
}

// come has n participants join, and returns how long each took, in order of size.
func (w crowding) come(ctx context.Context, cs *clients, c *call, from, n int) ([]time.Duration, error) {
	_, took, err := c.gather(ctx, n, w.rate, func(i int) (*client, error) {
		return cs.join(ctx, "hall", fmt.Sprint("participant", from+i))
	})
	slices.Sort(took)
	return took, err
}
