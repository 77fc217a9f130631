package config

import (
	"errors"
	"os"
	"strings"
	"testing"
)

// FuzzLoad: no document and no variable panics; what loads is complete, and
// what does not says why.
func FuzzLoad(f *testing.F) {
	full, err := os.ReadFile("../../rollcall.yaml")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(string(full), "1")
	f.Add(livekitFile, "a: b")
	for _, body := range []string{
		"", "#", "---", "...", "a", "[", "{", "? a\n: b", "!!binary x", "port: !!int '1'", "&a *a", "&a a: *a",
		"rtc: &r {udp_port: 1}\nroom: *r", "keys: {? [a] : b}", "keys: {1: 2, true: 3, ~: 4}", "keys: |\n  a: b\n",
		"<<: *x", "port: 0x1F", "port: 1_0", "port: .inf", "rtc:\n- a\n-\n", "a: 'b\n\nc'", "\xff\xfe", "\u2028: \u0085",
	} {
		f.Add(body, body)
	}
	f.Fuzz(func(t *testing.T, body, text string) {
		environ := []string{"ROLLCALL_CONFIG=" + body}
		for _, k := range supported {
			if k.path != "key_file" { // reads a file of that name
				environ = append(environ, variable(k.path)+"="+text)
			}
		}
		for _, env := range [][]string{environ[:1], environ} {
			if strings.Contains(body, "key_file") {
				continue
			}
			c, err := Load(&Flags{}, env)
			switch {
			case (c == nil) == (err == nil):
				t.Fatalf("Load = %v, %v; want exactly one", c, err)
			case err != nil && !errors.Is(err, ErrInvalid) && !errors.Is(err, ErrNoKeys):
				t.Fatalf("error is of no kind: %v", err)
			case err == nil && len(c.Keys) == 0:
				t.Fatal("loaded without keys")
			}
		}
	})
}
