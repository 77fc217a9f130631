package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/rollcall-rtc/rollcall/event"
	"github.com/rollcall-rtc/rollcall/internal/sample"
)

const triggerAbout = `Sends a receiver a sample of an event, signed as the server signs. Nothing happens
in a room, and nothing is written to the log. With --endpoint the server sends a
sample of its own to that endpoint.

  rollcall trigger participant_joined --dev --to http://localhost:3000/webhook
  rollcall trigger --list`

func catalogue() []event.Definition { return event.Catalogue() }

// trigger sends a signed sample.
func trigger(ctx context.Context, args []string, env environment) error {
	var f clientFlags
	var to, endpoint string
	var o sample.Options
	var list, print bool
	fs := flag.NewFlagSet("rollcall trigger", flag.ContinueOnError)
	f.register(fs)
	fs.StringVar(&to, "to", "", "`URL` of the receiver")
	fs.StringVar(&to, "forward-to", "", "`URL` of the receiver, as listen calls it")
	fs.StringVar(&endpoint, "endpoint", "", "`id` of an endpoint of the server, which is sent its test event")
	fs.StringVar(&o.Room, "room", "", "`name` of the sample's room")
	fs.StringVar(&o.Identity, "identity", "", "`identity` of its participant")
	fs.BoolVar(&list, "list", false, "list the events that there are")
	fs.BoolVar(&print, "print", false, "print the body in place of sending it")
	values, err := parseArgs(fs, args, env, triggerAbout, "[EVENT]")
	if err != nil {
		return err
	}
	if list {
		return listSamples(env)
	}
	if endpoint != "" {
		return testThere(ctx, &f, endpoint, env)
	}
	name := event.Name(values[0])
	if name == "" {
		return usageError(errors.New("EVENT is missing; rollcall trigger --list tells them"))
	}
	id, err := uuid.NewV7()
	if err != nil {
		return err
	}
	e, ok := sample.Event(name, o, time.Now())
	if !ok {
		return usageError(fmt.Errorf("%q is no event%s; rollcall trigger --list tells them", name, nearest(string(name))))
	}
	rec, err := sample.Record(e, id.String())
	if err != nil {
		return err
	}
	if print {
		fmt.Fprintf(env.stdout, "%s\n", rec.Body)
		return nil
	}
	if to == "" {
		return usageError(errors.New("want --to or --endpoint; see rollcall trigger --help"))
	}
	if err := checkURL(to, receiverURL); err != nil {
		return usageError(fmt.Errorf("--to: %w", err))
	}
	c, err := f.client(env)
	if err != nil {
		return err
	}
	fw := newForwarder(c, to, env, f.json)
	out := fw.attempt(ctx, &rec, 1)
	fw.show(&out, 0)
	if !out.Delivered {
		return fmt.Errorf("the receiver did not accept %s: %s", name, out.why())
	}
	return nil
}

// testThere lets the server test its endpoint.
func testThere(ctx context.Context, f *clientFlags, id string, env environment) error {
	c, err := f.client(env)
	if err != nil {
		return err
	}
	var a attempt
	raw, err := c.call(ctx, "POST", "/endpoints/"+url.PathEscape(id)+"/test", nil, nil, &a)
	if err != nil {
		return err
	}
	if f.json {
		printJSON(env.stdout, raw)
	} else {
		printAttempts(env, styleFor(env.stdout, env.environ), []attempt{a})
	}
	if !a.Delivered {
		return fmt.Errorf("endpoint %s did not accept the test: %s", id, a.why())
	}
	return nil
}

func listSamples(env environment) error {
	rows := [][]string{}
	for _, d := range catalogue() {
		kind := ""
		if !d.Stock {
			kind = "beyond LiveKit"
		}
		rows = append(rows, []string{string(d.Name), d.Scope.String(), kind})
	}
	table(env.stdout, rows)
	return nil
}

// nearest suggests an event for a misspelt one.
func nearest(name string) string {
	for _, d := range catalogue() {
		if known := string(d.Name); strings.EqualFold(strings.ReplaceAll(name, "-", "_"), known) || len(name) > 3 && strings.HasPrefix(known, name) {
			return fmt.Sprintf("; did you mean %s?", known)
		}
	}
	return ""
}
