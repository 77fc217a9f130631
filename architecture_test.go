package rollcall_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/rollcall-rtc/rollcall/"

type layer struct {
	pkg  string
	uses []string
}

// layers says which of the module's packages each package may import, from the
// top down: an import goes to a package further down. "…/..." stands for a
// package and what is below it. A package that is not here has no place yet.
var layers = []layer{
	{"cmd/rollcall", []string{
		"internal/server", "internal/headroom", "internal/egress/wire", "internal/egress/worker", "internal/egress/studio", "internal/egress/ffmpeg", "internal/egress/browser", "internal/delivery", "internal/config", "internal/token", "internal/sample", "internal/site", "webhook",
		"client", "client/mediafile", "docs", "event",
	}},
	{"internal/server", []string{
		"internal/httpapi", "internal/figures", "internal/signal", "internal/whip", "internal/agent", "internal/egress", "internal/egress/storage", "internal/egress/wire", "internal/egress/request", "internal/egress/ffmpeg", "internal/egress/studio", "internal/egress/browser", "internal/ingress", "internal/ingress/source", "internal/ingress/rtmp", "internal/ingress/ffmpeg", "internal/room", "internal/delivery", "internal/eventlog/...",
		"internal/sfu/peer", "internal/turn", "internal/certificate", "internal/tcp", "internal/tlsmux", "internal/upgrade", "internal/tracing", "internal/external", "internal/metrics", "internal/config", "internal/token",
		"internal/site", "docs", "event", "web",
	}},

	// What the others count, for Prometheus.
	{"internal/metrics", []string{
		"internal/room", "internal/signal", "internal/agent", "internal/delivery", "internal/eventlog", "internal/sfu/peer",
		"internal/turn", "internal/histogram", "internal/egress", "internal/ingress", "internal/ingress/rtmp",
	}},

	// Edges: bytes to commands. The event log reaches httpapi through its own interfaces.
	{"internal/httpapi", []string{"internal/figures", "internal/rate", "internal/stack", "internal/room", "internal/delivery", "internal/fold", "internal/token", "event"}},
	{"internal/figures", []string{"internal/room", "internal/sfu/peer", "internal/histogram"}},
	{"internal/signal", []string{"internal/outbox", "internal/rate", "internal/room", "internal/token", "event"}},

	// Encoders that publish by one request.
	{"internal/whip", []string{"internal/ingress", "internal/ingress/source", "internal/room", "internal/rate", "internal/token", "internal/sfu/uptrack", "internal/sfu/layer"}},
	// What comes in from encoders is taken apart, and made tracks of.
	{"internal/ingress/source", []string{"internal/ingress", "internal/ingress/rtmp", "internal/ingress/ffmpeg", "internal/ingress/flv", "internal/egress/frames", "internal/egress/container", "internal/sfu/uptrack"}},

	// Agents are dispatched by what the log says, to workers at /agent.
	{"internal/agent", []string{"internal/outbox", "internal/rate", "internal/token", "event"}},

	// Recordings: jobs in the server, and the process that writes one of them, which
	// knows nothing of it.
	{"internal/egress", []string{"internal/spawn", "internal/egress/ffmpeg", "internal/egress/container", "internal/egress/playlist", "internal/egress/upload", "internal/egress/storage", "internal/egress/request", "internal/egress/wire", "internal/room", "internal/delivery", "internal/sfu/uptrack", "event"}},
	{"internal/egress/browser", []string{"internal/spawn", "internal/egress/frames", "internal/egress/wire", "internal/egress/worker"}},
	{"internal/egress/worker", []string{"internal/egress/container", "internal/egress/frames", "internal/egress/mix", "internal/egress/playlist", "internal/egress/wire"}},
	{"internal/egress/mix", nil},
	{"internal/egress/playlist", nil},
	{"internal/egress/studio", []string{
		"internal/egress/worker", "internal/egress/ffmpeg", "internal/egress/compose", "internal/egress/frames", "internal/egress/container", "internal/egress/playlist", "internal/egress/wire",
	}},
	{"internal/egress/ffmpeg", []string{"internal/spawn", "internal/egress/compose", "internal/egress/container"}},
	{"internal/egress/compose", nil},
	{"internal/egress/frames", []string{"internal/egress/container", "internal/egress/picture"}},
	{"internal/egress/request", nil},
	{"internal/egress/upload", []string{"internal/egress/storage"}},
	{"internal/egress/storage", nil},
	{"internal/egress/wire", nil},
	{"internal/egress/container", []string{"internal/egress/picture"}},
	{"internal/egress/picture", nil},

	// What comes in from encoders: the server of RTMP, and the format of its tags.
	{"internal/ingress/rtmp", []string{"internal/ingress/flv", "internal/rate"}},
	{"internal/ingress/ffmpeg", []string{"internal/spawn", "internal/rawfile", "internal/ingress/flv"}},
	{"internal/ingress/flv", nil},
	// Streams of encoders that come in as participants.
	{"internal/ingress", []string{"internal/room", "internal/histogram", "internal/rate", "internal/sfu/uptrack", "event"}},

	// Decisions. The room neither knows the log nor who reads it.
	{"internal/room", []string{"internal/histogram", "internal/rate", "internal/sfu/peer", "internal/sfu/uptrack", "internal/sfu/downtrack", "internal/sfu/quality", "event"}},

	// Durability.
	{"internal/delivery", []string{"internal/eventlog", "internal/histogram", "event"}},
	{"internal/eventlog/pebble", []string{"internal/eventlog", "event"}},
	{"internal/eventlog/memory", []string{"internal/eventlog", "event"}},
	{"internal/eventlog/storetest", []string{"internal/eventlog", "event"}},
	{"internal/eventlog", []string{"internal/histogram", "event"}},

	// Media: no room, no event, no configuration.
	{"internal/sfu/peer", []string{
		"internal/sfu/transport", "internal/sfu/srtp", "internal/sfu/record", "internal/sfu/sctp", "internal/sfu/consent", "internal/sfu/ice", "internal/sfu/stun",
		"internal/sfu/uptrack", "internal/sfu/downtrack", "internal/sfu/bwe", "internal/sfu/allocator", "internal/sfu/layer", "internal/rate", "internal/stack",
	}},
	{"internal/sfu/downtrack", append([]string{"internal/sfu/uptrack"}, mediaLeaves...)},
	{"internal/sfu/uptrack", mediaLeaves},
	{"internal/sfu/allocator", nil},
	{"internal/sfu/audiolevel", nil},
	{"internal/sfu/bwe", nil},
	{"internal/sfu/codec", nil},
	{"internal/sfu/keyframe", nil},
	{"internal/sfu/layer", nil},
	{"internal/sfu/nack", nil},
	{"internal/sfu/packetcache", nil},
	{"internal/sfu/prefetch", nil},
	{"internal/sfu/quality", nil},
	{"internal/sfu/rtpstats", nil},
	{"internal/sfu/seqmap", nil},
	{"internal/sfu/transport", []string{"internal/sfu/srtp", "internal/sfu/record", "internal/sfu/stun"}},
	{"internal/sfu/consent", []string{"internal/sfu/stun"}},
	{"internal/sfu/ice", []string{"internal/sfu/stun"}},
	{"internal/sfu/record", nil},
	{"internal/sfu/sctp", nil},
	{"internal/sfu/srtp", nil},
	{"internal/sfu/stun", nil},

	// The participant's SDK: nothing of the server's.
	{"client/mediafile", []string{"client"}},
	{"client", []string{"event", "internal/sfu/codec", "internal/sfu/rtpstats"}},

	// Leaves.
	{"internal/fold", []string{"event"}},
	{"internal/gendocs", []string{"internal/sample", "event"}},
	{"internal/sample", []string{"event"}},
	{"event", nil},
	{"webhook/storetest", []string{"webhook", "event"}},
	{"webhook", []string{"event", "internal/fold"}},
	{"internal/certificate", nil},
	{"internal/config", nil},
	{"internal/spawn", nil},
	{"internal/external", nil},
	// The relay moves datagrams as media does.
	{"internal/turn", []string{"internal/sfu/transport", "internal/tcp"}},
	{"internal/histogram", nil},
	{"internal/outbox", nil},
	{"internal/rate", nil},
	{"internal/stack", nil},
	{"internal/upgrade", []string{"internal/stack"}},
	{"internal/headroom", nil},
	{"internal/tcp", []string{"internal/rawfile"}},
	{"internal/rawfile", nil},
	{"internal/tlsmux", nil},
	{"internal/tracing", []string{"event"}},
	{"internal/token", nil},
	{"internal/site", []string{"internal/asset"}},
	{"internal/asset", nil},
	{"docs", nil},
	{"web", []string{"internal/asset"}},

	// Tools of the tests.
	{"internal/testkit/...", []string{"internal/testkit/...", "internal/server", "internal/config", "event", "webhook"}},
	{"test/...", []string{"..."}},
}

