package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net/url"
	"strings"
	"time"
)

// eventVerbs are the verbs of rollcall events.
var eventVerbs = []verb{
	{"tail", "follow the log", tailEvents},
	{"show", "print one event", showEvent},
	{"why", "say what became of an event at each endpoint", whyEvent},
	{"replay", "send events again", replayEvents},
	{"forget", "take a person out of past events", forgetPerson},
	{"status", "say what the log holds, and for whom", logStatus},
}

const tailAbout = `Prints events as they are committed, after the last ones that there are. An
event's number is its seq, which --after takes.

  rollcall events tail --dev
  rollcall events tail --dev --room demo --types 'participant_*' --json`

func tailEvents(ctx context.Context, args []string, env environment) error {
	var f clientFlags
	var rd reading
	var after int64
	var last uint64
	follow := true
	fs := flag.NewFlagSet("rollcall events tail", flag.ContinueOnError)
	f.register(fs)
	fs.StringVar(&rd.room, "room", "", "`name` of a room, or sid of a session")
	fs.StringVar(&rd.types, "types", "", "`names` or globs of events, with commas between them")
	fs.Int64Var(&after, "after", -1, "begin after the event of this `seq`; 0 for the beginning")
	fs.Uint64Var(&last, "last", 10, "how `many` of the last events of the log to look at first")
	fs.BoolVar(&follow, "follow", true, "wait for more; --follow=false ends at the end")
	if err := parseFlags(fs, args, env, tailAbout); err != nil {
		return err
	}
	c, err := f.client(env)
	if err != nil {
		return err
	}
	if after >= 0 {
		rd.after = uint64(after)
	} else {
		end, err := c.last(ctx)
		if err != nil {
			return err
		}
		rd.after = end - min(end, last)
	}
	s := styleFor(env.stdout, env.environ)
	show := func(r *record, line []byte) error {
		if f.json {
			fmt.Fprintf(env.stdout, "%s\n", line)
		} else {
			fmt.Fprintln(env.stdout, r.line(s))
		}
		return nil
	}
	if follow {
		say := func(text string) { fmt.Fprintln(env.stderr, "rollcall:", text) }
		return c.follow(ctx, &rd, say, show)
	}
	for done := false; !done; {
		var records []record
		if records, done, err = c.page(ctx, &rd); err != nil {
			return err
		}
		for i := range records {
			// The body stays as it is signed: no character is escaped.
			var line bytes.Buffer
			enc := json.NewEncoder(&line)
			enc.SetEscapeHTML(false)
			if err := enc.Encode(&records[i]); err != nil {
				return err
			}
			if err := show(&records[i], bytes.TrimSpace(line.Bytes())); err != nil {
				return err
			}
		}
	}
	return nil
}

const showAbout = `Prints one event, by its id (a webhook's "id") or its seq.

  rollcall events show 812 --dev`

func showEvent(ctx context.Context, args []string, env environment) error {
	var f clientFlags
	fs := flag.NewFlagSet("rollcall events show", flag.ContinueOnError)
	f.register(fs)
	values, err := parseArgs(fs, args, env, showAbout, "ID")
	if err != nil {
		return err
	}
	c, err := f.client(env)
	if err != nil {
		return err
	}
	var r record
	raw, err := c.call(ctx, "GET", "/events/"+url.PathEscape(values[0]), nil, nil, &r)
	if err != nil {
		return err
	}
	if f.json {
		printJSON(env.stdout, raw)
		return nil
	}
	r.print(env)
	fmt.Fprintln(env.stdout)
	printJSON(env.stdout, r.Body)
	return nil
}

// print prints what is around the body.
func (r *record) print(env environment) {
	place := fmt.Sprint(r.Seq)
	if r.RoomSeq > 0 {
		place += fmt.Sprintf(" (%d of its room's session)", r.RoomSeq)
	}
	room := r.Room
	if r.RoomSID != "" {
		room += "  " + r.RoomSID
	}
	who := r.Identity
	if r.ParticipantSID != "" {
		who += "  " + r.ParticipantSID
	}
	by := string(r.Actor)
	if r.Synthesized {
		by += ", concluded after a crash"
	}
	fields(env.stdout, "event", string(r.Name), "seq", place, "id", r.ID, "time", r.Time.Local().Format("2006-01-02 15:04:05.000000 MST"),
		"room", room, "participant", who, "track", r.TrackSID, "by", by, "reason", r.Reason)
}

