package main

import (
	"context"
	"flag"
	"fmt"
	"time"
)

const statusAbout = `Says what the log holds, how long it keeps it, and which endpoints, recoveries and
consumers have not acknowledged all of it.

  rollcall events status --dev`

// logState is the server's answer.
type logState struct {
	First, Last, Bytes uint64
	RetentionSeconds   int64
	RetentionBytes     uint64
	Quota              uint64
	Full               bool
	Refused            uint64
	Needs              []struct {
		Kind, Name string
		Seq        uint64
	}
}

func logStatus(ctx context.Context, args []string, env environment) error {
	var f clientFlags
	fs := flag.NewFlagSet("rollcall events status", flag.ContinueOnError)
	f.register(fs)
	if err := parseFlags(fs, args, env, statusAbout); err != nil {
		return err
	}
	c, err := f.client(env)
	if err != nil {
		return err
	}
	var state logState
	raw, err := c.call(ctx, "GET", "/log", nil, nil, &state)
	if err != nil {
		return err
	}
	if f.json {
		printJSON(env.stdout, raw)
		return nil
	}
	state.print(env)
	return nil
}

func (l *logState) print(env environment) {
	holds := "no event"
	if l.First <= l.Last {
		holds = fmt.Sprintf("%d to %d", l.First, l.Last)
	}
	age := "forever"
	if l.RetentionSeconds > 0 {
		age = (time.Duration(l.RetentionSeconds) * time.Second).String()
	}
	state := "takes every event"
	if l.Full {
		state = "full: takes only LiveKit's events and those that open or close something"
	}
	refused := ""
	if l.Refused > 0 {
		refused = plural(int(l.Refused), "event")
	}
	fields(env.stdout, "events", holds, "bytes", fmt.Sprint(l.Bytes), "kept for", age, "bytes kept", limitText(l.RetentionBytes),
		"quota", limitText(l.Quota), "state", state, "not taken", refused)
	if len(l.Needs) == 0 {
		fmt.Fprintln(env.stdout, "\nEverything is acknowledged.")
		return
	}
	fmt.Fprintln(env.stdout, "\nNot acknowledged, and kept for 72 hours:")
	rows := [][]string{}
	for _, n := range l.Needs {
		rows = append(rows, []string{"  " + n.Kind, n.Name, fmt.Sprintf("from #%d", n.Seq), plural(int(l.Last-n.Seq+1), "event")})
	}
	table(env.stdout, rows)
}

// limitText is a number of bytes that may be no limit.
func limitText(bytes uint64) string {
	if bytes == 0 {
		return "no limit"
	}
	return fmt.Sprint(bytes)
}
