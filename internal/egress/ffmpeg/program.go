package ffmpeg

import (
	"context"
	"fmt"
	"maps"
	"os/exec"
	"slices"
	"strings"
	"time"
)

// Program is an ffmpeg that is installed.
type Program struct {
	Path    string
	Version string
	can     map[string]bool // encoders by name, protocols with ":" after it
}

// Known is a program that somebody else has found, with its abilities.
func Known(path string, abilities []string) *Program {
	p := &Program{Path: path, can: make(map[string]bool, len(abilities))}
	for _, name := range abilities {
		p.can[name] = true
	}
	return p
}

// Abilities are all that Need may be asked for, in order.
func (p *Program) Abilities() []string { return slices.Sorted(maps.Keys(p.can)) }

// MissingError says that a program, or a part of it, is not installed.
type MissingError struct {
	What string // for people
	// Package is what to install: that of Debian and Ubuntu, and of most others.
	Package string
}

// Error names the package.
func (e *MissingError) Error() string {
	return fmt.Sprintf("%s is not installed on the server: install the package %s", e.What, e.Package)
}

// ErrorCode is that of what has to be put right first, as Twirp spells it.
func (e *MissingError) ErrorCode() string { return "failed_precondition" }

// findPatience bounds what the program may take to say what it can.
const findPatience = 30 * time.Second

// SlowError says that the program is there, but does not say what it can.
type SlowError struct{ Path string }

// Error names the program.
func (e *SlowError) Error() string {
	return fmt.Sprintf("%s has not said in %v what it can: is the machine too busy?", e.Path, findPatience)
}

// ErrorCode is that of what may be tried again, as Twirp spells it.
func (e *SlowError) ErrorCode() string { return "unavailable" }

// Find asks the program of that name, "" for ffmpeg in the path, what it can. It
// fails with a *MissingError if there is none, with a *SlowError if it says nothing, and
// with ctx.
func Find(ctx context.Context, name string) (*Program, error) {
	if name == "" {
		name = "ffmpeg"
	}
	path, err := exec.LookPath(name)
	if err != nil {
		return nil, &MissingError{"ffmpeg", "ffmpeg"}
	}
	patience, cancel := context.WithTimeout(ctx, findPatience)
	defer cancel()
	p := &Program{Path: path, can: make(map[string]bool)}
	for _, list := range []string{"-version", "-encoders", "-protocols"} {
		cmd := exec.CommandContext(patience, path, "-hide_banner", list)
		cmd.WaitDelay = time.Second // its children may hold its output
		out, err := cmd.Output()
		switch {
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case patience.Err() != nil:
			return nil, &SlowError{path}
		case err != nil:
			return nil, &MissingError{"an ffmpeg that runs (" + path + " " + list + " ends with " + err.Error() + ")", "ffmpeg"}
		}
		p.learn(list, string(out))
	}
	return p, nil
}

// learn reads what the program says of itself.
func (p *Program) learn(list, out string) {
	writes := false
	for line := range strings.Lines(out) {
		words := strings.Fields(line)
		switch {
		case list == "-version":
			if p.Version == "" && len(words) > 2 && words[1] == "version" {
				p.Version = words[2]
			}
		case list == "-protocols":
			if len(words) == 1 && strings.HasSuffix(words[0], ":") {
				writes = words[0] == "Output:"
			} else if writes && len(words) == 1 {
				p.can[words[0]+":"] = true
			}
		case len(words) >= 2 && len(words[0]) == 6:
			p.can[words[1]] = true
		}
	}
}

// Need fails with a *MissingError unless the program has all of these encoders, and
// protocols, whose names end with a colon.
func (p *Program) Need(names ...string) error {
	for _, name := range names {
		if p.can[name] {
			continue
		}
		what := "an ffmpeg with the encoder " + name
		if proto, ok := strings.CutSuffix(name, ":"); ok {
			what = "an ffmpeg that sends by " + proto
		}
		return &MissingError{what, "ffmpeg"}
	}
	return nil
}
