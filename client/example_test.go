package client_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"time"

	"github.com/livekit/protocol/livekit"

	"github.com/rollcall-rtc/rollcall/client"
)

var (
	ctx         = context.Background()
	serverURL   = os.Getenv("LIVEKIT_URL")
	accessToken = os.Getenv("TOKEN")
	room        *client.Room
)

func ExampleConnect() {
	room, err := client.Connect(ctx, serverURL, accessToken, client.Options{
		Setup: func(room *client.Room) {
			// Handlers that are registered here miss nothing.
			client.On(room, func(e client.ParticipantConnected) {
				log.Printf("%s is here", e.Participant.Name())
			})
			client.On(room, func(e client.Disconnected) {
				log.Printf("it is over: %s", e.Reason)
			})
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	<-room.Done()
}

func ExampleOn() {
	client.On(room, func(e client.TrackSubscribed) {
		// A handler may take its time, but other events wait for it.
		go func() {
			for p := range e.Track.Packets(ctx) {
				log.Printf("%s: %d bytes", e.Participant.Identity(), len(p.Payload))
			}
		}()
	})
	stop := client.On(room.Local(), func(e client.ConnectionQualityChanged) {
		log.Printf("my connection is %s", e.Quality)
	})
	defer stop()
}

func ExampleRoom_Events() {
	for e := range room.Events(ctx) {
		switch e := e.(type) {
		case client.DataReceived:
			log.Printf("%s says %s", e.Identity, e.Payload)
		case client.TrackMuted:
			log.Printf("%s is muted", e.Publication.Name())
		}
	}
}

func ExampleRoom_Observe() {
	for s := range room.Observe(ctx) {
		fmt.Printf("%s: %d others, %v speaking\n", s.Connection, len(s.Participants), s.Speakers)
	}
}

func ExampleLocalParticipant_Publish() {
	track := client.NewLocalTrack(client.Opus)
	pub, err := room.Local().Publish(ctx, client.PublishOptions{Name: "voice", Source: livekit.TrackSource_MICROPHONE}, track)
	if err != nil {
		log.Fatal(err)
	}
	silence := []byte{0xf8, 0xff, 0xfe}
	for range 50 {
		_ = track.WriteSample(client.Sample{Data: silence, Duration: 20 * time.Millisecond})
		time.Sleep(20 * time.Millisecond)
	}
	_ = room.Local().Unpublish(ctx, pub)
}

func ExampleRemoteTrack_Frames() {
	client.On(room, func(e client.TrackSubscribed) {
		go func() {
			decrypt := func(frame []byte) ([]byte, error) { return frame, nil } // the application's
			frames, err := e.Track.Frames(ctx, decrypt)
			if err != nil {
				log.Print(err)
				return
			}
			for f := range frames {
				log.Printf("%d bytes that last %s", len(f.Data), f.Duration)
			}
		}()
	})
}

func ExampleLocalParticipant_HandleRPC() {
	room.Local().HandleRPC("add", func(_ context.Context, call client.Invocation) (string, error) {
		var a, b int
		if _, err := fmt.Sscan(call.Payload, &a, &b); err != nil {
			return "", &client.RPCError{Code: 1, Message: "two numbers, please"}
		}
		return fmt.Sprint(a + b), nil
	})
	sum, err := room.Local().Call(ctx, "calculator", "add", "20 22")
	fmt.Println(sum, err)
}

func ExampleLocalParticipant_PublishData() {
	client.On(room, func(e client.DataReceived) {
		log.Printf("%s on %s: %s", e.Identity, e.Topic, e.Payload)
	})
	if err := room.Local().PublishData(ctx, []byte("hello"), client.DataOptions{Topic: "chat", To: []string{"alice"}}); err != nil {
		log.Fatal(err)
	}
}

func ExampleRoom_Paths() {
	paths, err := room.Paths(ctx)
	if err != nil {
		log.Fatal(err)
	}
	for _, p := range paths {
		fmt.Printf("%s to %s, relayed: %t\n", p.Protocol, p.Remote, p.Relay)
	}
}

func ExampleRoom_HandleText() {
	room.HandleText("chat", func(r *client.StreamReader) {
		var line string
		for {
			if _, err := fmt.Fscanln(r, &line); err != nil {
				return
			}
			fmt.Println(r.Info().Identity, line)
		}
	})
	_ = room.Local().SendText(ctx, "hello", client.StreamOptions{Topic: "chat"})
}
