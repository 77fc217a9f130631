package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"

	"github.com/livekit/protocol/livekit"
)

const sendAbout = `Sends data to everybody in a room, or to those named with --to: the text, or what
comes on standard input. Clients have it as a DataReceived event.

  rollcall send demo 'hello' --dev --topic chat
  rollcall send demo --dev --to ana < picture.jpg`

// maxData is the most that the server takes in one message, in bytes.
const maxData = 64 << 10

func sendData(ctx context.Context, args []string, env environment) error {
	var f clientFlags
	var topic *string
	var lossy bool
	req := &livekit.SendDataRequest{}
	fs := flag.NewFlagSet("rollcall send", flag.ContinueOnError)
	f.register(fs)
	textVar(fs, "topic", "`topic` of the data", &topic)
	fs.Func("to", "`identity` of a receiver; may be repeated (default everybody)", func(text string) error {
		req.DestinationIdentities = append(req.DestinationIdentities, text)
		return nil
	})
	fs.BoolVar(&lossy, "lossy", false, "send it once: it may be lost, and is never late")
	values, err := parseArgs(fs, args, env, sendAbout, "ROOM", "[TEXT]")
	if err != nil {
		return err
	}
	c, err := f.client(env)
	if err != nil {
		return err
	}
	req.Room, req.Topic, req.Data = values[0], topic, []byte(values[1])
	if lossy {
		req.Kind = livekit.DataPacket_LOSSY
	}
	if len(req.Data) == 0 {
		if req.Data, err = io.ReadAll(io.LimitReader(env.stdin, maxData+1)); err != nil {
			return fmt.Errorf("read standard input: %w", err)
		}
	}
	switch {
	case len(req.Data) == 0:
		return usageError(errors.New("there is nothing to send: TEXT is missing, and standard input is empty"))
	case len(req.Data) > maxData:
		return fmt.Errorf("data is too long: a message has at most %d bytes", maxData)
	}
	if _, err := c.admin(req.Room).SendData(ctx, req); err != nil {
		return said(err)
	}
	to := "everybody in " + req.Room
	if n := len(req.DestinationIdentities); n > 0 {
		to = plural(n, "participant") + " of " + req.Room
	}
	return f.tell(env, fmt.Sprintf("Sent %s to %s.", plural(len(req.Data), "byte"), to))
}
