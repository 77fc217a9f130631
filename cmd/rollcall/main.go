// Command rollcall is the server and its tools.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	rtc "github.com/rollcall-rtc/rollcall/client"
	"github.com/rollcall-rtc/rollcall/internal/delivery"
	"github.com/rollcall-rtc/rollcall/internal/egress/browser"
	"github.com/rollcall-rtc/rollcall/internal/egress/ffmpeg"
	"github.com/rollcall-rtc/rollcall/internal/egress/studio"
	"github.com/rollcall-rtc/rollcall/internal/egress/wire"
	"github.com/rollcall-rtc/rollcall/internal/egress/worker"
	"github.com/rollcall-rtc/rollcall/internal/server"
)

// environment is what a verb sees of the process.
type environment struct {
	stdin          io.Reader
	stdout, stderr io.Writer
	environ        []string // as os.Environ
}

// verb is the first argument.
type verb struct {
	name, summary string
	run           func(ctx context.Context, args []string, env environment) error
}

// verbs are all of them; completion, which is one, looks at them too.
var verbs []verb

// groups are the verbs that have verbs of their own.
var groups = map[string][]verb{
	"room": roomVerbs, "participant": participantVerbs, "events": eventVerbs, "endpoints": endpointVerbs,
	"egress": egressVerbs, "ingress": ingressVerbs,
}

func init() {
	verbs = []verb{
		{"serve", "run the server", serve},
		{"token", "make an access token", mintToken},
		{"hash-password", "make the hash of a password for the dashboard", hashPassword},
		{"room", "list, make, watch and close rooms", group("room")},
		{"participant", "see, mute, change and remove participants", group("participant")},
		{"egress", "see, start and stop recordings", group("egress")},
		{"ingress", "let encoders publish into rooms", group("ingress")},
		{"send", "send data to a room", sendData},
		{"events", "follow, explain and replay events", group("events")},
		{"endpoints", "see and change where events are delivered", group("endpoints")},
		{"listen", "forward events to a receiver on this machine", listen},
		{"receive", "receive, verify and print webhooks", receive},
		{"trigger", "send a receiver a signed sample of an event", trigger},
		{"verify", "say why a webhook does or does not verify", verify},
		{"join", "join a room: see its events, publish files, record", joinRoom},
		{"load", "put load on a server, and measure", runLoad},
		{"doctor", "find out whether a server can be used from here", examine},
		{"docs", "write the documentation as a site", writeDocs},
		{"completion", "print a script that completes command lines in a shell", completion},
		{"version", "print the version", printVersion},
	}
}

// workers are those of recordings, by the kind of the job.
var workers = map[wire.Kind]worker.New{
	wire.Pass:   worker.NewPass,
	wire.Mix:    worker.NewMix,
	wire.Encode: studio.New(streamGuard),
	wire.Browse: browser.New(delivery.GuardedDialer, worker.NewPass, studio.New(streamGuard)),
}

// streamGuard says what streams may reach.
func streamGuard(allow []netip.Prefix) ffmpeg.Guard {
	return ffmpeg.Guard{
		Dial:  delivery.GuardedDialer(allow).DialContext,
		Check: func(addr netip.Addr) error { return delivery.CheckAddress(addr, allow) },
	}
}

// group returns the run of a verb that has verbs of its own.
func group(name string) func(context.Context, []string, environment) error {
	return func(ctx context.Context, args []string, env environment) error {
		verbs := groups[name]
		if len(args) == 0 {
			printGroup(env.stderr, name, verbs)
			return usageError(fmt.Errorf("%s wants a verb", name))
		}
		switch args[0] {
		case "help", "-h", "-help", "--help":
			printGroup(env.stdout, name, verbs)
			return nil
		}
		for _, v := range verbs {
			if v.name == args[0] {
				return v.run(ctx, args[1:], env)
			}
		}
		return usageError(fmt.Errorf("no verb %q; see rollcall %s help", name+" "+args[0], name))
	}
}

func printGroup(w io.Writer, name string, verbs []verb) {
	fmt.Fprintf(w, "usage: rollcall %s <verb> [flags]\n\n", name)
	for _, v := range verbs {
		fmt.Fprintf(w, "  %-14s %s\n", v.name, v.summary)
	}
	fmt.Fprintf(w, "\n\"rollcall %s <verb> --help\" lists the flags.\n", name)
}

// errUsage is a command line that was not understood; exit status 2.
var errUsage = errors.New("usage")

// errInterrupted stands for whatever was given up when the program was told to end.
var errInterrupted = errors.New("interrupted before it was done")

func usageError(err error) error { return fmt.Errorf("%w: %w", errUsage, err) }

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	status := run(ctx, os.Args[1:], environment{os.Stdin, os.Stdout, os.Stderr, os.Environ()})
	stop()
	os.Exit(status)
}

// The exit statuses; docs/cli.md tells them.
const (
	exitFailed      = 1
	exitUsage       = 2 // the command line was not understood
	exitUnreachable = 3 // no server answers
	exitRefused     = 4 // the server answers that it will not, or that there is no such thing
)

// run runs one verb and returns the exit status.
func run(ctx context.Context, args []string, env environment) int {
	err := dispatch(ctx, args, env)
	if err == nil || errors.Is(err, flag.ErrHelp) {
		return 0
	}
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		err = errInterrupted
	}
	fmt.Fprintln(env.stderr, "rollcall:", err)
	if errors.Is(err, errUsage) {
		return exitUsage
	}
	if _, is := errors.AsType[*noServer](err); is {
		return exitUnreachable
	}
	if _, is := errors.AsType[*apiError](err); is {
		return exitRefused
	}
	if ce, is := errors.AsType[*rtc.ConnectError](err); is && ce.Status == 0 {
		return exitUnreachable
	} else if is {
		return exitRefused
	}
	return exitFailed
}

func dispatch(ctx context.Context, args []string, env environment) error {
	if len(args) == 0 {
		printUsage(env.stderr)
		return usageError(errors.New("a verb is missing"))
	}
	switch args[0] {
	case "help", "-h", "-help", "--help":
		printUsage(env.stdout)
		return nil
	case server.WorkerVerb: // no verb for people: the server starts it
		return worker.Run(env.stdin, env.stdout, workers)
	}
	for _, v := range verbs {
		if v.name == args[0] {
			return v.run(ctx, args[1:], env)
		}
	}
	return usageError(fmt.Errorf("no verb %q; see rollcall help", args[0]))
}

func printUsage(w io.Writer) {
	fmt.Fprint(w, "Rollcall is a server of realtime rooms in which every event is accounted for.\n\nusage: rollcall <verb> [flags]\n\n")
	for _, v := range verbs {
		fmt.Fprintf(w, "  %-14s %s\n", v.name, v.summary)
	}
	fmt.Fprint(w, "\n\"rollcall <verb> --help\" lists the flags. To try it out: rollcall serve --dev\n")
}

func printVersion(_ context.Context, args []string, env environment) error {
	if len(args) > 0 {
		return usageError(fmt.Errorf("version takes no argument, such as %q", args[0]))
	}
	fmt.Fprintln(env.stdout, "rollcall", version())
	return nil
}

// release is set by scripts/release.sh with -ldflags; empty in any other build.
var release string

// version is the module's version as the toolchain recorded it.
func version() string {
	if release != "" {
		return release
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "(devel)"
}
