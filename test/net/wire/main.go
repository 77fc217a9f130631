//go:build linux

package main

import (
	"bufio"
	"encoding/json"
	"flag"
	"fmt"
	"os"
)

func main() {
	namespace := flag.String("namespace", "", "path of the network namespace that the cable goes into")
	inside := flag.String("inside", "eth0", "name of the device in there")
	outside := flag.String("outside", "", "name of the device out here")
	seed := flag.Uint64("seed", 1, "of losses and jitter")
	flag.Parse()
	if err := run(*namespace, *inside, *outside, *seed); err != nil {
		fmt.Fprintln(os.Stderr, "wire:", err)
		os.Exit(1)
	}
}

type command struct {
	ID   int             `json:"id"`
	Up   json.RawMessage `json:"up"`
	Down json.RawMessage `json:"down"`
}

type answer struct {
	ID    int    `json:"id"`
	Up    counts `json:"up"`
	Down  counts `json:"down"`
	Error string `json:"error,omitempty"`
}

func run(namespace, inside, outside string, seed uint64) error {
	in, err := openTap(namespace, inside)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := openTap("", outside)
	if err != nil {
		return err
	}
	defer out.Close()
	up, down := newDirection(seed), newDirection(seed+1)
	failed := make(chan error, 4)
	go func() { failed <- up.read(in) }()
	go func() { failed <- up.write(out) }()
	go func() { failed <- down.read(out) }()
	go func() { failed <- down.write(in) }()
	go func() { failed <- obey(up, down) }()
	return <-failed // the first end is everybody's; the devices go with the process
}

// obey carries out commands until standard input ends.
func obey(up, down *direction) error {
	answers := json.NewEncoder(os.Stdout)
	if err := answers.Encode(answer{}); err != nil { // both devices are there
		return err
	}
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		var c command
		err := json.Unmarshal(lines.Bytes(), &c)
		a := answer{ID: c.ID}
		if err == nil {
			a.Up, err = change(up, c.Up)
		}
		if err == nil {
			a.Down, err = change(down, c.Down)
		}
		if err != nil {
			a.Error = err.Error()
		}
		if err := answers.Encode(a); err != nil {
			return err
		}
	}
	return lines.Err()
}

// change sets what raw names, and returns the counts.
func change(d *direction, raw json.RawMessage) (counts, error) {
	if len(raw) == 0 {
		return d.set(nil), nil
	}
	s := d.current()
	if err := json.Unmarshal(raw, &s); err != nil {
		return counts{}, fmt.Errorf("settings: %w", err)
	}
	return d.set(&s), nil
}
