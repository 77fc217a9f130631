//go:build tools

package ops

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

const release = "v0.0.1-test"

// TestPackages builds the package for this machine, twice, and runs it.
// scripts/release.sh builds the others the same way.
func TestPackages(t *testing.T) {
	target := "deb/" + runtime.GOARCH
	first, second := t.TempDir(), t.TempDir()
	for _, dir := range []string{first, second} {
		t.Setenv("RELEASE_DIR", dir)
		tool(t, "", root, "scripts/release.sh", release, target)
	}
	sums := func(dir string) string {
		text, err := os.ReadFile(filepath.Join(dir, "SHA256SUMS"))
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	if a, b := sums(first), sums(second); a != b || strings.Count(a, "\n") != 1 {
		t.Errorf("two builds differ:\n%s\n%s", a, b)
	}

	deb := filepath.Join(first, fmt.Sprintf("rollcall_%s_%s.deb", release[1:], runtime.GOARCH))
	contents := tool(t, "", ".", "dpkg-deb", "--contents", deb)
	for _, want := range []string{
		"-rwxr-xr-x root/root", "./usr/bin/rollcall", "./usr/lib/systemd/system/rollcall.service", "./usr/lib/sysusers.d/rollcall.conf",
		"./etc/rollcall/rollcall.yaml", "./usr/share/doc/rollcall/copyright",
	} {
		if !strings.Contains(contents, want) {
			t.Errorf("the package has no %s:\n%s", want, contents)
		}
	}
	if got := tool(t, "", ".", "dpkg-deb", "--field", deb, "Version"); strings.TrimSpace(got) != release[1:] {
		t.Errorf("version %q", got)
	}
	if got := tool(t, "", ".", "dpkg-deb", "--field", deb, "Suggests"); strings.TrimSpace(got) != "ffmpeg, chromium" {
		t.Errorf("suggests %q", got)
	}
	installed := t.TempDir()
	tool(t, "", ".", "dpkg-deb", "--extract", deb, installed)
	tool(t, "", ".", "dpkg-deb", "--control", deb, filepath.Join(installed, "DEBIAN"))
	for _, script := range []string{"postinst", "prerm"} {
		tool(t, "", ".", "sh", "-n", filepath.Join(installed, "DEBIAN", script))
	}
	binary := filepath.Join(installed, "usr/bin/rollcall")
	if got := tool(t, "", ".", binary, "version"); got != "rollcall "+release+"\n" {
		t.Errorf("rollcall version says %q", got)
	}
	t.Run("unit", func(t *testing.T) { verifyUnit(t, installed, binary) })
	t.Run("start", func(t *testing.T) { runPackaged(t, installed, binary) })
}

// verifyUnit has systemd read the unit, with the binary where it is here.
func verifyUnit(t *testing.T, installed, binary string) {
	unit, err := os.ReadFile(filepath.Join(installed, "usr/lib/systemd/system/rollcall.service"))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(unit), "ExecStart=/usr/bin/rollcall serve --config /etc/rollcall/rollcall.yaml\n") {
		t.Errorf("the unit starts something else:\n%s", unit)
	}
	file := filepath.Join(t.TempDir(), "rollcall.service")
	if err := os.WriteFile(file, []byte(strings.ReplaceAll(string(unit), "/usr/bin/rollcall", binary)), 0o600); err != nil {
		t.Fatal(err)
	}
	if said := tool(t, "", ".", "systemd-analyze", "verify", file); strings.Contains(said, "rollcall.service:") {
		t.Errorf("systemd says:\n%s", said)
	}
}

// runPackaged starts the service with the configuration of the package, and stops
// it as systemd does.
func runPackaged(t *testing.T, installed, binary string) {
	text, err := os.ReadFile(filepath.Join(installed, "etc/rollcall/rollcall.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	keys := filepath.Join(installed, "etc/rollcall/keys.yaml")
	if err := os.WriteFile(keys, []byte(key+": "+secret+"\n"), 0o640); err != nil {
		t.Fatal(err)
	}
	config := filepath.Join(installed, "etc/rollcall/here.yaml")
	here := strings.NewReplacer("/etc/rollcall/keys.yaml", keys, "/var/lib/rollcall", filepath.Join(installed, "data")).Replace(string(text))
	if err := os.WriteFile(config, []byte(here), 0o600); err != nil {
		t.Fatal(err)
	}
	port := freePort(t)
	cmd := exec.Command(binary, "serve", "--config", config, "--bind", "127.0.0.1", "--port", fmt.Sprint(port), "--udp-port", "0", "--tcp-port", "0")
	cmd.Env = append(os.Environ(), "ROLLCALL_RTC_ENABLE_LOOPBACK_CANDIDATE=true")
	var said output
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	eventually(t, "the packaged server to be ready", func() bool {
		resp, err := http.Get(fmt.Sprintf("http://127.0.0.1:%d/readyz", port))
		if err != nil {
			return false
		}
		resp.Body.Close()
		return resp.StatusCode == http.StatusOK
	})
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; err != nil {
		t.Errorf("it ended with %v:\n%s", err, said.String())
	}
}

func TestHadolintAcceptsTheDockerfile(t *testing.T) {
	tool(t, "", root, "hadolint", "deploy/docker/Dockerfile")
}

// Kubernetes' own types read the manifests, strictly.
func TestManifestsAreWhatKubernetesReads(t *testing.T) {
	manifests, err := filepath.Abs(filepath.Join(root, "deploy/kubernetes/rollcall.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	said := tool(t, "", "kube", "go", "run", ".", manifests)
	if want := "v1 ConfigMap\napps/v1 StatefulSet\nv1 Service\nnetworking.k8s.io/v1 Ingress\n"; !strings.HasSuffix(said, want) {
		t.Errorf("it read\n%s, want\n%s", said, want)
	}
}
