// Command rollcall is the server and its tools.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"
)

// environment is what a verb sees of the process.
type environment struct {
	stdout, stderr io.Writer
	environ        []string // as os.Environ
}

// errUsage is a command line that was not understood; exit status 2.
var errUsage = errors.New("usage")

func usageError(err error) error { return fmt.Errorf("%w: %w", errUsage, err) }

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], environment{os.Stdout, os.Stderr, os.Environ()}))
}

// run runs one verb and returns the exit status.
func run(ctx context.Context, args []string, env environment) int {
	err := errUsage
	if len(args) > 0 && args[0] == "serve" {
		err = serve(ctx, args[1:], env)
	}
	switch {
	case err == nil, errors.Is(err, flag.ErrHelp):
		return 0
	case errors.Is(err, errUsage):
		fmt.Fprintln(env.stderr, "rollcall:", err)
		return 2
	default:
		fmt.Fprintln(env.stderr, "rollcall:", err)
		return 1
	}
}

// version is the module's version as the toolchain recorded it.
func version() string {
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "(devel)"
}
