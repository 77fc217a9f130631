package ops

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rollcall-rtc/rollcall/internal/testkit/configfile"
)

// What deploy/ configures is what this server reads: the manifest of Kubernetes has
// its configuration inside.
func TestConfigurationsInDeployAreRead(t *testing.T) {
	read := func(file string) string {
		text, err := os.ReadFile(filepath.Join(root, file))
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	manifest := read("deploy/kubernetes/rollcall.yaml")
	_, inside, _ := strings.Cut(manifest, "  rollcall.yaml: |\n")
	inside, _, found := strings.Cut(inside, "---\n")
	if !found {
		t.Fatal("the manifest holds no configuration")
	}
	for name, body := range map[string]string{
		"compose":    read("deploy/compose/rollcall.yaml"),
		"kubernetes": strings.ReplaceAll(inside, "\n    ", "\n"),
		"deb":        strings.Replace(read("deploy/deb/rollcall.yaml"), "key_file: /etc/rollcall/keys.yaml\n", "", 1),
	} {
		cfg, err := configfile.Read(t, t.TempDir(), strings.TrimLeft(body, " "), "ROLLCALL_KEYS="+key+": "+secret)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if len(cfg.Unsupported) > 0 || len(cfg.Warnings) > 0 {
			t.Errorf("%s: %v %v", name, cfg.Unsupported, cfg.Warnings)
		}
	}
}
