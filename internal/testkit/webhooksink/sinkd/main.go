// Command sinkd is a webhook receiver for tests that are not written in Go, or
// that have to outlive the process under test.
//
//	sinkd -key devkey -secret secret [-addr 127.0.0.1:0] [-control 127.0.0.1:0]
//
// Its first line of output is {"url":…,"control":…}, each further line a
// delivery. It ends when its standard input does.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"

	"github.com/rollcall-rtc/rollcall/internal/testkit/webhooksink"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "sinkd:", err)
		os.Exit(1)
	}
}

func run() error {
	addr := flag.String("addr", "127.0.0.1:0", "loopback address for webhooks")
	control := flag.String("control", "127.0.0.1:0", "loopback address for tests")
	key := flag.String("key", "devkey", "API key")
	secret := flag.String("secret", "secret", "its secret")
	flag.Parse()

	sink := webhooksink.New(map[string]string{*key: *secret})
	hooks, err := webhooksink.Listen(*addr, sink, nil)
	if err != nil {
		return err
	}
	defer hooks.Close()
	ctl, err := webhooksink.Listen(*control, sink.Control(), nil)
	if err != nil {
		return err
	}
	defer ctl.Close()

	first := struct {
		URL     string `json:"url"`
		Control string `json:"control"`
	}{hooks.URL, ctl.URL}
	if err := json.NewEncoder(os.Stdout).Encode(first); err != nil {
		return err
	}
	sink.Output(os.Stdout)
	_, err = io.Copy(io.Discard, os.Stdin)
	return err
}
