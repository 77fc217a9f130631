// Command compat runs the client's events against a server and records in
// results.json and docs/compat.md which of them it saw.
//
// Without LIVEKIT_URL the server is Rollcall. With it, and LIVEKIT_API_KEY and
// LIVEKIT_API_SECRET, it is that one, whose product -server names.
package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"strings"
)

const (
	suite    = "TestEveryEventHasItsCause"
	rollcall = "Rollcall"
)

func main() {
	server := flag.String("server", "livekit-server", "product at LIVEKIT_URL")
	flag.Parse()
	if err := run(*server); err != nil {
		fmt.Fprintln(os.Stderr, "compat:", err)
		os.Exit(1)
	}
}

func run(product string) error {
	cmd := exec.Command("go", "test", "-count=1", "-timeout=30m", "-json", "-run=^"+suite+"$", "./client")
	cmd.Stderr = os.Stderr
	out, failed := cmd.Output() // it fails if one of the events does
	if exit := new(exec.ExitError); failed != nil && !errors.As(failed, &exit) {
		return failed
	}
	saw, version, err := parse(out)
	if err != nil {
		return err
	}
	name := rollcall
	if os.Getenv("LIVEKIT_URL") != "" {
		name = product + " " + version
	}
	results, err := load()
	if err != nil {
		return err
	}
	results[name] = saw
	if err := results.store(); err != nil {
		return err
	}
	if err := results.publish(); err != nil {
		return err
	}
	if unexplained := results.unexplained(); len(unexplained) > 0 {
		return fmt.Errorf("nothing explains these: %s", strings.Join(unexplained, "; "))
	}
	return nil
}

// parse reads what go test says, by event and kind of connections.
func parse(out []byte) (saw outcome, version string, err error) {
	saw = outcome{}
	for lines := json.NewDecoder(bytes.NewReader(out)); lines.More(); {
		var line struct{ Action, Test, Key, Value string }
		if err := lines.Decode(&line); err != nil {
			return nil, "", fmt.Errorf("read what go test says: %w", err)
		}
		if line.Action == "attr" && line.Key == "server" {
			version = line.Value
		}
		parts := strings.Split(line.Test, "/")
		if len(parts) != 3 || line.Action != "pass" && line.Action != "fail" {
			continue
		}
		if saw[parts[1]] == nil {
			saw[parts[1]] = map[string]bool{}
		}
		saw[parts[1]][parts[2]] = line.Action == "pass"
	}
	if version == "" {
		return nil, "", errors.New("no test has met a server")
	}
	return saw, version, nil
}
