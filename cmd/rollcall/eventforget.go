package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
)

const forgetAbout = `Takes a person out of past events: a pseudonym, the same each time, stands in the
place of the identity, and name, metadata and attributes are gone, also from what
is delivered later. What receivers answered to deliveries of these events is
dropped. It cannot be undone. What happens later is recorded in full again.

  rollcall events forget --dev --identity ana --yes
  rollcall events forget --dev --identity ana --room demo --yes`

func forgetPerson(ctx context.Context, args []string, env environment) error {
	var f clientFlags
	var identity, room string
	var yes bool
	fs := flag.NewFlagSet("rollcall events forget", flag.ContinueOnError)
	f.register(fs)
	fs.StringVar(&identity, "identity", "", "participant `identity`")
	fs.StringVar(&room, "room", "", "`name` of a room: only its events (default all)")
	fs.BoolVar(&yes, "yes", false, "do it: it cannot be undone")
	if err := parseFlags(fs, args, env, forgetAbout); err != nil {
		return err
	}
	switch {
	case identity == "":
		return usageError(errors.New("--identity is missing; see rollcall events forget --help"))
	case !yes:
		return usageError(errors.New("it cannot be undone: say --yes to do it"))
	}
	c, err := f.client(env)
	if err != nil {
		return err
	}
	var done struct {
		Pseudonym string
		Events    int
	}
	raw, err := c.call(ctx, "POST", "/log/forget", nil, map[string]string{"identity": identity, "room": room}, &done)
	if err != nil {
		return err
	}
	if f.json {
		printJSON(env.stdout, raw)
		return nil
	}
	if done.Events == 0 {
		fmt.Fprintln(env.stdout, "No event names that person.")
		return nil
	}
	fmt.Fprintf(env.stdout, "%s changed; there, the person is %s now.\n", plural(done.Events, "event"), done.Pseudonym)
	return nil
}
