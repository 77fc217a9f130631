package main

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write docs/cli.md")

const referenceHead = `# The command line

Generated from the program's own help; do not edit. ` + "`go test ./cmd/rollcall -run Reference -update`" + ` writes it.

Verbs that talk to a server take its URL from ` + "`--url` or `ROLLCALL_URL`" + `; without either it is where the file of
` + "`--config`" + ` has the server on its own machine, or http://localhost:7880. The API key is from ` + "`--key` and `--secret`, from" + `
` + "`--config`, or from `ROLLCALL_KEYS`; `--dev`" + ` stands for the key of a server in development mode. ` + "`--json`" + ` prints what the
server answered, for programs. ` + "`rollcall completion`" + ` completes verbs and flags in a shell.

What is asked for goes to standard output; what is said about it, to standard error. A verb that waits longer than a
second for an answer says what for.

| exit status | meaning |
| --- | --- |
| 0 | done |
| 1 | failed |
| 2 | the command line was not understood |
| 3 | no server answers |
| 4 | the server refuses, or knows no such thing |
`

// TestReferenceIsFresh holds docs/cli.md against the help of every verb.
func TestReferenceIsFresh(t *testing.T) {
	var b strings.Builder
	b.WriteString(referenceHead)
	section := func(v verb, words ...string) {
		fmt.Fprintf(&b, "\n## rollcall %s\n\n```\n%s```\n", strings.Join(words, " "), helpOf(t, v, words))
	}
	for _, v := range verbs {
		below, isGroup := groups[v.name]
		if !isGroup {
			section(v, v.name)
			continue
		}
		for _, w := range below {
			section(w, v.name, w.name)
		}
	}
	path := filepath.Join("..", "..", "docs", "cli.md")
	if *update {
		if err := os.WriteFile(path, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	have, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(have) != b.String() {
		t.Error("docs/cli.md is old: go test ./cmd/rollcall -run Reference -update")
	}
}

// helpOf returns a verb's help, which is to say what the verb does, in a sentence
// and, if it takes anything, by example.
func helpOf(t *testing.T, v verb, words []string) string {
	var out, errs bytes.Buffer
	env := environment{stdin: strings.NewReader(""), stdout: &out, stderr: &errs}
	if v.name == "version" {
		return "usage: rollcall version\n\nPrints the version.\n"
	}
	if status := run(t.Context(), append(words, "--help"), env); status != 0 || errs.Len() > 0 {
		t.Errorf("rollcall %s --help ends with %d and says %q", strings.Join(words, " "), status, errs.String())
	}
	help := out.String()
	if !aboutVerb.MatchString(help) {
		t.Errorf("rollcall %s --help does not say what it does:\n%s", strings.Join(words, " "), help)
	}
	return strings.ReplaceAll(help, " \n", "\n")
}

var aboutVerb = regexp.MustCompile(`(?m)^[A-Z][a-z]+s .*`)
