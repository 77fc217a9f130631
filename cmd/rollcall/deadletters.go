package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net/url"
	"strconv"
	"strings"
)

const redriveAbout = `Tries dead letters again at once: those of --seqs, or all.`

func redriveEndpoint(ctx context.Context, args []string, env environment) error {
	var f clientFlags
	body := map[string]any{"all": true}
	fs := flag.NewFlagSet("rollcall endpoints redrive", flag.ContinueOnError)
	f.register(fs)
	fs.Func("seqs", "`seqs` of dead letters, with commas between them (default all)", func(v string) error {
		seqs, err := parseSeqs(v)
		body = map[string]any{"seqs": seqs}
		return err
	})
	values, err := parseArgs(fs, args, env, redriveAbout, "ID")
	if err != nil {
		return err
	}
	return f.endpointCall(ctx, env, "POST", values[0], "/redrive", body, func(env environment, raw json.RawMessage) error {
		var answer struct{ Redriven int }
		if err := json.Unmarshal(raw, &answer); err != nil {
			return fmt.Errorf("decode answer: %w", err)
		}
		fmt.Fprintf(env.stdout, "%s tried again\n", plural(answer.Redriven, "dead letter"))
		return nil
	})
}

const dismissAbout = `Forgets dead letters: those of --seqs, or with --all all of them. Their events stay in the log.`

func dismissDeadLetters(ctx context.Context, args []string, env environment) error {
	var f clientFlags
	query := make(url.Values)
	fs := flag.NewFlagSet("rollcall endpoints dismiss", flag.ContinueOnError)
	f.register(fs)
	all := fs.Bool("all", false, "dismiss all of the endpoint's")
	fs.Func("seqs", "`seqs` of dead letters, with commas between them", func(v string) error {
		seqs, err := parseSeqs(v)
		for _, seq := range seqs {
			query.Add("seq", strconv.FormatUint(seq, 10))
		}
		return err
	})
	values, err := parseArgs(fs, args, env, dismissAbout, "ID")
	if err != nil {
		return err
	}
	if *all == (len(query) > 0) {
		return usageError(errors.New("want --seqs or --all"))
	}
	if *all {
		query.Set("all", "true")
	}
	return f.endpointCall(ctx, env, "DELETE", values[0], "/dead-letters?"+query.Encode(), nil, func(env environment, raw json.RawMessage) error {
		var answer struct{ Dismissed int }
		if err := json.Unmarshal(raw, &answer); err != nil {
			return fmt.Errorf("decode answer: %w", err)
		}
		fmt.Fprintf(env.stdout, "%s dismissed\n", plural(answer.Dismissed, "dead letter"))
		return nil
	})
}

func parseSeqs(v string) (seqs []uint64, err error) {
	for text := range strings.SplitSeq(v, ",") {
		n, err := strconv.ParseUint(strings.TrimSpace(text), 10, 64)
		if err != nil {
			return nil, errors.New("want numbers with commas between them")
		}
		seqs = append(seqs, n)
	}
	return seqs, nil
}
