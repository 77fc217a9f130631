package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// example is a receiver of examples/ that listens on the port in PORT.
type example struct {
	name    string
	command func(build string) []string
}

var examples = []example{
	{"example-node", func(string) []string { return []string{"node", "examples/node/server.js"} }},
	{"example-python", func(build string) []string {
		return []string{filepath.Join(build, "python", "bin", "python"), "examples/python/server.py"}
	}},
	{"example-java", func(build string) []string {
		return []string{"java", "-cp", filepath.Join(build, "jvm", "lib") + "/*", "examples/java/Server.java"}
	}},
	{"example-rust", func(build string) []string {
		return []string{filepath.Join(build, "rust", "debug", "rollcall-receiver")}
	}},
}

// run sends the vectors to the example, and takes its answers for verdicts.
func (e *example) run(ctx context.Context, build string, vectors []vector) (map[string]verdict, error) {
	l, err := net.Listen("tcp", "localhost:0")
	if err != nil {
		return nil, err
	}
	port := l.Addr().(*net.TCPAddr).Port
	l.Close()

	args := e.command(build)
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Env = append(os.Environ(), "PORT="+strconv.Itoa(port), "API_KEY="+apiKey, "API_SECRET="+apiSecret)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	stop := func() {
		cmd.Process.Kill()
		<-ended
	}

	verdicts := make(map[string]verdict)
	for i := range vectors {
		v := &vectors[i]
		status, answer, err := post(ctx, fmt.Sprintf("http://localhost:%d/webhook", port), v, ended)
		if err != nil {
			stop()
			return nil, fmt.Errorf("%w\n%s", err, &out)
		}
		switch said := (verdict{Name: v.Name}); status {
		case http.StatusNoContent:
			said.Accepted, said.Event, said.ID = true, v.Event, v.ID
			verdicts[v.Name] = said
		case http.StatusUnauthorized:
			said.Error = answer
			verdicts[v.Name] = said
		default:
			stop()
			return nil, fmt.Errorf("%s is answered with %d: %s", v.Name, status, answer)
		}
	}
	stop()
	for _, v := range vectors {
		if v.Accept && !strings.Contains(out.String(), v.Headers["rollcall-seq"]+" "+v.Event) {
			return nil, fmt.Errorf("%s is not among what it printed:\n%s", v.Name, &out)
		}
	}
	return verdicts, nil
}

// post sends a vector, once the receiver listens; ended tells that it never will.
func post(ctx context.Context, url string, v *vector, ended chan error) (int, string, error) {
	for {
		r, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(v.Body))
		if err != nil {
			return 0, "", err
		}
		for name, value := range v.Headers {
			r.Header.Set(name, value)
		}
		resp, err := http.DefaultClient.Do(r)
		if err == nil {
			defer resp.Body.Close()
			answer, err := io.ReadAll(io.LimitReader(resp.Body, 1<<16))
			return resp.StatusCode, string(answer), err
		}
		select {
		case <-ctx.Done():
			return 0, "", err
		case cause := <-ended:
			ended <- cause
			return 0, "", fmt.Errorf("it ended: %v", cause)
		case <-time.After(50 * time.Millisecond):
		}
	}
}
