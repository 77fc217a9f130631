// Command goparticipant is one participant built on the unmodified Go SDK.
//
// It joins a room, tells every SDK callback as a JSON line on standard output,
// and carries out commands that it reads as JSON lines from standard input.
// It leaves when told to or when its standard input ends.
package main

import (
	"bufio"
	"encoding/json"
	"flag"
	"fmt"
	"os"

	"github.com/go-logr/logr"
	protologger "github.com/livekit/protocol/logger"
	lksdk "github.com/livekit/server-sdk-go/v2"
)

func main() {
	url := flag.String("url", "", "address of the server, ws://…")
	token := flag.String("token", "", "access token")
	single := flag.Bool("single", false, "use one peer connection for both ways")
	leave := flag.Bool("leave", false, "leave as soon as the SDK says that it is connected")
	flag.Parse()

	// The SDK's own log would mix with the lines that the harness reads.
	lksdk.SetLogger(protologger.LogRLogger(logr.Discard()))

	out := newOutput(os.Stdout)
	var options []lksdk.ConnectOption
	if *single {
		options = append(options, lksdk.WithSinglePeerConnection())
	}
	if err := run(*url, *token, options, *leave, out); err != nil {
		out.event("failed", map[string]any{"message": err.Error()})
		os.Exit(1)
	}
}

func run(url, token string, options []lksdk.ConnectOption, leave bool, out *output) error {
	p := &participant{out: out, received: newReception()}
	room, err := lksdk.ConnectToRoomWithToken(url, token, p.callback(), options...)
	if err != nil {
		return fmt.Errorf("join: %w", err)
	}
	p.room = room
	room.LocalParticipant.Callback = p.ownCallback()
	defer p.close()
	if leave {
		return nil
	}
	out.event("connected", map[string]any{
		"identity": room.LocalParticipant.Identity(),
		"sid":      room.LocalParticipant.SID(),
		"roomSid":  room.SID(),
	})

	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<20)
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
			return nil
		}
	}
	return lines.Err()
}
