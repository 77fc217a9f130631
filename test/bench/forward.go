package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"time"

	"golang.org/x/sync/errgroup"
)

// forwarding is publishers in one room, and subscribers to all of them.
type forwarding struct {
	kind        trackKind
	publishers  int
	subscribers int
}

// joinRate is how many subscribers come in a second before the measurement.
const joinRate = 40

// settling is the time between the last arrival and the measurement: key frames
// that joins asked for are through, and connection checks have slowed down.
const settling = time.Second

// call is rooms while media flows.
type call struct {
	kind     trackKind
	senders  []*client
	audience []*client // who may be those who send
	copies   int       // that are forwarded of each packet
	clients  []*client // all of them
	delays   *delays   // nil unless they are measured
}

// listeners is in how many subscribers delays are measured: more would cost the load
// generator more than they tell.
const listeners = 10

func (f forwarding) run(ctx context.Context, b *bench) (o outcome, err error) {
	t, err := b.start(ctx)
	if err != nil {
		return o, err
	}
	defer t.stop()
	c := new(call)
	defer c.end()
	if f.publishers == 1 { // of several, it is not known whose a packet is
		c.delays = newDelays()
	}
	if err := f.begin(ctx, t.url, c); err != nil {
		return o, err
	}
	if err := sleep(ctx, b.scaled(settling)); err != nil {
		return o, err
	}
	return c.measure(ctx, b, t)
}

// begin makes c the call, and returns when every subscriber receives every track.
func (f forwarding) begin(ctx context.Context, url string, c *call) error {
	cs, err := newClients(url)
	if err != nil {
		return err
	}
	c.kind, c.copies = f.kind, f.subscribers
	const room = "call"
	for i := range f.publishers {
		if err := c.enter(ctx, cs, room, fmt.Sprint("publisher", i)); err != nil {
			return err
		}
	}
	c.start()
	c.audience, _, err = c.gather(ctx, f.subscribers, joinRate, func(i int) (*client, error) {
		return cs.join(ctx, room, fmt.Sprint("subscriber", i), func(s *client) {
			if c.delays != nil && i < listeners {
				s.subSocket.hear(func(packet []byte) { c.delays.arrived(uint64(i), packet) })
			}
		})
	})
	if err != nil {
		return err
	}
	return c.await(ctx, f.publishers)
}

// gather has n clients come, at a rate a second, and adds to the call who has come, also
// if others fail. It returns them, and how long each took until it could receive.
func (c *call) gather(ctx context.Context, n, rate int, join func(i int) (*client, error)) (came []*client, took []time.Duration, err error) {
	came, took = make([]*client, n), make([]time.Duration, n)
	var joins errgroup.Group
	for i := range came {
		joins.Go(func() error {
			if err := sleep(ctx, time.Duration(i)*time.Second/time.Duration(rate)); err != nil {
				return err
			}
			began := time.Now()
			p, err := join(i)
			if err != nil {
				return err
			}
			came[i] = p
			err = p.await(ctx, p.connected, "receiving connection")
			took[i] = time.Since(began)
			return err
		})
	}
	err = joins.Wait()
	came = slices.DeleteFunc(came, func(p *client) bool { return p == nil })
	c.clients = append(c.clients, came...)
	return came, took, err
}

// enter has a publisher come, which sends nothing yet.
func (c *call) enter(ctx context.Context, cs *clients, room, identity string) error {
	p, err := cs.joinPublisher(ctx, room, identity, c.kind)
	if err != nil {
		return err
	}
	c.clients, c.senders = append(c.clients, p), append(c.senders, p)
	return nil
}

// start has the publishers send, each at another time.
func (c *call) start() {
	for i, p := range c.senders {
		p.pub.delays = c.delays
		p.pub.start(c.kind, c.kind.interval()*time.Duration(i)/time.Duration(len(c.senders)))
	}
}

// await returns when each of the audience receives that many tracks.
func (c *call) await(ctx context.Context, tracks int) error {
	return poll(ctx, func() (bool, error) {
		for _, s := range c.audience {
			if err := s.failure(); err != nil {
				return false, err
			}
			if _, streams := s.subSocket.tally(); streams < tracks {
				return false, nil
			}
		}
		return true, nil
	})
}

// mesh is rooms in which everybody publishes, and receives all others.
type mesh struct {
	kind   trackKind
	rooms  int
	people int
}

func (m mesh) run(ctx context.Context, b *bench) (o outcome, err error) {
	t, err := b.start(ctx)
	if err != nil {
		return o, err
	}
	defer t.stop()
	cs, err := newClients(t.url)
	if err != nil {
		return o, err
	}
	c := &call{kind: m.kind, copies: m.people - 1}
	defer c.end()
	for i := range m.rooms {
		for j := range m.people {
			if err := c.enter(ctx, cs, fmt.Sprint("room", i), fmt.Sprint("participant", j)); err != nil {
				return o, err
			}
		}
	}
	c.audience = c.senders
	c.start()
	if err := c.await(ctx, m.people-1); err != nil {
		return o, err
	}
	if err := sleep(ctx, b.scaled(settling)); err != nil {
		return o, err
	}
	return c.measure(ctx, b, t)
}

