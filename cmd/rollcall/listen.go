package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

const listenAbout = `Forwards events to a receiver that the server cannot reach, one after the other,
signed as the server signs. An event is tried until the receiver accepts it, and
only then acknowledged: stopped and started again, it goes on where it was.

  rollcall listen --dev --forward-to http://localhost:3000/webhook
  rollcall listen --url https://rtc.example.com --key k --secret s --consumer ana --forward-to http://localhost:3000/webhook

Its place is kept by the server, under the name --consumer, or in a file of this
machine with --cursor-file. The first time it begins with the next event, unless
--after says where.`

// listenFlags say what is forwarded.
type listenFlags struct {
	clientFlags
	forwardTo, consumer, cursorFile, room, types string
	after                                        int64
	untilEmpty                                   bool
}

// place is where a listener keeps how far it is.
type place interface {
	// begin returns what to read; after is where to begin, -1 for where it was.
	begin(ctx context.Context, after int64) (*reading, error)
	// done keeps that the event seq was accepted.
	done(ctx context.Context, seq uint64) error
}

func listen(ctx context.Context, args []string, env environment) error {
	var f listenFlags
	fs := flag.NewFlagSet("rollcall listen", flag.ContinueOnError)
	f.register(fs)
	fs.StringVar(&f.forwardTo, "forward-to", "", "`URL` of the receiver")
	fs.StringVar(&f.consumer, "consumer", "listen", "`name` under which the server keeps the place")
	fs.StringVar(&f.cursorFile, "cursor-file", "", "`file` that keeps the place instead")
	fs.StringVar(&f.room, "room", "", "`name` of a room")
	fs.StringVar(&f.types, "types", "", "`names` or globs of events, with commas between them (default what LiveKit has)")
	fs.Int64Var(&f.after, "after", -1, "begin after the event of this `seq`; 0 for the beginning")
	fs.BoolVar(&f.untilEmpty, "until-empty", false, "end when there is no event left")
	if err := parseFlags(fs, args, env, listenAbout); err != nil {
		return err
	}
	if f.forwardTo == "" {
		return usageError(errors.New("--forward-to is missing; see rollcall listen --help"))
	}
	if err := checkURL(f.forwardTo, receiverURL); err != nil {
		return usageError(fmt.Errorf("--forward-to: %w", err))
	}
	if f.types == "" {
		f.types = strings.Join(stockEvents(), ",")
	}
	c, err := f.client(env)
	if err != nil {
		return err
	}
	var at place = &serverPlace{c: c, name: f.consumer, room: f.room, types: f.types}
	kept := "consumer " + f.consumer
	if f.cursorFile != "" {
		at = &filePlace{c: c, file: f.cursorFile, room: f.room, types: f.types}
		kept = f.cursorFile
	}
	rd, err := at.begin(ctx, f.after)
	if err != nil {
		return err
	}
	if !f.json {
		fmt.Fprintf(env.stdout, "Forwarding events of %s to %s, after event %d (%s).\n", c.base, f.forwardTo, rd.after, kept)
	}
	rd.moved = at.done // retention must not overtake who waits for what does not come
	fw := newForwarder(c, f.forwardTo, env, f.json)
	handle := func(r *record, _ []byte) error {
		if err := fw.deliver(ctx, r); err != nil {
			return &handled{err}
		}
		return at.done(ctx, r.Seq)
	}
	if f.untilEmpty {
		return f.drain(ctx, c, rd, handle)
	}
	say := func(text string) { fmt.Fprintln(env.stderr, "rollcall:", text) }
	err = c.follow(ctx, rd, say, handle)
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// drain forwards what there is.
func (f *listenFlags) drain(ctx context.Context, c *client, rd *reading, handle func(*record, []byte) error) error {
	for done := false; !done; {
		var records []record
		var err error
		if records, done, err = c.page(ctx, rd); err != nil {
			return err
		}
		for i := range records {
			if err := handle(&records[i], nil); err != nil {
				return err
			}
		}
		if err := rd.moved(ctx, rd.after); err != nil {
			return err
		}
	}
	return nil
}

// serverPlace is a consumer of the server.
type serverPlace struct {
	c                 *client
	name, room, types string
}

func (p *serverPlace) begin(ctx context.Context, after int64) (*reading, error) {
	path := "/consumers/" + url.PathEscape(p.name)
	body := map[string]any{"room": p.room, "types": strings.Split(p.types, ",")}
	if after >= 0 {
		body["after"] = after
	}
	var consumer struct{ Cursor, Earliest uint64 }
	if _, err := p.c.call(ctx, "PUT", path, nil, body, &consumer); err != nil {
		return nil, err
	}
	if consumer.Cursor+1 < consumer.Earliest {
		return nil, fmt.Errorf("consumer %s was away for too long: the events after %d have left the log, whose earliest is %d; take what is there with --after 0",
			p.name, consumer.Cursor, consumer.Earliest)
	}
	return &reading{room: p.room, types: p.types, after: consumer.Cursor}, nil
}

// done repeats the acknowledgement when the server is away: it is the same one
// however often it comes.
func (p *serverPlace) done(ctx context.Context, seq uint64) error {
	var gaps backoff
	for {
		_, err := p.c.call(ctx, "POST", "/consumers/"+url.PathEscape(p.name)+"/ack", nil, map[string]uint64{"seq": seq}, nil)
		if err == nil {
			return nil
		}
		if refused, ok := errors.AsType[*apiError](err); ok && refused.status/100 == 4 {
			return &handled{err}
		}
		if !sleep(ctx, gaps.next()) {
			return &handled{ctx.Err()}
		}
	}
}

// filePlace is a file with a number in it.
type filePlace struct {
	c                 *client
	file, room, types string
}

func (p *filePlace) begin(ctx context.Context, after int64) (*reading, error) {
	rd := &reading{room: p.room, types: p.types}
	text, err := os.ReadFile(p.file)
	switch {
	case after >= 0:
		rd.after = uint64(after)
	case errors.Is(err, os.ErrNotExist):
		if rd.after, err = p.c.last(ctx); err != nil {
			return nil, err
		}
	case err != nil:
		return nil, fmt.Errorf("cursor file: %w", err)
	default:
		if rd.after, err = strconv.ParseUint(strings.TrimSpace(string(text)), 10, 64); err != nil {
			return nil, fmt.Errorf("cursor file %s does not hold the seq of an event", p.file)
		}
		return rd, nil
	}
	return rd, p.done(ctx, rd.after)
}

// done replaces the file, so that a crash leaves the old number or the new one.
func (p *filePlace) done(_ context.Context, seq uint64) error {
	next, err := os.CreateTemp(filepath.Dir(p.file), filepath.Base(p.file)+".*")
	if err != nil {
		return &handled{fmt.Errorf("keep cursor: %w", err)}
	}
	_, err = fmt.Fprintln(next, seq)
	err = errors.Join(err, next.Sync(), next.Close())
	if err == nil {
		err = os.Rename(next.Name(), p.file)
	}
	if err != nil {
		_ = os.Remove(next.Name())
		return &handled{fmt.Errorf("keep cursor: %w", err)}
	}
	return nil
}

// stockEvents are the names that LiveKit has too.
func stockEvents() []string {
	var names []string
	for _, d := range catalogue() {
		if d.Stock {
			names = append(names, string(d.Name))
		}
	}
	return slices.Clip(names)
}
