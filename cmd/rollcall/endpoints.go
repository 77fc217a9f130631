package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// endpointVerbs are the verbs of rollcall endpoints.
var endpointVerbs = []verb{
	{"list", "list endpoints and how they do", listEndpoints},
	{"add", "add an endpoint", addEndpoint},
	{"set", "change an endpoint", setEndpoint},
	{"show", "show one endpoint", endpointVerb("show", "Shows an endpoint and how it does.", "GET", "", showEndpoint)},
	{"pause", "hold deliveries back", endpointVerb("pause", "Holds an endpoint's deliveries back. Nothing is lost meanwhile.", "POST", "/pause", showEndpoint)},
	{"resume", "let deliveries go on", endpointVerb("resume", "Lets a paused endpoint's deliveries go on, or those of one that answered 410.", "POST", "/resume", showEndpoint)},
	{"rm", "remove an endpoint", endpointVerb("rm", "Removes an endpoint, and what waits for it.", "DELETE", "", nil)},
	{"test", "send an endpoint a signed sample", testEndpoint},
	{"rotate", "give an endpoint a new secret", rotateEndpoint},
	{"attempts", "list the last attempts", endpointVerb("attempts", "Lists the last attempts at an endpoint.", "GET", "/attempts", showAttempts)},
	{"dead", "list dead letters", endpointVerb("dead", "Lists what an endpoint refused while it accepted other events.", "GET", "/dead-letters", showDead)},
	{"redrive", "try dead letters again", redriveEndpoint},
	{"dismiss", "forget dead letters", dismissDeadLetters},
	{"redeliver", "send one event once more", redeliverEvent},
}

// endpoint is one as the server shows it.
type endpoint struct {
	ID, URL, Description, APIKey, Source, Mode, Format string
	Filter                                             struct {
		Events, Exclude, Rooms []string
		Tags                   map[string]string
	}
	Headers []string
	Rate    float64
	Paused  bool
	Block   bool
	Secret  string
	Secrets []struct{ ExpiresAt time.Time }
	Status  *struct {
		State                         string
		Lag                           uint64
		Attempts, Successes, Failures uint64
		OldestPendingMS               int64
		LastError                     string
		LastErrorAt                   time.Time
	}
}

// attempt is one as the server shows it.
type attempt struct {
	At        time.Time
	Seq       uint64
	Number    int
	Status    int
	Error     string
	Response  string
	LatencyMS float64
	Late      bool
	Requested bool
	Delivered bool
}

func (a *attempt) why() string {
	o := outcome{Status: a.Status, Error: a.Error, Response: strings.TrimSpace(a.Response[:min(len(a.Response), 300)])}
	return o.why()
}

func printAttempts(env environment, s style, list []attempt) {
	rows := [][]string{}
	for i := range list {
		a := &list[i]
		result := s.bad(a.why())
		if a.Delivered {
			result = s.good(strconv.Itoa(a.Status))
		}
		note := ""
		if a.Late {
			note = "late"
		}
		if a.Requested {
			note = strings.TrimSpace(note + " on request")
		}
		rows = append(rows, []string{"  " + clock(a.At), fmt.Sprintf("#%d", a.Seq), fmt.Sprintf("attempt %d", a.Number), millis(a.LatencyMS), result, note})
	}
	table(env.stdout, rows)
}

const listEndpointsAbout = `Lists the endpoints, with how their deliveries go.

  rollcall endpoints list --dev`

func listEndpoints(ctx context.Context, args []string, env environment) error {
	var f clientFlags
	fs := flag.NewFlagSet("rollcall endpoints list", flag.ContinueOnError)
	f.register(fs)
	if err := parseFlags(fs, args, env, listEndpointsAbout); err != nil {
		return err
	}
	c, err := f.client(env)
	if err != nil {
		return err
	}
	var list struct{ Endpoints []endpoint }
	raw, err := c.call(ctx, "GET", "/endpoints", nil, nil, &list)
	if err != nil {
		return err
	}
	if f.json {
		printJSON(env.stdout, raw)
		return nil
	}
	if len(list.Endpoints) == 0 {
		fmt.Fprintln(env.stdout, "There is no endpoint. Add one: rollcall endpoints add URL")
		return nil
	}
	rows := [][]string{{"ID", "URL", "FROM", "STATE", "WAITING", "DELIVERED", "FAILED"}}
	for _, e := range list.Endpoints {
		row := []string{e.ID, e.URL, e.Source, e.state(), "", "", ""}
		if e.Status != nil {
			row[4], row[5], row[6] = fmt.Sprint(e.Status.Lag), fmt.Sprint(e.Status.Successes), fmt.Sprint(e.Status.Failures)
		}
		rows = append(rows, row)
	}
	table(env.stdout, rows)
	return nil
}