const whyAbout = `Says what became of an event, by its id or seq: at each endpoint whether it was
delivered, by which attempts, and what is next.

  rollcall events why 812 --dev`

// explanation is the server's answer.
type explanation struct {
	Event     record
	Endpoints []struct {
		Endpoint, URL, Fate, Because string
		Next                         time.Time
		Attempts                     []attempt
	}
}

func whyEvent(ctx context.Context, args []string, env environment) error {
	var f clientFlags
	fs := flag.NewFlagSet("rollcall events why", flag.ContinueOnError)
	f.register(fs)
	values, err := parseArgs(fs, args, env, whyAbout, "ID")
	if err != nil {
		return err
	}
	c, err := f.client(env)
	if err != nil {
		return err
	}
	var x explanation
	raw, err := c.call(ctx, "GET", "/events/"+url.PathEscape(values[0])+"/why", nil, nil, &x)
	if err != nil {
		return err
	}
	if f.json {
		printJSON(env.stdout, raw)
		return nil
	}
	x.Event.print(env)
	s := styleFor(env.stdout, env.environ)
	if len(x.Endpoints) == 0 {
		fmt.Fprintln(env.stdout, "\nThere is no endpoint: nothing is delivered. See rollcall endpoints add --help.")
	}
	for _, e := range x.Endpoints {
		fate := e.Fate
		switch fate {
		case "delivered":
			fate = s.good(fate)
		case "abandoned", "dead":
			fate = s.bad(fate)
		}
		fmt.Fprintf(env.stdout, "\n%s  %s\n  %s: %s\n", s.bold(e.Endpoint), e.URL, fate, e.Because)
		if !e.Next.IsZero() {
			fmt.Fprintf(env.stdout, "  next attempt at %s\n", clock(e.Next))
		}
		printAttempts(env, s, e.Attempts)
	}
	return nil
}

const replayAbout = `Sends events again, in order: to an endpoint of the server, which does it and
goes on after a restart, or with --to alone from this machine to a URL.

  rollcall events replay --dev --endpoint ep_1 --since 2h
  rollcall events replay --dev --to http://localhost:3000/webhook --types 'room_*'`

// replayFlags say what is sent again.
type replayFlags struct {
	clientFlags
	endpoint, to, room, types string
	after, through            uint64
	since, until              moment
	rate                      float64
	detach                    bool
}

func replayEvents(ctx context.Context, args []string, env environment) error {
	var f replayFlags
	fs := flag.NewFlagSet("rollcall events replay", flag.ContinueOnError)
	f.register(fs)
	fs.StringVar(&f.endpoint, "endpoint", "", "`id` of the endpoint that signs and receives")
	fs.StringVar(&f.to, "to", "", "`URL` that receives in its place")
	fs.StringVar(&f.room, "room", "", "`name` of a room")
	fs.StringVar(&f.types, "types", "", "`names` or globs of events, with commas between them (default what the endpoint has or, without one, what LiveKit has)")
	fs.Uint64Var(&f.after, "after", 0, "begin after the event of this `seq`")
	fs.Uint64Var(&f.through, "through", 0, "end with the event of this `seq` (default the last there is)")
	fs.Var(&f.since, "since", "begin at this `time`: 2h ago as 2h, or 2026-11-23T12:00:00Z")
	fs.Var(&f.until, "until", "end at this `time`")
	fs.Float64Var(&f.rate, "rate", 0, "requests a `second` at most (default 100)")
	fs.BoolVar(&f.detach, "detach", false, "with --endpoint: do not wait for the end")
	if err := parseFlags(fs, args, env, replayAbout); err != nil {
		return err
	}
	if f.endpoint == "" && f.to == "" {
		return usageError(errors.New("want --endpoint or --to; see rollcall events replay --help"))
	}
	if f.to != "" {
		if err := checkURL(f.to, receiverURL); err != nil {
			return usageError(fmt.Errorf("--to: %w", err))
		}
	}
	c, err := f.client(env)
	if err != nil {
		return err
	}
	if f.endpoint == "" {
		return f.here(ctx, c, env)
	}
	return f.there(ctx, c, env)
}

