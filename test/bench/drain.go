package main

import (
	"context"
	"errors"
	"fmt"
	"os"
)

// draining is a backlog that the server pushes to one endpoint, one event each,
// signed; the receiver is this process.
type draining struct{ backlog backlog }

func (d draining) run(ctx context.Context, b *bench) (o outcome, err error) {
	dir, err := os.MkdirTemp(b.dir, "drain-*")
	if err != nil {
		return o, err
	}
	defer os.RemoveAll(dir)
	got, err := listen(1)
	if err != nil {
		return o, err
	}
	defer got.close()
	f := b.sized(d.backlog)
	if err := f.behind(ctx, b, dir, got); err != nil {
		return o, err
	}

	t, err := b.startOn(ctx, dir, got.env())
	if err != nil {
		return o, err
	}
	defer t.stop()
	l := got.ledgers[0]
	r0, err := t.read()
	if err != nil {
		return o, err
	}
	already := l.count() // until the server answered us
	if err := l.await(ctx, f.events); err != nil {
		return o, errors.Join(err, got.failure())
	}
	r1, err := t.read()
	if err != nil {
		return o, err
	}
	peak, err := peakBytes(t.pid)
	if err != nil {
		return o, err
	}
	posts := float64(f.events - already)
	o.noise = r1.machine.since(r0.machine)
	o.add("signed POSTs", "1/s", float64(f.events)/l.last.Sub(l.first).Seconds())
	o.add("server CPU per POST", "µs", microseconds(r1.cpu-r0.cpu)/posts)
	o.add("receiver CPU per POST", "µs", microseconds(r1.load-r0.load)/posts)
	o.add("peak RSS", "MiB", mebibytes(peak))
	l.audit(&o, f.events)
	if l.duplicates > 0 {
		o.remark("%d duplicates", l.duplicates)
	}
	return o, got.failure()
}

// behind fills a log of which the endpoint of got has had nothing: the server
// gets to know the endpoint first, as new ones start at the end of the log.
func (f backlog) behind(ctx context.Context, b *bench, dir string, got *receivers) error {
	t, err := b.startOn(ctx, dir, got.env())
	if err != nil {
		return err
	}
	t.stop()
	if err := f.fill(ctx, dir); err != nil {
		return fmt.Errorf("fill the log: %w", err)
	}
	return nil
}

// sized is the backlog as this run has it.
func (b *bench) sized(f backlog) backlog {
	if b.short {
		f = backlog{f.events / 100, f.rooms / 50}
	}
	return f.rounded()
}

func mebibytes(n int64) float64 { return float64(n) / (1 << 20) }
