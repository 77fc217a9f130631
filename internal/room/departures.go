package room

import (
	"time"

	"github.com/livekit/protocol/livekit"
)

// departures are those who left lately, for who resumes: its client goes on showing
// whom it is not told of.
type departures struct {
	kept []departure // oldest first
	// forgotten is when the last one left that is not kept any more; zero: all are kept.
	forgotten time.Time
}

// departure is a participant that left, or was hidden.
type departure struct {
	info  *livekit.ParticipantInfo
	at    time.Time
	voice time.Time // when it was heard last; zero: never
}

const (
	departureKept = 2 * time.Minute // longer than most SDKs try to resume
	maxDepartures = 5000
)

// add remembers a departure without what may be long: clients only need to know whose
// it is.
func (d *departures) add(gone *livekit.ParticipantInfo, voice, now time.Time) {
	n := 0
	for n < len(d.kept) && (len(d.kept)-n >= maxDepartures || now.Sub(d.kept[n].at) >= departureKept) {
		d.forgotten = d.kept[n].at
		n++
	}
	clear(d.kept[:n])
	d.kept = append(d.kept[n:], departure{&livekit.ParticipantInfo{
		Sid: gone.Sid, Identity: gone.Identity, Name: gone.Name, State: gone.State, Version: gone.Version,
		JoinedAt: gone.JoinedAt, JoinedAtMs: gone.JoinedAtMs, Permission: gone.Permission, Kind: gone.Kind,
		DisconnectReason: gone.DisconnectReason,
	}, now, voice})
}

// knows says whether everybody is kept who left after t.
func (d *departures) knows(t time.Time) bool { return !d.forgotten.After(t) }

// departedSince returns who left after t, or was hidden, and is not seen again.
func (s *state) departedSince(t time.Time) []*livekit.ParticipantInfo {
	var infos []*livekit.ParticipantInfo
	for _, d := range s.departures.kept {
		if p := s.participants[d.info.Identity]; d.at.After(t) && (p == nil || !p.visible()) {
			infos = append(infos, d.info)
		}
	}
	return infos
}
