package event_test

import (
	"fmt"
	"time"

	"github.com/livekit/protocol/livekit"

	"github.com/rollcall-rtc/rollcall/event"
)

func ExampleEvent_Body() {
	e := event.Event{
		Name: event.RoomStarted,
		Time: time.Unix(1_700_000_000, 0),
		Room: &livekit.Room{Sid: "RM_1", Name: "daily-standup", TurnPassword: "not in a webhook"},
	}
	body, err := e.Body("0190163d-8694-739b-aea5-966c26f8ad91")
	fmt.Println(string(body), err)
	// Output:
	// {"event":"room_started","room":{"sid":"RM_1","name":"daily-standup"},"id":"0190163d-8694-739b-aea5-966c26f8ad91","createdAt":"1700000000"} <nil>
}

func ExampleLookup() {
	d, ok := event.Lookup(event.TrackUnpublished)
	fmt.Println(d.Name, d.Scope, "closes", d.Closes, ok)
	// Output:
	// track_unpublished track closes [track_published] true
}

func ExampleRecord_Webhook() {
	r := event.Record{Seq: 7, Body: []byte(`{"event":"participant_joined","participant":{"identity":"anna"}}`)}
	w, err := r.Webhook()
	fmt.Println(w.Event, w.Participant.Identity, err)
	// Output:
	// participant_joined anna <nil>
}
