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
