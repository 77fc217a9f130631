package main

import (
	"testing"

	tea "github.com/charmbracelet/bubbletea"
	"github.com/livekit/protocol/livekit"

	"github.com/rollcall-rtc/rollcall/client"
)

func TestScreenIsDrawnFromTheSnapshot(t *testing.T) {
	var screen tea.Model = model{&client.State{}}
	screen, cmd := screen.Update(&client.State{
		Connection: client.StateConnected, Name: "demo", Speakers: []string{"bob"},
		Local: client.ParticipantState{Identity: "ana", Name: "Ana", Quality: livekit.ConnectionQuality_EXCELLENT},
		Participants: []client.ParticipantState{{
			Identity: "bob", Quality: livekit.ConnectionQuality_POOR,
			Tracks: []client.TrackState{
				{Source: livekit.TrackSource_MICROPHONE, Allowed: true},
				{Source: livekit.TrackSource_SCREEN_SHARE, Allowed: true, Stream: livekit.StreamState_PAUSED},
			},
		}},
	})
	const want = `demo · connected · 2 here

  Ana                  ▂▄▆  
● bob                  ▂      microphone  screen share (paused)

q: leave
`
	if got := screen.View(); got != want || cmd != nil {
		t.Errorf("got:\n%swant:\n%s", got, want)
	}
	if _, cmd := screen.Update(&client.State{Connection: client.StateDisconnected}); cmd == nil {
		t.Error("it does not end with the room")
	}
}
