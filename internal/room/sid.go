package room

import (
	"crypto/rand"

	"github.com/livekit/protocol/livekit"
)

// The prefixes tell SDKs what a sid names; the Rust core refuses others.
const (
	roomPrefix        = "RM_"
	participantPrefix = "PA_"
	trackPrefix       = "TR_"
)

// newSID returns prefix and 60 random bits.
func newSID(prefix string) string {
	return prefix + rand.Text()[:12]
}

// newTrackSID returns a track sid that shows kind and source to the human eye.
func newTrackSID(kind livekit.TrackType, source livekit.TrackSource) string {
	letters := "AM"
	switch {
	case source == livekit.TrackSource_SCREEN_SHARE:
		letters = "VS"
	case source == livekit.TrackSource_SCREEN_SHARE_AUDIO:
		letters = "As"
	case kind == livekit.TrackType_VIDEO:
		letters = "VC"
	}
	return newSID(trackPrefix + letters)
}
