package room

import (
	"strings"
	"testing"

	"github.com/livekit/protocol/livekit"
)

func TestEnumsAreSpelledAsTheProtocolDoes(t *testing.T) {
	for n := range int32(100) { // most of which no client knows
		reason, sdk, level := livekit.DisconnectReason(n), livekit.ClientInfo_SDK(n), livekit.ConnectionQuality(n)
		for got, want := range map[string]string{
			wordOf(reason): strings.ToLower(reason.String()),
			nameOf(reason): reason.String(),
			spelled(livekit.ClientInfo_SDK_name, sdk):                 sdk.String(),
			spelled(qualityWords, level):                              strings.ToLower(level.String()),
			spelled(livekit.TrackSource_name, livekit.TrackSource(n)): livekit.TrackSource(n).String(),
		} {
			if got != want {
				t.Errorf("%d is spelled %q, want %q", n, got, want)
			}
		}
	}
}
