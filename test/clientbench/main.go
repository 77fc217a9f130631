// Command clientbench compares package client with LiveKit's SDK for Go, on the
// same work in one run: both in processes of their own, one after the other, again
// and again, at one server of ours. What it prints are medians, and the ratio.
//
//	make bench-client
//
// It is a module of its own: that SDK is no dependency of Rollcall.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "clientbench:", err)
		os.Exit(1)
	}
}

func run() error {
	binary := flag.String("rollcall", "../../bin/rollcall", "the server, which is also who publishes")
	pairs := flag.Int("pairs", 5, "runs of each")
	child := flag.String("child", "", "one run: sdk,work (used by itself)")
	url := flag.String("url", "", "of the server (used by itself)")
	flag.Parse()
	if *child != "" {
		sdk, work, _ := strings.Cut(*child, ",")
		result, err := measure(context.Background(), sdk, work, *url)
		if err != nil {
			return err
		}
		return json.NewEncoder(os.Stdout).Encode(result)
	}
	return compare(*binary, *pairs)
}

// works are what is done, with the metrics of each in the order of the table.
var works = []struct {
	name, about string
	metrics     []metric
}{
	{"idle", fmt.Sprintf("%d clients in one process, each in a room of its own, and nothing happens", idleClients), []metric{
		{"heap and stacks of a client", "KB"}, {"resident memory of a client", "KB"}, {"CPU of a client", "ms/s"},
	}},
	{"join", fmt.Sprintf("%d clients in one process join at once, each a room of its own", joinClients), []metric{
		{"join, p50", "ms"}, {"join, p99", "ms"}, {"CPU of a join", "ms"},
	}},
	{"receive", fmt.Sprintf("one client reads the packets of %d tracks", receivedTracks), []metric{
		{"heap and stacks of a track", "KB"}, {"CPU of a packet", "µs"}, {"allocations of a packet", ""}, {"packets", "1/s"},
	}},
}

type metric struct{ name, unit string }

const (
	key    = "devkey"
	secret = "secret"
	room   = "clientbench"
)

var sdks = []string{"livekit", "rollcall"}

func compare(binary string, pairs int) error {
	dir, err := os.MkdirTemp("", "clientbench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if binary, err = filepath.Abs(binary); err != nil {
		return err
	}
	url, stop, err := serve(binary, dir)
	if err != nil {
		return err
	}
	defer stop()
	// Half of the tracks are sound, half video of a modest rate.
	half := fmt.Sprint(receivedTracks / 2)
	publish := exec.Command(binary, "load", "--url", url, "--key", key, "--secret", secret,
		"--room", room, "--audio", half, "--video", half, "--bitrate", "300", "--for", "24h", "--json")
	if err := publish.Start(); err != nil {
		return err
	}
	defer func() { _ = publish.Process.Kill(); _ = publish.Wait() }()
	time.Sleep(5 * time.Second)

	fmt.Println("| work | metric | server-sdk-go | package client | ratio |\n|---|---|---|---|---|")
	for _, w := range works {
		figures := map[string][][]float64{}
		for range pairs {
			for _, sdk := range sdks {
				var out []float64
				cmd := exec.Command(os.Args[0], "-child", sdk+","+w.name, "-url", url)
				cmd.Stderr = io.Discard
				raw, err := cmd.Output()
				if err == nil {
					err = json.Unmarshal(raw, &out)
				}
				if err != nil {
					return fmt.Errorf("%s, %s: %w", sdk, w.name, err)
				}
				figures[sdk] = append(figures[sdk], out)
			}
		}
		for i, m := range w.metrics {
			about := ""
			if i == 0 {
				about = "**" + w.name + "**: " + w.about
			}
			theirs, ours := spread(figures[sdks[0]], i), spread(figures[sdks[1]], i)
			name := m.name
			if m.unit != "" {
				name += ", " + m.unit
			}
			fmt.Printf("| %s | %s | %s | %s | %s |\n", about, name, theirs, ours, theirs.ratio(ours))
		}
	}
	return nil
}

// serve starts a server in dir, on ports that it chooses.
func serve(binary, dir string) (url string, stop func(), err error) {
	config := filepath.Join(dir, "rollcall.yaml")
	text := fmt.Sprintf("port: 0\ndevelopment: true\nbind_addresses: [127.0.0.1]\ndata_dir: %s\nlogging: {level: warn}\n"+
		"rtc: {udp_port: 0, tcp_port: 0, node_ip: 127.0.0.1, enable_loopback_candidate: true}\n", dir)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		return "", nil, err
	}
	server := exec.Command(binary, "serve", "--config", config)
	said, err := server.StdoutPipe()
	if err != nil {
		return "", nil, err
	}
	if err := server.Start(); err != nil {
		return "", nil, err
	}
	stop = func() { _ = server.Process.Signal(os.Interrupt); _ = server.Wait() }
	found := make(chan string, 1)
	go func() {
		var all strings.Builder
		buf := make([]byte, 4096)
		for {
			n, err := said.Read(buf)
			all.Write(buf[:n])
			if _, after, ok := strings.Cut(all.String(), "http://localhost:"); ok {
				if port, _, ok := strings.Cut(after, "\n"); ok {
					found <- "http://127.0.0.1:" + strings.TrimSpace(port)
					_, _ = io.Copy(io.Discard, said)
					return
				}
			}
			if err != nil {
				close(found)
				return
			}
		}
	}()
	select {
	case url, ok := <-found:
		if ok {
			return url, stop, nil
		}
	case <-time.After(20 * time.Second):
	}
	stop()
	return "", nil, errors.New("the server did not say where it listens")
}

// figure is the median of runs, with the least and the most.
type figure struct{ median, least, most float64 }

func spread(runs [][]float64, i int) figure {
	var all []float64
	for _, r := range runs {
		all = append(all, r[i])
	}
	slices.Sort(all)
	return figure{all[len(all)/2], all[0], all[len(all)-1]}
}

func (f figure) String() string {
	return fmt.Sprintf("%s (%s–%s)", short(f.median), short(f.least), short(f.most))
}

func (f figure) ratio(ours figure) string {
	if f.median == 0 || ours.median == 0 {
		return ""
	}
	return fmt.Sprintf("%.2f", ours.median/f.median)
}

func short(v float64) string {
	switch {
	case v >= 100:
		return fmt.Sprintf("%.0f", v)
	case v >= 10:
		return fmt.Sprintf("%.1f", v)
	}
	return fmt.Sprintf("%.2f", v)
}
