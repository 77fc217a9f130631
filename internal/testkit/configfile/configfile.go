package configfile

import (
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/rollcall-rtc/rollcall/internal/config"
)

// Read is what a server reads from a file in dir with that YAML, and from those variables of
// its environment.
func Read(t testing.TB, dir, yaml string, environ ...string) (*config.Config, error) {
	t.Helper()
	file := filepath.Join(dir, "rollcall.yaml")
	if err := os.WriteFile(file, []byte(yaml), 0o600); err != nil {
		t.Fatal(err)
	}
	var flags config.Flags
	fs := flag.NewFlagSet("test", flag.ContinueOnError)
	flags.Register(fs)
	if err := fs.Parse([]string{"--config", file}); err != nil {
		t.Fatal(err)
	}
	return config.Load(&flags, environ)
}

// Load is Read of a configuration that has to be right.
func Load(t testing.TB, dir, yaml string) *config.Config {
	t.Helper()
	cfg, err := Read(t, dir, yaml)
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}