// recovery is one of the server's.
type recovery struct {
	ID        string `json:"id"`
	Position  uint64 `json:"position"`
	Sent      uint64 `json:"sent"`
	Skipped   uint64 `json:"skipped"`
	Failures  uint64 `json:"failures"`
	State     string `json:"state"`
	LastError string `json:"lastError"`
}

// there lets the server do it.
func (f *replayFlags) there(ctx context.Context, c *client, env environment) error {
	body := map[string]any{"after": f.after, "through": f.through, "rate": f.rate, "toUrl": f.to}
	if !f.since.IsZero() {
		body["since"] = f.since.Time
	}
	if !f.until.IsZero() {
		body["until"] = f.until.Time
	}
	if f.room != "" || f.types != "" {
		filter := map[string]any{}
		if f.room != "" {
			filter["rooms"] = []string{f.room}
		}
		if f.types != "" {
			filter["events"] = strings.Split(f.types, ",")
		}
		body["filter"] = filter
	}
	var rec recovery
	raw, err := c.call(ctx, "POST", "/endpoints/"+url.PathEscape(f.endpoint)+"/recover", nil, body, &rec)
	if err != nil {
		return err
	}
	for !f.detach && rec.State == "running" {
		if !sleep(ctx, 200*time.Millisecond) {
			fmt.Fprintf(env.stderr, "rollcall: the server goes on with recovery %s\n", rec.ID)
			return nil
		}
		if raw, err = c.call(ctx, "GET", "/recoveries/"+url.PathEscape(rec.ID), nil, nil, &rec); err != nil {
			return err
		}
	}
	if f.json {
		printJSON(env.stdout, raw)
	} else {
		fields(env.stdout, "recovery", rec.ID, "state", rec.State, "position", fmt.Sprint(rec.Position), "sent", fmt.Sprint(rec.Sent),
			"left out", fmt.Sprint(rec.Skipped), "failures", fmt.Sprint(rec.Failures), "last error", rec.LastError)
	}
	if rec.State == "failed" {
		return fmt.Errorf("recovery %s failed: %s", rec.ID, rec.LastError)
	}
	return nil
}

// here reads the events and sends them from this machine.
func (f *replayFlags) here(ctx context.Context, c *client, env environment) error {
	rd := reading{room: f.room, types: f.types, after: f.after}
	if rd.types == "" {
		rd.types = strings.Join(stockEvents(), ",")
	}
	fw := newForwarder(c, f.to, env, f.json)
	fw.attempts = 5
	fw.pace(f.rate)
	sent := 0
	for done := false; !done; {
		var records []record
		var err error
		if records, done, err = c.page(ctx, &rd); err != nil {
			return err
		}
		for i := range records {
			r := &records[i]
			if f.through > 0 && r.Seq > f.through {
				done = true
				break
			}
			if r.Time.Before(f.since.Time) || !f.until.IsZero() && r.Time.After(f.until.Time) {
				continue
			}
			if err := fw.deliver(ctx, r); err != nil {
				return fmt.Errorf("event %d is not accepted: %w; go on with --after %d", r.Seq, err, r.Seq-1)
			}
			sent++
		}
	}
	if !f.json {
		fmt.Fprintf(env.stdout, "%s sent\n", plural(sent, "event"))
	}
	return nil
}

// moment is a flag's time: absolute, or how long ago.
type moment struct{ time.Time }

// String implements flag.Value.
func (m *moment) String() string { return "" }

// Set implements flag.Value.
func (m *moment) Set(text string) error {
	if ago, err := time.ParseDuration(text); err == nil && ago >= 0 {
		m.Time = time.Now().Add(-ago)
		return nil
	}
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05", "2006-01-02 15:04:05", time.DateOnly} {
		if t, err := time.ParseInLocation(layout, text, time.Local); err == nil {
			m.Time = t
			return nil
		}
	}
	return errors.New("want a time such as 2h, 2026-11-23 or 2026-11-23T12:00:00Z")
}
