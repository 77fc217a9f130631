package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

const completionAbout = `Prints a script that completes verbs and flags in a shell: bash, zsh or fish.

  source <(rollcall completion bash)
  rollcall completion fish > ~/.config/fish/completions/rollcall.fish`

// The scripts ask the program itself what may follow, so that they are never old.
var completions = map[string]string{
	"bash": `_rollcall() {
	local IFS=$'\n'
	COMPREPLY=($(rollcall completion words -- "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null))
	[[ ${#COMPREPLY[@]} -gt 0 ]] || compopt -o default
}
complete -F _rollcall rollcall
`,
	"zsh": `#compdef rollcall
_rollcall() {
	local -a found
	found=(${(f)"$(rollcall completion words -- "${(@)words[2,CURRENT]}" 2>/dev/null)"})
	if (( ${#found} )); then compadd -a found; else _files; fi
}
compdef _rollcall rollcall
`,
	"fish": `complete -c rollcall -a '(rollcall completion words -- (commandline -opc)[2..] (commandline -ct) 2>/dev/null)'
`,
}

// completion prints a shell's script, or what the script asks for.
func completion(ctx context.Context, args []string, env environment) error {
	if len(args) > 1 && args[0] == "words" && args[1] == "--" {
		for _, word := range candidates(ctx, args[2:]) {
			fmt.Fprintln(env.stdout, word)
		}
		return nil
	}
	fs := flag.NewFlagSet("rollcall completion", flag.ContinueOnError)
	values, err := parseArgs(fs, args, env, completionAbout, "SHELL")
	if err != nil {
		return err
	}
	script, ok := completions[values[0]]
	if !ok {
		return usageError(fmt.Errorf("%q is no shell that can be completed in: want bash, zsh or fish", values[0]))
	}
	fmt.Fprint(env.stdout, script)
	return nil
}

// candidates are the words that may stand for the last one, after the others.
func candidates(ctx context.Context, words []string) (found []string) {
	if len(words) == 0 {
		words = []string{""}
	}
	before, last := words[:len(words)-1], words[len(words)-1]
	verbs := verbs
	for at := range before {
		i := slices.IndexFunc(verbs, func(v verb) bool { return v.name == before[at] })
		if i < 0 {
			return nil
		}
		if below, ok := groups[before[at]]; ok && at == 0 {
			verbs = below
			continue
		}
		if strings.HasPrefix(last, "-") {
			found = flagsOf(ctx, verbs[i])
		}
		verbs = nil
		break
	}
	for _, v := range verbs {
		found = append(found, v.name)
	}
	return slices.DeleteFunc(found, func(word string) bool { return !strings.HasPrefix(word, last) })
}

// flagsOf reads a verb's flags from its help.
func flagsOf(ctx context.Context, v verb) (flags []string) {
	var help bytes.Buffer
	if err := v.run(ctx, []string{"--help"}, environment{stdin: strings.NewReader(""), stdout: &help, stderr: &help}); !errors.Is(err, flag.ErrHelp) {
		return nil
	}
	for _, m := range helpFlag.FindAllStringSubmatch(help.String(), -1) {
		flags = append(flags, m[1])
	}
	return flags
}

var helpFlag = regexp.MustCompile(`(?m)^  (--[a-z-]+) `)
