package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"time"
)

// catchingUp is a client that reads the whole log as lines of JSON, once in one
// go, and once with the server killed and the client cut off on the way.
type catchingUp struct{ backlog backlog }

func (c catchingUp) run(ctx context.Context, b *bench) (o outcome, err error) {
	dir, err := os.MkdirTemp(b.dir, "pull-*")
	if err != nil {
		return o, err
	}
	defer os.RemoveAll(dir)
	f := b.sized(c.backlog)
	if err := f.fill(ctx, dir); err != nil {
		return o, fmt.Errorf("fill the log: %w", err)
	}
	t, err := b.startOn(ctx, dir)
	if err != nil {
		return o, err
	}
	defer func() { t.stop() }()
	want := uint64(f.events)

	r0, err := t.read()
	if err != nil {
		return o, err
	}
	p := new(puller)
	if err := p.pull(ctx, t, want); err != nil {
		return o, err
	}
	r1, err := t.read()
	if err != nil {
		return o, err
	}
	peak, err := peakBytes(t.pid)
	if err != nil {
		return o, err
	}
	o.noise = r1.machine.since(r0.machine)
	wall := r1.at.Sub(r0.at).Seconds()
	// In events of a million, should the run have been a short one.
	million := 1e6 / float64(want)
	o.add("catch-up of a million events", "s", wall*million)
	o.add("events pulled", "1/s", float64(want)/wall)
	o.add("server CPU per event", "µs", microseconds(r1.cpu-r0.cpu)/float64(want))
	o.add("client CPU per event", "µs", microseconds(r1.load-r0.load)/float64(want))
	o.add("bytes per event", "", float64(p.bytes)/float64(want))
	o.add("peak RSS", "MiB", mebibytes(peak))

	// Again, with the client cut off at a third and the server killed at two.
	began := time.Now()
	again := new(puller)
	if err := again.pull(ctx, t, want/3); err != nil {
		return o, err
	}
	killed := make(chan error, 1)
	again.at, again.reached = 2*want/3, func() { t.kill(); killed <- nil }
	// A short log may be on its way to the client as a whole by then.
	if err := again.pull(ctx, t, want); err == nil && !b.short {
		o.remark("the client did not notice that the server was killed")
	}
	<-killed
	if t, err = b.startOn(ctx, dir); err != nil {
		return o, err
	}
	if err := again.pull(ctx, t, want); err != nil {
		return o, err
	}
	o.add("the same, client cut off and server killed on the way", "s", time.Since(began).Seconds()*million)
	if p.cursor != want || again.cursor != want {
		o.remark("LOST: pulled up to %d and %d of %d", p.cursor, again.cursor, want)
	}
	return o, nil
}

// puller is a client of /events with a place in the log.
type puller struct {
	cursor uint64 // the last event that it has
	bytes  int64

	at      uint64 // calls reached there, once
	reached func()
}

var errGap = errors.New("events are missing or out of order")

// pull reads on from the cursor until it has the event upTo, and checks that
// nothing is left out.
func (p *puller) pull(ctx context.Context, t *target, upTo uint64) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	access, err := mintReader()
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, t.url+"/events?after="+strconv.FormatUint(p.cursor, 10), nil)
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+access)
	req.Header.Set("Accept", "application/x-ndjson")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		answer, _ := io.ReadAll(io.LimitReader(resp.Body, 1<<10))
		return fmt.Errorf("/events answered %s: %s", resp.Status, answer)
	}
	lines := bufio.NewReaderSize(resp.Body, 1<<20)
	for p.cursor < upTo {
		line, err := lines.ReadSlice('\n')
		if err != nil {
			return fmt.Errorf("read events after %d: %w", p.cursor, err)
		}
		if len(line) == 1 {
			continue // keeps the stream alive
		}
		seq, ok := seqOf(line)
		if !ok || seq != p.cursor+1 {
			return fmt.Errorf("%w: after %d comes %.80s", errGap, p.cursor, line)
		}
		p.cursor, p.bytes = seq, p.bytes+int64(len(line))
		if p.reached != nil && p.cursor >= p.at {
			p.reached()
			p.reached = nil
		}
	}
	return nil
}

// seqOf reads the first field of a line: an application would decode all of it,
// and that is not the server's time.
func seqOf(line []byte) (uint64, bool) {
	rest, ok := bytes.CutPrefix(line, []byte(`{"seq":`))
	number, _, found := bytes.Cut(rest, []byte{','})
	seq, err := strconv.ParseUint(string(number), 10, 64)
	return seq, ok && found && err == nil
}