func (e *endpoint) state() string {
	switch {
	case e.Paused:
		return "paused"
	case e.Status != nil:
		return e.Status.State
	}
	return ""
}

// showEndpoint prints an answer that is an endpoint.
func showEndpoint(env environment, raw json.RawMessage) error {
	var e endpoint
	if err := json.Unmarshal(raw, &e); err != nil {
		return fmt.Errorf("decode endpoint: %w", err)
	}
	events := strings.Join(e.Filter.Events, ", ")
	if events == "" {
		events = "what LiveKit has"
	}
	rate, block := "", ""
	if e.Rate > 0 {
		rate = fmt.Sprintf("%g requests a second at most", e.Rate)
	}
	if e.Block {
		block = "a room waits for an event that is refused alone"
	}
	pairs := []string{"id", e.ID, "url", e.URL, "description", e.Description, "from", e.Source, "API key", e.APIKey, "state", e.state(),
		"events", events, "without", strings.Join(e.Filter.Exclude, ", "), "rooms", strings.Join(e.Filter.Rooms, ", "), "tags", tagsText(e.Filter.Tags),
		"mode", e.Mode, "format", e.Format, "rate", rate, "block", block, "headers", strings.Join(e.Headers, ", "), "secrets", fmt.Sprint(len(e.Secrets))}
	if e.Status != nil {
		failed := e.Status.LastError
		if failed != "" {
			failed = clock(e.Status.LastErrorAt) + "  " + failed
		}
		pairs = append(pairs, "waiting", fmt.Sprint(e.Status.Lag), "delivered", fmt.Sprint(e.Status.Successes),
			"failed", fmt.Sprint(e.Status.Failures), "last error", failed)
	}
	fields(env.stdout, pairs...)
	if e.Secret != "" {
		fmt.Fprintf(env.stdout, "\nSecret for Standard Webhooks, shown this once:\n  %s\n", e.Secret)
	}
	return nil
}

// tagsText is tags as --tag takes them.
func tagsText(tags map[string]string) string {
	pairs := make([]string, 0, len(tags))
	for _, name := range slices.Sorted(maps.Keys(tags)) {
		pairs = append(pairs, name+"="+tags[name])
	}
	return strings.Join(pairs, ", ")
}

func showAttempts(env environment, raw json.RawMessage) error {
	var list struct{ Attempts []attempt }
	if err := json.Unmarshal(raw, &list); err != nil {
		return fmt.Errorf("decode attempts: %w", err)
	}
	printAttempts(env, styleFor(env.stdout, env.environ), list.Attempts)
	return nil
}

func showDead(env environment, raw json.RawMessage) error {
	var list struct {
		DeadLetters []struct {
			Seq         uint64
			Name, Room  string
			AbandonedAt time.Time
			Attempts    int
			Reason      string
			Next        time.Time
		}
	}
	if err := json.Unmarshal(raw, &list); err != nil {
		return fmt.Errorf("decode dead letters: %w", err)
	}
	if len(list.DeadLetters) == 0 {
		fmt.Fprintln(env.stdout, "There are no dead letters.")
		return nil
	}
	rows := [][]string{{"SEQ", "EVENT", "ROOM", "SINCE", "ATTEMPTS", "NEXT", "REASON"}}
	for _, d := range list.DeadLetters {
		rows = append(rows, []string{fmt.Sprint(d.Seq), d.Name, d.Room, clock(d.AbandonedAt), fmt.Sprint(d.Attempts), clock(d.Next), d.Reason})
	}
	table(env.stdout, rows)
	return nil
}

