package main

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

func TestFiguresGoIntoTheirPlaceOfTheDocument(t *testing.T) {
	const document = "before\n<!-- begin figures -->\nold\n<!-- end figures -->\nafter\n"
	got, err := replaceIn([]byte(document), "figures", "| new |\n")
	const want = "before\n<!-- begin figures -->\n\n| new |\n\n<!-- end figures -->\nafter\n"
	if err != nil || string(got) != want {
		t.Errorf("got %q, %v", got, err)
	}
	if again, err := replaceIn(got, "figures", "| new |\n"); err != nil || string(again) != want {
		t.Errorf("again %q, %v", again, err)
	}
	for _, bad := range []string{"", "<!-- begin figures -->\n", "<!-- end figures -->\n<!-- begin figures -->\n"} {
		if _, err := replaceIn([]byte(bad), "figures", "x"); !errors.Is(err, errMarks) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

func TestTheDocumentHasPlacesForFigures(t *testing.T) {
	document, err := os.ReadFile("../../docs/performance.md")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "performance.md")
	if err := os.WriteFile(path, document, 0o644); err != nil {
		t.Fatal(err)
	}
	for _, long := range []bool{false, true} {
		if err := writeInto(path, long, machine{}, nil); err != nil {
			t.Error(err)
		}
	}
}
