package room

import (
	"github.com/livekit/protocol/livekit"

	"github.com/rollcall-rtc/rollcall/internal/sfu/uptrack"
)

// Published is a track that a participant publishes, and its packets.
type Published struct {
	Info *livekit.TrackInfo // immutable
	Up   *uptrack.UpTrack
}

// Published returns what the participant publishes now; nothing once it is gone.
func (h *Participant) Published() (all []Published) {
	h.berth.do(func(_ *state, p *participant) {
		for _, t := range p.tracks {
			all = append(all, Published{t.info, t.receiver.UpTrack()})
		}
	})
	return all
}

// Room returns the sid and the name of the room in which the participant is.
func (h *Participant) Room() (sid, name string) {
	r, _ := h.berth.where()
	return r.sid, r.name
}

// Leave ends the session as its client's goodbye does, and returns when it is over.
func (h *Participant) Leave() {
	h.berth.do(func(s *state, p *participant) { s.remove(p, livekit.DisconnectReason_CLIENT_INITIATED) })
}
