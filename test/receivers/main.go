// Command receivers lets receivers that other people wrote verify what the
// server sends: every event of the catalogue, fresh and three days late, and
// requests that nobody may accept. Each receiver is a small program around an
// unmodified library; scripts/test-receivers.sh builds them and runs this.
//
//	go run ./test/receivers -build out/receivers              all receivers
//	go run ./test/receivers -build out/receivers -only go     one
//	go run ./test/receivers -build out/receivers -update      and write docs/compat-receivers.md
package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "receivers:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	build := flag.String("build", "out/receivers", "`directory` with the built receivers; the vectors are written there")
	only := flag.String("only", "", "comma separated `names` of receivers (default all)")
	update := flag.Bool("update", false, "write the table to docs/compat-receivers.md")
	flag.Parse()

	chosen := receivers
	if *only != "" {
		names := strings.Split(*only, ",")
		chosen = slices.DeleteFunc(slices.Clone(receivers), func(r receiver) bool { return !slices.Contains(names, r.name) })
		if len(chosen) == 0 {
			return fmt.Errorf("no receiver is named %s", *only)
		}
	}

	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	vectors, err := makeVectors(ctx, "event/testdata/golden")
	if err != nil {
		return fmt.Errorf("make vectors: %w", err)
	}
	file := filepath.Join(*build, "vectors.jsonl")
	if err := writeVectors(file, vectors); err != nil {
		return err
	}

	var failures []error
	results := make(map[string]map[string]verdict)
	for _, r := range chosen {
		began := time.Now()
		verdicts, err := r.run(ctx, *build, file)
		if err == nil {
			err = judge(vectors, verdicts)
		}
		if err != nil {
			failures = append(failures, fmt.Errorf("%s: %w", r.name, err))
			fmt.Printf("%-28s FAILED\n", r.name)
			continue
		}
		results[r.name] = verdicts
		fmt.Printf("%-28s %d vectors as they should be, in %d ms\n", r.name, len(vectors), time.Since(began).Milliseconds())
	}
	if *only == "" {
		for _, e := range examples {
			verdicts, err := e.run(ctx, *build, vectors)
			if err == nil {
				err = judge(vectors, verdicts)
			}
			if err != nil {
				failures = append(failures, fmt.Errorf("%s: %w", e.name, err))
				fmt.Printf("%-28s FAILED\n", e.name)
				continue
			}
			fmt.Printf("%-28s %d requests answered as they should be\n", e.name, len(vectors))
		}
	}
	if len(failures) > 0 {
		return errors.Join(failures...)
	}
	if len(chosen) < len(receivers) {
		return nil
	}
	page, err := table(vectors, results)
	if err != nil {
		return fmt.Errorf("make the table: %w", err)
	}
	return document("docs/compat-receivers.md", page, *update)
}

// document holds the page to what the run found.
func document(path string, page []byte, update bool) error {
	if update {
		return os.WriteFile(path, page, 0o644)
	}
	have, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if !bytes.Equal(have, page) {
		return fmt.Errorf("%s is not what this run found; run again with -update", path)
	}
	return nil
}
