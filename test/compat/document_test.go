package main

import (
	"os"
	"strings"
	"testing"
)

func TestDocumentIsWhatWasRecorded(t *testing.T) {
	t.Chdir("../..")
	r, err := load()
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(document)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasSuffix(string(data), r.render()) {
		t.Error("docs/compat.md is not what test/compat/results.json and the catalogue of events say; make compat writes it")
	}
}

func TestWhatNoServerTellsIsExplained(t *testing.T) {
	t.Chdir("../..")
	r, err := load()
	if err != nil {
		t.Fatal(err)
	}
	if r[rollcall] == nil || len(r) < 2 {
		t.Fatalf("want Rollcall and another server, have %q", r.servers())
	}
	for _, what := range r.unexplained() {
		t.Error(what)
	}
}

func TestOutcomesAreReadFromTests(t *testing.T) {
	out := `{"Action":"run","Test":"TestEveryEventHasItsCause/A/dual"}
{"Action":"attr","Test":"TestEveryEventHasItsCause/A/dual","Key":"server","Value":"1.2.3"}
{"Action":"pass","Test":"TestEveryEventHasItsCause/A/dual"}
{"Action":"fail","Test":"TestEveryEventHasItsCause/A/single"}
{"Action":"fail","Test":"TestEveryEventHasItsCause/A"}
`
	saw, version, err := parse([]byte(out))
	if err != nil || version != "1.2.3" || len(saw) != 1 || !saw["A"]["dual"] || saw["A"]["single"] {
		t.Errorf("%v, %q, %v", saw, version, err)
	}
	if _, _, err := parse(nil); err == nil {
		t.Error("a run that met no server was recorded")
	}
}
