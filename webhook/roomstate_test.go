package webhook_test

import (
	"testing"

	"github.com/livekit/protocol/livekit"

	"github.com/rollcall-rtc/rollcall/event"
	"github.com/rollcall-rtc/rollcall/webhook"
	"github.com/rollcall-rtc/rollcall/webhook/storetest"
)

func TestRoomStateIsWhatTheEventsTell(t *testing.T) {
	log := new(storetest.Log)
	var state webhook.RoomState
	apply := func(name event.Name, edit func(*event.Event)) *webhook.Event {
		t.Helper()
		ev := storetest.Copy(log.Append(name, "blue"))
		e := event.Event{Name: name, Room: ev.Room, Participant: ev.Participant}
		if edit != nil {
			edit(&e)
			ev.Participant, ev.Track = e.Participant, e.Track
			body, err := e.Body(ev.Id)
			if err != nil {
				t.Fatal(err)
			}
			ev.Raw = body
		}
		for range 2 { // what was seen changes nothing
			if err := state.Apply(ev); err != nil {
				t.Fatal(err)
			}
		}
		return ev
	}
	want := func(participants, tracks int, live bool) {
		t.Helper()
		if len(state.Participants()) != participants || state.Tracks() != tracks || state.Live() != live {
			t.Fatalf("after event %d: %d participants, %d tracks, live %v; want %d, %d, %v",
				state.Seq(), len(state.Participants()), state.Tracks(), state.Live(), participants, tracks, live)
		}
	}
	if state.Room() != nil || state.Live() {
		t.Fatal("a room of which nothing was heard is there")
	}
	track := func(e *event.Event) { e.Track = &livekit.TrackInfo{Sid: "TR_1"} }
	ben := func(e *event.Event) { e.Participant = &livekit.ParticipantInfo{Sid: "PA_2", Identity: "ben"} }

	started := apply(event.RoomStarted, nil)
	want(0, 0, true)
	apply(event.ParticipantConnecting, ben)
	want(0, 0, true)
	apply(event.ParticipantJoined, ben)
	apply(event.ParticipantJoined, nil)
	apply(event.TrackPublished, track)
	want(2, 1, true)
	if state.Participant("ana").GetSid() != "PA_1" || len(state.Participant("ana").GetTracks()) != 1 || state.Participant("eve") != nil {
		t.Errorf("ana is %v, eve %v", state.Participant("ana"), state.Participant("eve"))
	}
	apply(event.ParticipantLeft, ben)
	apply(event.TrackUnpublished, track)
	want(1, 0, true)
	apply(event.ParticipantLeft, nil)
	finished := apply(event.RoomFinished, nil)
	want(0, 0, false)
	if !state.Whole() || state.Room().GetSid() != started.GetRoom().GetSid() ||
		!state.StartedAt().Equal(started.Delivery.OccurredAt) || !state.EndedAt().Equal(finished.Delivery.OccurredAt) || state.Seq() != finished.Delivery.Seq {
		t.Errorf("whole %v, room %v, from %s to %s, seq %d", state.Whole(), state.Room(), state.StartedAt(), state.EndedAt(), state.Seq())
	}
	if err := state.Apply(started); err != nil || state.Live() {
		t.Errorf("an old event brings the room back: %v", err)
	}
	test := &webhook.Event{WebhookEvent: &livekit.WebhookEvent{Event: "room_started"}, Delivery: webhook.Delivery{Test: true}}
	if err := state.Apply(test); err != nil || state.Live() {
		t.Errorf("a test event starts the room: %v", err)
	}
	bad := storetest.Copy(log.Append(event.RoomStarted, "blue"))
	bad.Raw = []byte("{")
	if err := state.Apply(bad); err == nil {
		t.Error("a body that is none is applied")
	}
}