var mediaLeaves = []string{
	"internal/sfu/audiolevel", "internal/sfu/codec", "internal/sfu/keyframe", "internal/sfu/layer",
	"internal/sfu/nack", "internal/sfu/packetcache", "internal/sfu/prefetch", "internal/sfu/rtpstats", "internal/sfu/seqmap",
}

// seams are modules behind few packages, so that they can be replaced there.
var seams = map[string][]string{
	"github.com/pion/webrtc":        {"client", "client/mediafile"},
	"github.com/pion/ice":           {"client"},
	"github.com/pion/interceptor":   {"internal/sfu/peer", "client"},
	"github.com/pion/dtls":          {"internal/sfu/peer"},
	"github.com/pion/transport":     {"internal/sfu/peer"},
	"github.com/pion/turn":          {"internal/turn"},
	"github.com/cockroachdb/pebble": {"internal/eventlog/pebble"},
	"golang.org/x/crypto/acme":      {"internal/certificate"},
	"github.com/coder/websocket":    {"internal/egress/worker", "internal/outbox", "internal/signal", "internal/agent", "client"},
	"github.com/twitchtv/twirp":     {"internal/httpapi", "cmd/rollcall"},
	"github.com/goccy/go-yaml":      {"internal/config"},
	"go.opentelemetry.io/otel":      {"internal/tracing"},
	"github.com/prometheus":         {"internal/metrics"},
	"github.com/yuin/goldmark":      {"internal/site"},
	"github.com/minio":              {"internal/egress/storage"},
}