// endpointVerb is a verb that makes one request for one endpoint and shows the
// answer.
func endpointVerb(name, about, method, path string, show func(environment, json.RawMessage) error) func(context.Context, []string, environment) error {
	return func(ctx context.Context, args []string, env environment) error {
		var f clientFlags
		fs := flag.NewFlagSet("rollcall endpoints "+name, flag.ContinueOnError)
		f.register(fs)
		values, err := parseArgs(fs, args, env, about, "ID")
		if err != nil {
			return err
		}
		return f.endpointCall(ctx, env, method, values[0], path, nil, show)
	}
}

func (f *clientFlags) endpointCall(ctx context.Context, env environment, method, id, path string, body any, show func(environment, json.RawMessage) error) error {
	c, err := f.client(env)
	if err != nil {
		return err
	}
	var raw json.RawMessage
	resp, err := c.do(ctx, method, "/endpoints/"+url.PathEscape(id)+path, nil, body)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if show == nil {
		return nil
	}
	if err := json.NewDecoder(resp.Body).Decode(&raw); err != nil {
		return fmt.Errorf("read answer: %w", err)
	}
	if f.json {
		printJSON(env.stdout, raw)
		return nil
	}
	return show(env, raw)
}

const addAbout = `Adds an endpoint: a URL that gets the events from now on. Its secret for Standard
Webhooks is printed once.

  rollcall endpoints add https://example.com/webhook --events 'room_*,participant_*'`

const setAbout = `Changes what the flags name of an endpoint, and leaves the rest.

  rollcall endpoints set ep_1 --rooms 'class-*'`

// settings are the flags that describe an endpoint: those that were given are
// sent.
type settings map[string]any

func (s settings) register(fs *flag.FlagSet) {
	text := func(flagName, field, usage string) {
		fs.Func(flagName, usage, func(v string) error { s[field] = v; return nil })
	}
	text("description", "description", "`text` for people")
	text("api-key", "apiKey", "API `key` that signs (default the one of the request)")
	text("mode", "mode", "`mode`: ordered or parallel (default ordered)")
	text("format", "format", "`format`: livekit or cloudevents (default livekit)")
	text("own-secret", "secret", "a Standard Webhooks `secret` of your own: whsec_…")
	list := func(flagName, field, usage string) {
		fs.Func(flagName, usage, func(v string) error {
			filter, _ := s["filter"].(map[string]any)
			if filter == nil {
				filter = map[string]any{}
				s["filter"] = filter
			}
			filter[field] = []string{}
			if v != "" {
				filter[field] = strings.Split(v, ",")
			}
			return nil
		})
	}
	list("events", "events", "`names` or globs of events, with commas between them (default what LiveKit has)")
	list("exclude", "exclude", "`names` or globs of events to leave out")
	list("rooms", "rooms", "`globs` of room names (default all)")
	fs.Func("tag", "tag `name=value` that the room has to have; may be repeated", func(v string) error {
		name, value, ok := strings.Cut(v, "=")
		if !ok || name == "" {
			return errors.New("want name=value")
		}
		filter, _ := s["filter"].(map[string]any)
		if filter == nil {
			filter = map[string]any{}
			s["filter"] = filter
		}
		tags, _ := filter["tags"].(map[string]string)
		if tags == nil {
			tags = map[string]string{}
			filter["tags"] = tags
		}
		tags[name] = value
		return nil
	})
	fs.Func("header", "header `Name: value` to send along; may be repeated", func(v string) error {
		name, value, ok := strings.Cut(v, ":")
		if !ok {
			return errors.New("want Name: value")
		}
		headers, _ := s["headers"].(map[string]string)
		if headers == nil {
			headers = map[string]string{}
			s["headers"] = headers
		}
		headers[strings.TrimSpace(name)] = strings.TrimSpace(value)
		return nil
	})
	yesNo := func(flagName, field, usage string) {
		fs.BoolFunc(flagName, usage, func(v string) error {
			b, err := strconv.ParseBool(v)
			s[field] = b
			return err
		})
	}
	yesNo("full-track-context", "fullTrackContext", "send the whole room and participant with track events")
	yesNo("block", "block", "let a room wait for an event that is refused alone")
	fs.Func("rate", "requests a `second` at most", func(v string) error {
		n, err := strconv.ParseFloat(v, 64)
		s["rate"] = n
		return err
	})
}

