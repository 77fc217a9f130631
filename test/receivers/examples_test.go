package main

import (
	"os"
	"path/filepath"
	"regexp"
	"testing"
)

// The examples run with the libraries of the receivers beside them, so they have to
// ask for the same versions.
func TestExamplesNameTheVersionsThatAreTested(t *testing.T) {
	for _, c := range []struct{ tested, example, version string }{
		{"jvm/pom.xml", "java/pom.xml", `<livekit.version>([^<]+)<`},
		{"rust/Cargo.toml", "rust/Cargo.toml", `(?m)^livekit-api = (.*)$`},
	} {
		find := func(path string) string {
			content, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			m := regexp.MustCompile(c.version).FindSubmatch(content)
			if m == nil {
				t.Fatalf("%s: nothing matches %s", path, c.version)
			}
			return string(m[1])
		}
		if want, got := find(c.tested), find(filepath.Join("../../examples", c.example)); got != want {
			t.Errorf("examples/%s asks for %s, what is tested is %s", c.example, got, want)
		}
	}
}