// foreign are modules that this one does not depend on: the wire is theirs,
// the behaviour is ours.
var foreign = []string{"github.com/livekit/livekit-server", "github.com/livekit/server-sdk-go"}

type goPackage struct {
	ImportPath, Name, Dir string
	Imports               []string
	GoFiles, CgoFiles     []string
}

func goList(t *testing.T, args ...string) []goPackage {
	t.Helper()
	cmd := exec.Command("go", append([]string{"list", "-json"}, args...)...)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list %s: %v\n%s", strings.Join(args, " "), err, stderr.Bytes())
	}
	var pkgs []goPackage
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var p goPackage
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return pkgs
		} else if err != nil {
			t.Fatal(err)
		}
		pkgs = append(pkgs, p)
	}
}

func under(pattern, pkg string) bool {
	root, tree := strings.CutSuffix(pattern, "...")
	return pattern == pkg || tree && strings.HasPrefix(pkg+"/", root)
}

func TestImportsPointDown(t *testing.T) {
	for _, p := range goList(t, "./...") {
		pkg, inside := strings.CutPrefix(p.ImportPath, module)
		if !inside {
			continue // the root, which holds this test only
		}
		i := slices.IndexFunc(layers, func(l layer) bool { return under(l.pkg, pkg) })
		if i < 0 {
			t.Errorf("%s has no place in layers; decide which packages it may import", pkg)
			continue
		}
		for _, imported := range p.Imports {
			used, own := strings.CutPrefix(imported, module)
			if own && !slices.ContainsFunc(layers[i].uses, func(pattern string) bool { return under(pattern, used) }) {
				t.Errorf("%s imports %s, which is not below it", pkg, used)
			}
		}
	}
}

func TestOnlyTheSeamImportsItsModule(t *testing.T) {
	for _, p := range goList(t, "./...") {
		pkg := strings.TrimPrefix(p.ImportPath, module)
		for _, imported := range p.Imports {
			for dependency, seam := range seams {
				if under(dependency+"/...", imported) && !slices.Contains(seam, pkg) && !strings.HasPrefix(pkg, "test/") {
					t.Errorf("%s imports %s, which is behind %s", pkg, imported, seam)
				}
			}
			const protocol = "github.com/livekit/protocol/"
			if strings.HasPrefix(imported, protocol) && !under(protocol+"livekit/...", imported) && !strings.HasPrefix(pkg, "internal/testkit/") {
				t.Errorf("%s imports %s; of that module only the messages are used", pkg, imported)
			}
		}
	}
}

