// Command rollparticipant is one participant built on this repository's client.
//
// It joins a room, tells every event of the client as a JSON line on standard
// output, and carries out commands that it reads as JSON lines from standard
// input. It leaves when told to or when its standard input ends.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"sync"
	"time"

	"github.com/rollcall-rtc/rollcall/client"
)

func main() {
	url := flag.String("url", "", "address of the server, ws://…")
	token := flag.String("token", "", "access token")
	single := flag.Bool("single", false, "use one peer connection for both ways")
	flag.Parse()
	out := &output{enc: json.NewEncoder(os.Stdout)}
	if err := run(*url, *token, *single, out); err != nil {
		out.event("failed", map[string]any{"message": err.Error()})
		os.Exit(1)
	}
}

func run(url, token string, single bool, out *output) error {
	p := &participant{out: out, received: newReception(), told: make(map[string]bool)}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	p.ctx = ctx
	joining, stop := context.WithTimeout(ctx, 20*time.Second)
	defer stop()
	room, err := client.Connect(joining, url, token, client.Options{Setup: p.setup, SinglePeerConnection: single, AllowPause: true})
	if err != nil {
		return fmt.Errorf("join: %w", err)
	}
	p.room = room
	p.follow(room)
	out.event("connected", map[string]any{"identity": room.Local().Identity(), "sid": room.Local().SID(), "roomSid": room.SID()})

	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 4<<20)
	for lines.Scan() {
		var c command
		if err := json.Unmarshal(lines.Bytes(), &c); err != nil {
			return fmt.Errorf("read command: %w", err)
		}
		result, err := p.do(c)
		reply := map[string]any{"id": c.ID, "result": result}
		if err != nil {
			reply["error"] = err.Error()
		}
		out.event("reply", reply)
		if c.Op == "leave" {
			break
		}
	}
	cancel()
	leaving, stopLeaving := context.WithTimeout(context.Background(), 5*time.Second)
	defer stopLeaving()
	_ = room.Disconnect(leaving) // it may be over already
	return lines.Err()
}

// output writes one JSON object per line.
type output struct {
	mu  sync.Mutex
	enc *json.Encoder // mu guards
}

// event writes a line that carries the event's name and its fields.
func (o *output) event(name string, fields map[string]any) {
	line := map[string]any{"event": name}
	maps.Copy(line, fields)
	o.mu.Lock()
	defer o.mu.Unlock()
	// The reader is the harness that started us: when it is gone, so are we.
	if err := o.enc.Encode(line); err != nil {
		panic("BUG: write event: " + err.Error())
	}
}

// sum reads all of r, and returns how many bytes that are and what they add up to.
func sum(r io.Reader) (size, total int, err error) {
	b, err := io.ReadAll(r)
	for _, x := range b {
		total += int(x)
	}
	return len(b), total, err
}
