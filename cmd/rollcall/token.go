package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/rollcall-rtc/rollcall/internal/config"
	"github.com/rollcall-rtc/rollcall/internal/token"
)

const tokenAbout = `Makes an access token, signed with an API key of the configuration, and prints
it. With --identity it joins a room; the other grants are for the server API.

  rollcall token create --dev --room demo --identity ana
  rollcall token create --config rollcall.yaml --room demo --admin --valid-for 5m
  rollcall token create --config rollcall.yaml --dashboard`

// tokenFlags is what the command line asks for.
type tokenFlags struct {
	config.Flags
	apiKey   string
	open     bool // print how to open the dashboard with it
	validFor time.Duration
	claims   token.Claims
	grant    token.VideoGrant
	own      token.RollcallGrant
}

// mintToken prints an access token.
func mintToken(_ context.Context, args []string, env environment) error {
	var f tokenFlags
	fs := flag.NewFlagSet("rollcall token", flag.ContinueOnError)
	f.register(fs)
	if len(args) > 0 && args[0] == "create" { // the only thing that one does with tokens
		args = args[1:]
	}
	if err := parseFlags(fs, args, env, tokenAbout); err != nil {
		return err
	}
	if err := f.complete(); err != nil {
		return usageError(err)
	}
	cfg, err := config.Load(&f.Flags, env.environ)
	if err != nil {
		return err
	}
	key, err := f.key(cfg.Keys)
	if err != nil {
		return usageError(err)
	}
	raw, err := token.Mint(key, cfg.Keys[key], &f.claims, time.Now(), f.validFor)
	if err != nil {
		return err
	}
	fmt.Fprintln(env.stdout, raw)
	if f.open {
		// Behind #, so that it comes to no server's log.
		fmt.Fprintf(env.stderr, "open %s/dashboard#token=%s\n", urlOf(cfg), raw)
	}
	return nil
}

func (f *tokenFlags) register(fs *flag.FlagSet) {
	f.RegisterKeys(fs)
	fs.StringVar(&f.apiKey, "api-key", "", "`key` to sign with (default the only one)")
	fs.DurationVar(&f.validFor, "valid-for", 6*time.Hour, "`time` until the token expires (default 6h)")

	fs.StringVar(&f.grant.Room, "room", "", "`name` of the room that the grants are for")
	fs.StringVar(&f.claims.Identity, "identity", "", "participant `identity`: join the room")
	fs.StringVar(&f.claims.Name, "name", "", "participant's display `name`")
	fs.StringVar(&f.claims.Metadata, "metadata", "", "participant's metadata, any `text`")
	fs.Func("attribute", "participant attribute `name=value`; may be repeated", func(text string) error {
		name, value, ok := strings.Cut(text, "=")
		if !ok || name == "" {
			return errors.New("want name=value")
		}
		if f.claims.Attributes == nil {
			f.claims.Attributes = make(map[string]string)
		}
		f.claims.Attributes[name] = value
		return nil
	})
	f.permission(fs, "can-publish", "may publish tracks (default true)", &f.grant.CanPublish)
	f.permission(fs, "can-publish-data", "may send data (default as can-publish)", &f.grant.CanPublishData)
	f.permission(fs, "can-subscribe", "may receive tracks (default true)", &f.grant.CanSubscribe)
	f.permission(fs, "can-update-own-metadata", "may change its name, metadata and attributes (default false)", &f.grant.CanUpdateOwnMetadata)
	fs.BoolVar(&f.grant.Hidden, "hidden", false, "others do not see the participant")

	fs.BoolVar(&f.grant.RoomAdmin, "admin", false, "administer the room")
	fs.BoolVar(&f.grant.RoomCreate, "create", false, "create and delete rooms")
	fs.BoolVar(&f.grant.RoomList, "list", false, "list rooms")
	fs.BoolVar(&f.own.Events, "events", false, "read the events of all rooms")
	fs.StringVar(&f.own.Room, "events-room", "", "read the events of this room, by `name`")
	fs.BoolVar(&f.own.Admin, "admin-all", false, "administer, create, list and delete all rooms")
	fs.BoolVar(&f.open, "dashboard", false, "use the dashboard: --admin-all --events --endpoints")
	fs.BoolVar(&f.own.Forget, "forget", false, "take people out of past events")
	fs.BoolVar(&f.own.Endpoints, "endpoints", false, "see and change the endpoints of webhooks")
}

// permission is a flag that is unset, true or false.
func (f *tokenFlags) permission(fs *flag.FlagSet, name, usage string, field **bool) {
	fs.BoolFunc(name, usage, func(text string) error {
		switch text {
		case "true", "false":
			*field = new(text == "true")
			return nil
		}
		return errors.New("want true or false")
	})
}

// complete turns the flags into claims, and refuses what would permit nothing
// or, by an oversight, everything.
func (f *tokenFlags) complete() error {
	f.grant.RoomJoin = f.claims.Identity != ""
	f.own.Events = f.own.Events || f.own.Room != "" || f.open
	f.own.Admin, f.own.Endpoints = f.own.Admin || f.open, f.own.Endpoints || f.open
	if f.own != (token.RollcallGrant{}) {
		f.claims.Rollcall = &f.own
	}
	g := f.grant
	switch {
	case !g.RoomJoin && !g.RoomAdmin && !g.RoomCreate && !g.RoomList && f.claims.Rollcall == nil:
		return errors.New("the token would permit nothing: want --identity, --admin, --create, --list, --events, --endpoints or --dashboard")
	case f.open && f.own.Room != "":
		return errors.New("--dashboard is for all rooms; leave --events-room out")
	case f.own.Admin && f.own.Room != "":
		return errors.New("--admin-all is for all rooms; leave --events-room out, or use --room with --admin")
	case f.own.Endpoints && f.own.Room != "":
		return errors.New("--endpoints concerns all rooms; leave --events-room out, or make two tokens")
	case (g.RoomJoin || g.RoomAdmin) && g.Room == "":
		return errors.New("--identity and --admin want --room")
	case f.validFor <= 0:
		return errors.New("--valid-for wants a time above 0, such as 30m")
	}
	f.claims.Video = &f.grant
	return nil
}

// key chooses the API key to sign with.
func (f *tokenFlags) key(keys config.Keys) (string, error) {
	names := slices.Sorted(maps.Keys(keys))
	switch {
	case f.apiKey == "" && len(names) == 1:
		return names[0], nil
	case f.apiKey == "":
		return "", fmt.Errorf("there are %d API keys; --api-key wants one of %s", len(names), strings.Join(names, ", "))
	case keys[f.apiKey] == "":
		return "", fmt.Errorf("--api-key %q is none of %s", f.apiKey, strings.Join(names, ", "))
	}
	return f.apiKey, nil
}
