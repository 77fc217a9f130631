package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
)

// receiver is a library that verifies webhooks, behind a program that reads the
// vectors and writes a verdict for each.
type receiver struct {
	name     string
	title    string // in the table
	language string
	scheme   string // what it verifies
	version  func() (string, error)
	command  func(build string) []string
}

// What receivers verify.
const (
	livekitToken = "LiveKit's token"
	standard     = "Standard Webhooks"
)

// receivers are the columns of the table. A program of two libraries takes the
// one to use as its first argument.
var receivers = []receiver{
	{"livekit-go", "livekit/protocol/webhook", "Go", livekitToken,
		goVersion("github.com/livekit/protocol"), inGo("livekit")},
	{"livekit-node", "livekit-server-sdk", "Node", livekitToken,
		npmVersion("livekit-server-sdk"), inNode("livekit")},
	{"livekit-python", "livekit-api", "Python", livekitToken,
		pipVersion("livekit-api"), inPython("livekit")},
	{"livekit-jvm", "io.livekit:livekit-server", "Kotlin, Java", livekitToken,
		pomVersion("livekit.version"), func(build string) []string {
			return []string{"java", "-cp", filepath.Join(build, "jvm", "classes") + ":" + filepath.Join(build, "jvm", "lib", "*"), "Receiver"}
		}},
	{"livekit-rust", "livekit-api", "Rust", livekitToken,
		cargoVersion("livekit-api"), func(build string) []string {
			return []string{filepath.Join(build, "rust", "debug", "receiver")}
		}},
	{"standard-go", "standard-webhooks/libraries/go", "Go", standard,
		goVersion("github.com/standard-webhooks/standard-webhooks/libraries"), inGo("standard")},
	{"standard-node", "standardwebhooks", "Node", standard,
		npmVersion("standardwebhooks"), inNode("standard")},
	{"standard-python", "standardwebhooks", "Python", standard,
		pipVersion("standardwebhooks"), inPython("standard")},
}

func inGo(library string) func(string) []string {
	return func(build string) []string { return []string{filepath.Join(build, "go", "receiver"), library} }
}

func inNode(library string) func(string) []string {
	return func(string) []string { return []string{"node", "test/receivers/node/receiver.mjs", library} }
}

func inPython(library string) func(string) []string {
	return func(build string) []string {
		return []string{filepath.Join(build, "python", "bin", "python"), "test/receivers/python/receiver.py", library}
	}
}

// verdict is what a receiver says of a vector.
type verdict struct {
	Name     string `json:"name"`
	Accepted bool   `json:"accepted"`
	// Event and ID are read from what the receiver returned.
	Event string `json:"event"`
	ID    string `json:"id"`
	Error string `json:"error"`
}

// run lets the receiver read the vectors and returns its verdicts by name.
func (r *receiver) run(ctx context.Context, build, vectors string) (map[string]verdict, error) {
	args := append(r.command(build), vectors)
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Env = append(os.Environ(),
		"API_KEY="+apiKey, "API_SECRET="+apiSecret,
		"WEBHOOK_SECRET=whsec_"+base64.StdEncoding.EncodeToString([]byte(apiSecret)))
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("%s: %w\n%s", args[0], err, stderr.Bytes())
	}
	return parseVerdicts(out)
}

func parseVerdicts(out []byte) (map[string]verdict, error) {
	verdicts := make(map[string]verdict)
	for line := range bytes.Lines(out) {
		var v verdict
		if err := json.Unmarshal(line, &v); err != nil {
			return nil, fmt.Errorf("verdict %q: %w", line, err)
		}
		if _, twice := verdicts[v.Name]; twice {
			return nil, fmt.Errorf("two verdicts on %s", v.Name)
		}
		verdicts[v.Name] = v
	}
	return verdicts, nil
}

// judge holds the verdicts against the vectors.
func judge(vectors []vector, verdicts map[string]verdict) error {
	var wrong []error
	for _, v := range vectors {
		got, ok := verdicts[v.Name]
		switch {
		case !ok:
			wrong = append(wrong, fmt.Errorf("no verdict on %s", v.Name))
		case v.Accept && !got.Accepted:
			wrong = append(wrong, fmt.Errorf("%s is refused: %s", v.Name, got.Error))
		case !v.Accept && got.Accepted:
			wrong = append(wrong, fmt.Errorf("%s is accepted", v.Name))
		case !v.Accept && got.Error == "":
			wrong = append(wrong, fmt.Errorf("%s is refused without a reason", v.Name))
		case v.Accept && (got.Event != v.Event || got.ID != v.ID):
			wrong = append(wrong, fmt.Errorf("%s became event %q with id %q, want %q", v.Name, got.Event, got.ID, v.ID))
		}
	}
	if len(verdicts) > len(vectors) {
		wrong = append(wrong, errors.New("there are verdicts on vectors that were not given"))
	}
	slices.SortFunc(wrong, func(a, b error) int { return bytes.Compare([]byte(a.Error()), []byte(b.Error())) })
	return errors.Join(wrong...)
}
