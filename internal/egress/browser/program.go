package browser

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/rollcall-rtc/rollcall/internal/spawn"
)

// MissingError says that no browser is installed.
type MissingError struct{ Asked string }

// Error names the package.
func (e *MissingError) Error() string {
	if e.Asked != "" {
		return fmt.Sprintf("Chromium is not installed on the server where egress.chromium says, %s: install the package chromium", e.Asked)
	}
	return "Chromium is not installed on the server: install the package chromium, or name the program in egress.chromium"
}

// ErrorCode is that of what has to be put right first, as Twirp spells it.
func (e *MissingError) ErrorCode() string { return "failed_precondition" }

// names are those of Chromium, and of browsers that are made of it.
var names = []string{"chromium", "chromium-browser", "google-chrome", "google-chrome-stable"}

// Find returns the path of the browser: of the one that is asked for, or of the
// first that is in PATH. It fails with a *MissingError.
func Find(asked string) (string, error) {
	try := names
	if asked != "" {
		try = []string{asked}
	}
	for _, name := range try {
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	return "", &MissingError{asked}
}

// stageTitle is that of the tab that is recorded, at the moment when the browser is
// to choose it.
const stageTitle = "rollcall-stage"

// program is a browser that runs.
type program struct {
	cmd   *exec.Cmd
	said  *spawn.Tail
	gonec chan struct{} // closed when it is gone
}

// flags start a browser that shows pages as in a window, asks nobody, and fetches
// nothing of its own.
func flags(profile, proxy string, width, height int) []string {
	f := []string{
		"--headless=new", "--remote-debugging-pipe", "--user-data-dir=" + profile, fmt.Sprintf("--window-size=%d,%d", width, height),
		// All goes through the proxy, also what is on this machine.
		"--proxy-server=" + proxy, "--proxy-bypass-list=<-loopback>",
		"--auto-select-tab-capture-source-by-title=" + stageTitle, "--autoplay-policy=no-user-gesture-required",
		"--no-first-run", "--no-default-browser-check", "--disable-gpu", "--hide-scrollbars", "--force-color-profile=srgb",
		"--disable-background-networking", "--disable-component-update", "--disable-default-apps", "--disable-sync", "--disable-extensions",
		"--disable-domain-reliability", "--disable-breakpad", "--disable-client-side-phishing-detection", "--metrics-recording-only",
		"--disable-background-timer-throttling", "--disable-renderer-backgrounding", "--disable-backgrounding-occluded-windows",
		"--disable-ipc-flooding-protection", "--disable-dev-shm-usage", "--password-store=basic", "--use-mock-keychain", "--noerrdialogs",
		"--disable-features=Translate,MediaRouter,OptimizationHints,AutofillServerCommunication,CertificateTransparencyComponentUpdater,LocalNetworkAccessChecks",
	}
	if os.Geteuid() == 0 {
		f = append(f, "--no-sandbox")
	}
	return append(f, "about:blank")
}

// start starts the browser. What it says comes from one of the pipes, and what it is
// told goes to the other.
func start(path string, args []string) (p *program, from, to *os.File, err error) {
	in, to, err := os.Pipe()
	if err != nil {
		return nil, nil, nil, err
	}
	from, out, err := os.Pipe()
	if err != nil {
		_, _ = in.Close(), to.Close()
		return nil, nil, nil, err
	}
	p = &program{cmd: exec.Command(path, args...), said: spawn.NewTail(maxTail), gonec: make(chan struct{})}
	p.cmd.ExtraFiles = []*os.File{in, out}
	p.cmd.Stderr = p.said
	p.cmd.WaitDelay = time.Second
	spawn.Detach(p.cmd)
	spawn.Bind(p.cmd)
	err = p.cmd.Start()
	_, _ = in.Close(), out.Close()
	if err != nil {
		_, _ = to.Close(), from.Close()
		return nil, nil, nil, fmt.Errorf("start Chromium: %w", err)
	}
	spawn.Expendable(p.cmd)
	go func() {
		_ = p.cmd.Wait()
		close(p.gonec)
	}()
	return p, from, to, nil
}

// end kills the browser and all of its processes.
func (p *program) end() {
	spawn.KillGroup(p.cmd)
	<-p.gonec
}

// maxTail bounds what is kept of what the browser says, in bytes.
const maxTail = 4096

// noSandbox stands for what Chromium says of it, which leads to other programs.
const noSandbox = "it may not make the namespaces of its sandbox. A unit of systemd has to have " +
	"RestrictNamespaces=user pid net and MemoryDenyWriteExecute=no for pages; elsewhere user namespaces may be turned off"

// why is what was said that explains an end, "" if nothing does.
func (p *program) why() string {
	last := ""
	for line := range strings.Lines(p.said.String()) {
		if strings.Contains(line, "No usable sandbox") {
			return noSandbox
		}
		if strings.Contains(line, "FATAL") || strings.Contains(line, "error while loading") {
			last = strings.TrimSpace(line)
		}
	}
	return last
}