func (c *call) end() {
	var leaving errgroup.Group
	for _, p := range c.clients {
		leaving.Go(func() error { p.leave(); return nil })
	}
	_ = leaving.Wait()
}

// sent sums over the publishers, received over the subscribers.
func (c *call) sent() (n uint64) {
	for _, p := range c.senders {
		n += p.pub.sent.Load()
	}
	return n
}

func (c *call) received() (sum tally) {
	for _, s := range c.audience {
		t, _ := s.subSocket.tally()
		sum.received += t.received
		sum.expected += t.expected
	}
	return sum
}

func (c *call) measure(ctx context.Context, b *bench, t *target) (o outcome, err error) {
	before, err := t.stats(ctx)
	if err != nil {
		return o, err
	}
	profiled := b.profile(ctx, t)
	r0, err := t.read()
	if err != nil {
		return o, err
	}
	c.delays.take()
	sent0, got0 := c.sent(), c.received()
	if err := sleep(ctx, b.window); err != nil {
		return o, err
	}
	sent, got := c.sent()-sent0, c.received().minus(got0)
	took := c.delays.take()
	r1, err := t.read()
	if err != nil {
		return o, err
	}
	if err := <-profiled; err != nil {
		return o, err
	}
	after, err := t.stats(ctx)
	if err != nil {
		return o, err
	}
	resident, err := residentBytes(t.pid)
	if err != nil {
		return o, err
	}
	for _, p := range c.clients {
		err = errors.Join(err, p.failure())
	}
	if err != nil {
		return o, err
	}
	if got.received == 0 {
		return o, errors.New("no packets arrived")
	}

	packets, wall := float64(got.received), r1.at.Sub(r0.at)
	o.noise = r1.machine.since(r0.machine)
	o.add("CPU per forwarded packet", "µs", microseconds(r1.cpu-r0.cpu)/packets)
	o.add("packets forwarded", "1/s", packets/wall.Seconds())
	o.add("server CPU", "cores", (r1.cpu-r0.cpu).Seconds()/wall.Seconds())
	if !t.silent {
		o.add("allocations per forwarded packet", "", float64(after.Mallocs-before.Mallocs)/packets)
	}
	o.add("RSS per participant", "KiB", float64(resident-t.resident)/1024/float64(len(c.clients)))
	o.add("lost", "%", 100*float64(got.lost())/float64(got.expected))
	if len(took) > 0 {
		o.add("burst to subscriber, p50", "ms", milliseconds(quantile(took, 0.5)))
		o.add("burst to subscriber, p99", "ms", milliseconds(quantile(took, 0.99)))
	}
	c.judge(&o, sent, got)
	o.judgeLoad(r0, r1)
	return o, nil
}

// saturated is the share of its core at which the load generator is late.
const saturated = 0.9

// judgeLoad says if the load generator was late between two readings.
func (o *outcome) judgeLoad(r0, r1 reading) {
	if load := (r1.load - r0.load).Seconds() / r1.at.Sub(r0.at).Seconds(); load > saturated {
		o.remark("load generator at its limit (%.2f cores)", load)
	}
}

// judge says what is wrong with a row: gaps in the sequence numbers, and packets
// that left the publishers and left no gap, because the server renumbers.
func (c *call) judge(o *outcome, sent uint64, got tally) {
	if lost := got.lost(); lost > 0 {
		o.remark("LOSS %s%%", strconv.FormatFloat(100*float64(lost)/float64(got.expected), 'g', 2, 64))
	}
	// The window cuts bursts: one on each side, of each publisher, may be counted
	// on one side of the server only.
	burst := 1
	if c.kind.clock == videoClock {
		burst = videoKeyPackets
	}
	due := float64(sent) * float64(c.copies)
	slack := float64(2 * burst * len(c.senders) * c.copies)
	if missing := due - float64(got.received); missing > slack {
		o.remark("MISSING %.2g%% of what publishers sent", 100*missing/due)
	}
	if sent == 0 {
		o.remark("publishers sent nothing")
	}
}

// profile takes a CPU profile of the server during the next window, if asked for.
func (b *bench) profile(ctx context.Context, t *target) <-chan error {
	done := make(chan error, 1)
	if b.profileTo == "" || t.silent {
		done <- nil
		return done
	}
	go func() {
		seconds := max(1, int(b.window.Seconds()))
		raw, err := t.fetch(ctx, fmt.Sprintf("/debug/pprof/profile?seconds=%d", seconds))
		if err == nil {
			err = os.WriteFile(b.profileTo, raw, 0o644)
		}
		done <- err
	}()
	return done
}

// sleep waits for d or the end of ctx.
func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// poll waits for a condition that comes about elsewhere.
func poll(ctx context.Context, condition func() (bool, error)) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		ok, err := condition()
		if ok || err != nil {
			return err
		}
		if err := sleep(ctx, 10*time.Millisecond); err != nil {
			return fmt.Errorf("waited in vain: %w", err)
		}
	}
}