func addEndpoint(ctx context.Context, args []string, env environment) error {
	var f clientFlags
	set := settings{}
	var id string
	fs := flag.NewFlagSet("rollcall endpoints add", flag.ContinueOnError)
	f.register(fs)
	set.register(fs)
	fs.StringVar(&id, "id", "", "`id` to give it (default one of the server's)")
	values, err := parseArgs(fs, args, env, addAbout, "URL")
	if err != nil {
		return err
	}
	if err := checkURL(values[0], receiverURL); err != nil {
		return usageError(err)
	}
	set["url"] = values[0]
	if id != "" {
		return f.endpointCall(ctx, env, "PUT", id, "", set, showEndpoint)
	}
	c, err := f.client(env)
	if err != nil {
		return err
	}
	raw, err := c.call(ctx, "POST", "/endpoints", nil, set, nil)
	if err != nil {
		return err
	}
	if f.json {
		printJSON(env.stdout, raw)
		return nil
	}
	return showEndpoint(env, raw)
}

func setEndpoint(ctx context.Context, args []string, env environment) error {
	var f clientFlags
	set := settings{}
	fs := flag.NewFlagSet("rollcall endpoints set", flag.ContinueOnError)
	f.register(fs)
	set.register(fs)
	fs.Func("to", "`URL` to send to", func(v string) error { set["url"] = v; return checkURL(v, receiverURL) })
	values, err := parseArgs(fs, args, env, setAbout, "ID")
	if err != nil {
		return err
	}
	if len(slices.Collect(maps.Keys(set))) == 0 {
		return usageError(errors.New("nothing to change; see rollcall endpoints set --help"))
	}
	return f.endpointCall(ctx, env, "PATCH", values[0], "", set, showEndpoint)
}

func testEndpoint(ctx context.Context, args []string, env environment) error {
	var f clientFlags
	fs := flag.NewFlagSet("rollcall endpoints test", flag.ContinueOnError)
	f.register(fs)
	values, err := parseArgs(fs, args, env, "Sends an endpoint a signed sample, and shows what it answers.", "ID")
	if err != nil {
		return err
	}
	return testThere(ctx, &f, values[0], env)
}

const rotateAbout = `Gives an endpoint a new secret for Standard Webhooks and prints it once. The old
one signs beside it for --overlap.`

func rotateEndpoint(ctx context.Context, args []string, env environment) error {
	var f clientFlags
	var overlap time.Duration
	fs := flag.NewFlagSet("rollcall endpoints rotate", flag.ContinueOnError)
	f.register(fs)
	fs.DurationVar(&overlap, "overlap", 24*time.Hour, "how `long` the old secret signs too (default 24h)")
	values, err := parseArgs(fs, args, env, rotateAbout, "ID")
	if err != nil {
		return err
	}
	body := map[string]int64{"overlapSeconds": int64(overlap.Seconds())}
	return f.endpointCall(ctx, env, "POST", values[0], "/rotate", body, showEndpoint)
}

func redeliverEvent(ctx context.Context, args []string, env environment) error {
	var f clientFlags
	fs := flag.NewFlagSet("rollcall endpoints redeliver", flag.ContinueOnError)
	f.register(fs)
	values, err := parseArgs(fs, args, env, "Sends an endpoint one event once more, by its id or seq, and shows what it answers.", "ID", "EVENT")
	if err != nil {
		return err
	}
	body := map[string]any{"event": values[1]}
	return f.endpointCall(ctx, env, "POST", values[0], "/redeliver", body, func(env environment, raw json.RawMessage) error {
		var a attempt
		if err := json.Unmarshal(raw, &a); err != nil {
			return fmt.Errorf("decode attempt: %w", err)
		}
		printAttempts(env, styleFor(env.stdout, env.environ), []attempt{a})
		return nil
	})
}
