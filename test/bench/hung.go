package main

import (
	"context"
	"errors"
	"slices"
	"time"
)

// oneHung is many endpoints that hear of every event, and one of them that does
// not answer: first all are well, then one hangs, then it is well again.
type oneHung struct {
	endpoints int
	rate      int // events a second
}

func (h oneHung) run(ctx context.Context, b *bench) (o outcome, err error) {
	got, err := listen(h.endpoints)
	if err != nil {
		return o, err
	}
	defer got.close()
	t, err := b.start(ctx, got.env())
	if err != nil {
		return o, err
	}
	defer t.stop()
	api, err := newRoomAPI(t.url)
	if err != nil {
		return o, err
	}
	defer api.http.CloseIdleConnections()

	rooms := max(2, int(b.window.Seconds()*float64(h.rate))/2)
	events := 0
	others := got.ledgers[1:]
	phase := func(name string) ([]time.Duration, error) {
		from := others[0].count()
		if _, err := (hooking{h.rate}).churn(ctx, api, name, rooms); err != nil {
			return nil, err
		}
		events += 2 * rooms
		var took []time.Duration
		for _, l := range others {
			if err := l.await(ctx, events); err != nil {
				return nil, errors.Join(err, got.failure())
			}
			took = append(took, l.since(from)...)
		}
		return took, nil
	}
	if _, err := phase("first"); err != nil { // connections are made
		return o, err
	}
	r0, err := t.read()
	if err != nil {
		return o, err
	}
	well, err := phase("before")
	if err != nil {
		return o, err
	}
	if err := got.ledgers[0].await(ctx, events); err != nil {
		return o, err
	}
	release := got.hangFirst()
	hung, err := phase("during")
	had := got.ledgers[0].count()
	release()
	if err != nil {
		return o, err
	}
	if had != events-2*rooms {
		o.remark("the endpoint that should hang got %d events meanwhile", had-(events-2*rooms))
	}
	// What it missed comes, however long that takes, before it goes on.
	if err := got.ledgers[0].await(ctx, events); err != nil {
		return o, err
	}
	after, err := phase("after")
	if err != nil {
		return o, err
	}
	r1, err := t.read()
	if err != nil {
		return o, err
	}
	well = append(well, after...)
	slices.Sort(well)
	slices.Sort(hung)
	o.noise = r1.machine.since(r0.machine)
	o.add("event to POST of the others, p50, all well", "ms", milliseconds(quantile(well, 0.5)))
	o.add("event to POST of the others, p99, all well", "ms", milliseconds(quantile(well, 0.99)))
	o.add("event to POST of the others, p50, one hung", "ms", milliseconds(quantile(hung, 0.5)))
	o.add("event to POST of the others, p99, one hung", "ms", milliseconds(quantile(hung, 0.99)))
	o.add("p99 with one hung ÷ all well", "", float64(quantile(hung, 0.99))/float64(max(1, quantile(well, 0.99))))
	if err := got.ledgers[0].await(ctx, events); err != nil {
		return o, err
	}
	for _, l := range got.ledgers {
		l.audit(&o, events)
	}
	o.add("events lost", "", float64(lost(got.ledgers, events)))
	o.judgeLoad(r0, r1)
	return o, got.failure()
}

func lost(ledgers []*ledger, want int) (n int) {
	for _, l := range ledgers {
		n += want - l.count()
	}
	return n
}

// hangFirst makes the requests to /0 hang until release is called.
func (r *receivers) hangFirst() (release func()) {
	hang := make(chan struct{})
	r.mu.Lock()
	defer r.mu.Unlock()
	r.hang = hang
	return func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.hang = nil
		close(hang)
	}
}
