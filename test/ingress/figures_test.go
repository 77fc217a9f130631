package ingress

import (
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/livekit/protocol/livekit"
)

// figures has TestFigures measure: go test ./test/ingress -run Figures -figures -v
var figures = flag.Bool("figures", false, "measure what docs/performance-media.md says of ingress")

// TestFigures measures what streams cost, and how long they take, with a server in a
// process of its own and its children. It asserts nothing.
func TestFigures(t *testing.T) {
	if !*figures {
		t.Skip("it measures: run it with -figures")
	}
	dir := t.TempDir()
	binary := filepath.Join(dir, "rollcall")
	if out, err := exec.Command("go", "build", "-o", binary, "../../cmd/rollcall").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	file := filepath.Join(dir, "film.mp4")
	makeFile(t, file, "-f", "lavfi", "-i", "testsrc2=s=1280x720:r=30,noise=alls=12:allf=t", "-f", "lavfi", "-i", "sine=440:r=48000", "-t", "30",
		"-c:v", "libx264", "-preset", "superfast", "-pix_fmt", "yuv420p", "-bf", "0", "-g", "60", "-b:v", "3M", "-maxrate", "3M", "-bufsize", "3M", "-c:a", "aac", "-b:a", "128k")
	for _, tc := range []struct {
		name   string
		change func(*livekit.CreateIngressRequest)
	}{
		{"passed through, AAC to Opus", func(*livekit.CreateIngressRequest) {}},
		{"720p30 in three layers, and Opus", func(r *livekit.CreateIngressRequest) {
			r.Video = &livekit.IngressVideoOptions{EncodingOptions: &livekit.IngressVideoOptions_Preset{Preset: livekit.IngressVideoEncodingPreset_H264_720P_30FPS_3_LAYERS}}
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			p := process(t, binary)
			var first []time.Duration
			for i := range 7 {
				room := fmt.Sprint("first", i)
				first = append(first, p.first(t, file, room, tc.change))
			}
			slices.Sort(first)
			t.Logf("connection to first picture at a subscriber: median %v, worst of %d %v", first[len(first)/2], len(first), first[len(first)-1])

			info := p.create(tc.change)
			push := p.push(info, "-re", "-i", file, "-c", "copy")
			eventually(t, "it publishes", func() bool { return p.state(info.IngressId).Status == livekit.IngressState_ENDPOINT_PUBLISHING })
			time.Sleep(3 * time.Second)
			before, began := p.cpu(), time.Now()
			time.Sleep(20 * time.Second)
			used, took := p.cpu()-before, time.Since(began)
			t.Logf("CPU of server and children: %.1f %% of a core, nobody watching", 100*used.Seconds()/took.Seconds())
			_ = push.cmd.Process.Kill()
		})
	}
}

// served is a server in a process of its own.
type served struct {
	*site
	pid  int
	addr string
}

func process(t *testing.T, binary string) *served {
	t.Helper()
	dir := t.TempDir()
	ports := make([]string, 2)
	for i := range ports {
		_, ports[i], _ = net.SplitHostPort(free(t, "tcp"))
	}
	config := filepath.Join(dir, "rollcall.yaml")
	body := fmt.Sprintf("port: %s\nbind_addresses: [127.0.0.1]\ndata_dir: %s\nrtc: {udp_port: 0, tcp_port: -1, enable_loopback_candidate: true}\nkeys: {%s: %s}\ningress: {rtmp: {port: %s}}\n",
		ports[0], filepath.Join(dir, "data"), apiKey, apiSecret, ports[1])
	if err := os.WriteFile(config, []byte(body), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(binary, "serve", "--config", config)
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	p := &served{pid: cmd.Process.Pid, addr: "127.0.0.1:" + ports[0]}
	p.site = siteAt(t, p.addr, nil)
	eventually(t, "the server answers", func() bool {
		_, err := p.api.ListIngress(t.Context(), &livekit.ListIngressRequest{})
		return err == nil
	})
	return p
}

// first is how long it takes from the connection of an encoder to the first picture
// at somebody who is in the room.
func (p *served) first(t *testing.T, file, room string, change func(*livekit.CreateIngressRequest)) time.Duration {
	t.Helper()
	v := p.view(room)
	info := p.create(change, func(r *livekit.CreateIngressRequest) { r.RoomName, r.ParticipantIdentity = room, "encoder-"+room })
	through, connected := relay(t, strings.TrimSuffix(strings.TrimPrefix(info.Url, "rtmp://"), "/live"))
	info.Url = "rtmp://" + through + "/live"
	push := p.push(info, "-re", "-i", file, "-c", "copy")
	eventually(t, "a picture", func() bool { return v.got(video).frames > 0 })
	took := v.got(video).first.Sub(<-connected)
	_ = push.cmd.Process.Kill()
	return took
}

// relay stands before a server, and says when it is connected to.
func relay(t *testing.T, to string) (addr string, connected <-chan time.Time) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	at := make(chan time.Time, 1)
	var both sync.WaitGroup
	go func() {
		near, err := l.Accept()
		if err != nil {
			return
		}
		at <- time.Now()
		far, err := net.Dial("tcp", to)
		if err != nil {
			near.Close()
			return
		}
		both.Go(func() { _, _ = io.Copy(far, near); far.Close() })
		both.Go(func() { _, _ = io.Copy(near, far); near.Close() })
	}()
	t.Cleanup(func() { l.Close() })
	return l.Addr().String(), at
}

// cpu is what the server and its children have used.
func (p *served) cpu() (sum time.Duration) {
	for _, pid := range append([]string{strconv.Itoa(p.pid)}, childrenOf(p.pid)...) {
		stat, err := os.ReadFile("/proc/" + pid + "/stat")
		if err != nil {
			continue
		}
		fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
		for _, f := range fields[11:13] { // utime and stime, in hundredths
			n, _ := strconv.Atoi(f)
			sum += time.Duration(n) * 10 * time.Millisecond
		}
	}
	return sum
}

func childrenOf(pid int) (all []string) {
	tasks, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	for _, path := range tasks {
		b, _ := os.ReadFile(path)
		all = append(all, strings.Fields(string(b))...)
	}
	return all
}
