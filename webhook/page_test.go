package webhook

import "testing"

// FuzzPage looks for answers of a server that make a panic or half an event.
func FuzzPage(f *testing.F) {
	f.Add([]byte(`{"events":[{"seq":9,"roomSeq":3,"id":"x","time":"2026-11-23T12:00:00.000001Z","body":{"event":"room_started"}}],"cursor":9,"done":true}`))
	f.Add([]byte(`{"events":null,"cursor":-1}`))
	f.Add([]byte(`{"events":[{"body":[]}]}`))
	f.Add([]byte(`[]`))
	f.Fuzz(func(t *testing.T, body []byte) {
		events, _, err := decodePage(body)
		if err != nil && events != nil {
			t.Fatalf("events with %v", err)
		}
		for _, ev := range events {
			if ev == nil || ev.WebhookEvent == nil {
				t.Fatal("an event is missing")
			}
			laneOf(ev)
		}
	})
}
