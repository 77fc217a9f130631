package client_test

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/rollcall-rtc/rollcall/client"
	"github.com/rollcall-rtc/rollcall/internal/token"
)

// process starts the server as a process of its own, so that what is measured here
// is the client's alone.
func process(b *testing.B) (url string) {
	b.Helper()
	dir := b.TempDir()
	bin := filepath.Join(dir, "rollcall")
	if out, err := exec.Command("go", "build", "-o", bin, "../cmd/rollcall").CombinedOutput(); err != nil {
		b.Fatalf("build: %v\n%s", err, out)
	}
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	port := free.Addr().(*net.TCPAddr).Port
	_ = free.Close()
	config := filepath.Join(dir, "rollcall.yaml")
	body := fmt.Sprintf("port: %d\nbind_addresses: [127.0.0.1]\ndata_dir: %s\nrtc: {udp_port: 0, tcp_port: 0, enable_loopback_candidate: true}\nkeys: {%s: %s}\n",
		port, filepath.Join(dir, "data"), testKey, testSecret)
	if err := os.WriteFile(config, []byte(body), 0o600); err != nil {
		b.Fatal(err)
	}
	cmd := exec.Command(bin, "serve", "--config", config)
	said, err := cmd.StderrPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	go func() {
		for lines := bufio.NewScanner(said); lines.Scan(); {
		}
	}()
	b.Cleanup(func() {
		_ = cmd.Process.Signal(os.Interrupt)
		_ = cmd.Wait()
	})
	url = fmt.Sprintf("ws://127.0.0.1:%d", port)
	for range 200 {
		if c, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port)); err == nil {
			_ = c.Close()
			return url
		}
		time.Sleep(50 * time.Millisecond)
	}
	b.Fatal("the server does not listen")
	return ""
}

func mint(b *testing.B, identity string) string {
	b.Helper()
	raw, err := token.Mint(testKey, testSecret, &token.Claims{Identity: identity, Video: &token.VideoGrant{RoomJoin: true, Room: "bench"}}, time.Now(), time.Hour)
	if err != nil {
		b.Fatal(err)
	}
	return raw
}

// BenchmarkIdleClient says how much memory a client holds that only listens.
func BenchmarkIdleClient(b *testing.B) {
	url := process(b)
	for name, o := range map[string]client.Options{"dual": {}, "single": {SinglePeerConnection: true}} {
		b.Run(name, func(b *testing.B) {
			const clients = 50
			for b.Loop() {
				before := memory()
				var rooms []*client.Room
				for i := range clients {
					room, err := client.Connect(b.Context(), url, mint(b, fmt.Sprint("idle", i)), o)
					if err != nil {
						b.Fatal(err)
					}
					rooms = append(rooms, room)
				}
				b.ReportMetric(float64(memory()-before)/clients/1024, "kB/client")
				for _, room := range rooms {
					_ = room.Disconnect(context.Background())
					<-room.Done()
				}
			}
		})
	}
}

// memory is what is in use for values and stacks, in bytes.
func memory() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc + m.StackInuse
}

// BenchmarkReceivePacket says what it costs to read a packet of a track, with all
// that is done for it from the socket on. The publisher is another process.
func BenchmarkReceivePacket(b *testing.B) {
	url := process(b)
	self, err := os.Executable()
	if err != nil {
		b.Fatal(err)
	}
	publisher := exec.Command(self, "-test.run", "^TestPublishForABenchmark$")
	publisher.Env = append(os.Environ(), "BENCH_URL="+url, "BENCH_TOKEN="+mint(b, "publisher"))
	if err := publisher.Start(); err != nil {
		b.Fatal(err)
	}
	defer func() {
		_ = publisher.Process.Kill()
		_ = publisher.Wait()
	}()
	tracks := make(chan *client.RemoteTrack, 1)
	room, err := client.Connect(b.Context(), url, mint(b, "viewer"), client.Options{Setup: func(room *client.Room) {
		client.On(room, func(e client.TrackSubscribed) { tracks <- e.Track })
	}})
	if err != nil {
		b.Fatal(err)
	}
	track := <-tracks
	buf := make([]byte, 1500)
	for range 200 { // until everything is at its size
		if _, err := track.Read(buf); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := track.Read(buf); err != nil {
			b.Fatal(err)
		}
	}
	_ = room.Disconnect(context.Background())
	<-room.Done()
}

// TestPublishForABenchmark is the other end of BenchmarkReceivePacket, and
// nothing else.
func TestPublishForABenchmark(t *testing.T) {
	url := os.Getenv("BENCH_URL")
	if url == "" {
		return
	}
	room, err := client.Connect(t.Context(), url, os.Getenv("BENCH_TOKEN"), client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	track := client.NewLocalTrack(client.VP8)
	if _, err := room.Local().Publish(t.Context(), client.PublishOptions{Width: 1280, Height: 720}, track); err != nil {
		t.Fatal(err)
	}
	for {
		_ = track.WriteSample(picture(1280, 720, 20_000))
		time.Sleep(10 * time.Millisecond)
	}
}
