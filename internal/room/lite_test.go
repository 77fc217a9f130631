package room

import (
	"testing"

	"github.com/livekit/protocol/livekit"
)

func TestWhoGetsFreshSections(t *testing.T) {
	for sdk, want := range map[livekit.ClientInfo_SDK]bool{
		livekit.ClientInfo_GO: true, livekit.ClientInfo_JS: false, livekit.ClientInfo_RUST: false, livekit.ClientInfo_UNKNOWN: false,
	} {
		if got := (&Join{Client: &livekit.ClientInfo{Sdk: sdk}}).freshSections(); got != want {
			t.Errorf("%v: %v", sdk, got)
		}
	}
}

func TestWhoNeverAsksForKeyFrames(t *testing.T) {
	for name, tt := range map[string]struct {
		sdk    livekit.ClientInfo_SDK
		single bool
		want   bool
	}{
		"Go, one connection":      {livekit.ClientInfo_GO, true, true},
		"Go, two connections":     {livekit.ClientInfo_GO, false, false},
		"a browser":               {livekit.ClientInfo_JS, true, false},
		"Rust's core":             {livekit.ClientInfo_RUST, true, false},
		"a client without a name": {livekit.ClientInfo_UNKNOWN, true, false},
	} {
		if got := (&Join{SinglePC: tt.single, Client: &livekit.ClientInfo{Sdk: tt.sdk}}).neverAsks(); got != tt.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestWhoIsAnsweredWithFullICE(t *testing.T) {
	for name, tt := range map[string]struct {
		join *Join
		want bool
	}{
		"a browser of today": {&Join{Client: &livekit.ClientInfo{Protocol: 16, Browser: "Chrome"}}, false},
		"an SDK":             {&Join{Client: &livekit.ClientInfo{Protocol: 16}}, false},
		"who asks for it":    {&Join{Client: &livekit.ClientInfo{Protocol: 16}, FullICE: true}, true},
		"an old client":      {&Join{Client: &livekit.ClientInfo{Protocol: 5}}, true},
		"Firefox":            {&Join{Client: &livekit.ClientInfo{Protocol: 16, Browser: "Firefox"}}, true},
		"who says nothing":   {&Join{}, true},
	} {
		if got := tt.join.fullICE(); got != tt.want {
			t.Errorf("%s: full ICE %v, want %v", name, got, tt.want)
		}
	}
}