func TestServerBinaryIsPureGoAndItsOwn(t *testing.T) {
	for _, p := range goList(t, "-deps", "./cmd/rollcall") {
		if len(p.CgoFiles) > 0 {
			t.Errorf("%s has cgo", p.ImportPath)
		}
		for _, f := range foreign {
			if under(f+"/...", p.ImportPath) {
				t.Errorf("the server depends on %s", p.ImportPath)
			}
		}
	}
	mod, err := os.ReadFile("go.mod")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range foreign {
		if bytes.Contains(mod, []byte(f)) {
			t.Errorf("go.mod requires %s", f)
		}
	}
	build := exec.Command("go", "build", "-o", filepath.Join(t.TempDir(), "rollcall"), "./cmd/rollcall")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Errorf("build without cgo: %v\n%s", err, out)
	}
}

func TestEveryPackageSaysWhatItIs(t *testing.T) {
	const maxLines = 15
	for _, p := range goList(t, "./...") {
		if p.Name == "main" || len(p.GoFiles) == 0 {
			continue
		}
		doc, err := os.ReadFile(filepath.Join(p.Dir, "doc.go"))
		if err != nil {
			t.Errorf("%s has no doc.go", p.ImportPath)
			continue
		}
		text, _, _ := strings.Cut(string(doc), "\npackage ")
		if n := strings.Count(text, "\n") + 1; n > maxLines {
			t.Errorf("%s: the contract in doc.go has %d lines; say it in %d", p.ImportPath, n, maxLines)
		}
		if !strings.HasPrefix(string(doc), "// Package "+p.Name+" ") {
			t.Errorf("%s: doc.go does not begin with \"// Package %s\"", p.ImportPath, p.Name)
		}
	}
}

// skipped are folders of what others wrote or tools made.
var skipped = []string{".git", "node_modules", "dist", "out", "bin", "rollcall-data"}

// ownFiles calls visit with every file that somebody here wrote.
func ownFiles(t *testing.T, visit func(path string, content []byte)) {
	t.Helper()
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && slices.Contains(skipped, d.Name()):
			return filepath.SkipDir
		case d.IsDir() || !d.Type().IsRegular():
			return nil
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		visit(filepath.ToSlash(path), content)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestFilesAreShortEnoughToRead(t *testing.T) {
	const maxLines = 500
	seen := 0
	ownFiles(t, func(path string, content []byte) {
		if !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return
		}
		seen++
		if n := bytes.Count(content, []byte("\n")); n >= maxLines {
			t.Errorf("%s has %d lines; one idea fits in fewer than %d", path, n, maxLines)
		}
	})
	if seen < 20 {
		t.Errorf("only %d Go files seen", seen)
	}
}

// Work that is not done belongs into an issue, and a path of one machine is of
// no use on another.
func TestNoLooseEndsAndNoPathsOfOneMachine(t *testing.T) {
	unwanted := []string{"TO" + "DO", "FIX" + "ME", "XX" + "X:", "/ho" + "me/", "/ro" + "ot/"}
	ownFiles(t, func(path string, content []byte) {
		if strings.HasSuffix(path, "package-lock.json") || bytes.IndexByte(content, 0) >= 0 {
			return
		}
		for _, word := range unwanted {
			if i := bytes.Index(content, []byte(word)); i >= 0 {
				t.Errorf("%s:%d: %s", path, 1+bytes.Count(content[:i], []byte("\n")), word)
			}
		}
	})
}

// A clone carries every version of every file for ever: programs that somebody
// built, recordings and archives do not belong into it.
func TestNoCommittedFileIsLarge(t *testing.T) {
	const most = 1 << 20
	out, err := exec.Command("git", "ls-files", "-z").Output()
	if err != nil {
		t.Fatalf("git lists no files, and this test is for clones: %v", err)
	}
	paths := strings.Split(strings.TrimRight(string(out), "\x00"), "\x00")
	if len(paths) < 20 {
		t.Errorf("only %d files seen", len(paths))
	}
	for _, path := range paths {
		info, err := os.Lstat(path)
		if err == nil && info.Size() > most {
			t.Errorf("%s has %d bytes; %d are the most", path, info.Size(), most)
		}
	}
}
