package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
)

// errMarks says that a document has no place for figures.
var errMarks = errors.New("no place for the figures")

// replaceIn puts text between the lines "<!-- begin name -->" and "<!-- end name -->"
// of a document, in place of what is there.
func replaceIn(document []byte, name, text string) ([]byte, error) {
	begin, end := fmt.Appendf(nil, "<!-- begin %s -->\n", name), fmt.Appendf(nil, "<!-- end %s -->\n", name)
	before, rest, ok := bytes.Cut(document, begin)
	_, after, ended := bytes.Cut(rest, end)
	if !ok || !ended {
		return nil, fmt.Errorf("%w between %q and %q", errMarks, bytes.TrimSpace(begin), bytes.TrimSpace(end))
	}
	var out bytes.Buffer
	for _, part := range [][]byte{before, begin, []byte("\n" + text + "\n"), end, after} {
		out.Write(part)
	}
	return out.Bytes(), nil
}

// writeInto puts the Markdown of the rows into a document: those of the long
// workloads, which run by themselves, have a place of their own.
func writeInto(path string, long bool, m machine, rows []*row) error {
	document, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	name := "figures"
	if long {
		name = "long figures"
	}
	var text bytes.Buffer
	if err := writeMarkdown(&text, m, rows); err != nil {
		return err
	}
	if document, err = replaceIn(document, name, text.String()); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return os.WriteFile(path, document, 0o644)
}
