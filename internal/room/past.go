package room

import (
	"time"

	"github.com/livekit/protocol/livekit"

	"github.com/rollcall-rtc/rollcall/event"
)

// Past is what a session was like before this run of the server, as its events
// tell; the zero value is that of a session without a past.
type Past struct {
	totals  totals
	present map[string]time.Time // since when, by sid
	last    time.Time            // of the last event that was seen to happen
	met     bool                 // somebody came who keeps a room open
}

// Add takes in the next record of the session. It fails on a body that does not
// hold what the catalogue says.
func (p *Past) Add(r *event.Record) error {
	switch r.Name {
	case event.ParticipantConnecting:
		if p.met {
			break
		}
		w, err := r.Webhook()
		if err != nil {
			return err
		}
		p.met = !(&Join{Kind: w.Participant.GetKind(), Permission: permissionOf(w)}).dependent()
	case event.ParticipantJoined:
		if p.present == nil {
			p.present = make(map[string]time.Time)
		}
		p.present[r.ParticipantSID] = r.Time
		p.totals.count(r.Identity, len(p.present))
	case event.ParticipantLeft:
		if since, ok := p.present[r.ParticipantSID]; ok {
			end := r.Time
			if r.Synthesized {
				end = p.last // the rest of the time there was no server
			}
			p.totals.participants += max(end.Sub(since), 0)
			delete(p.present, r.ParticipantSID)
		}
	case event.ParticipantConnectionAborted:
		p.totals.aborted++
	case event.TrackPublished:
		p.totals.published++
	case event.ParticipantReconnecting:
		p.totals.resumes++
	case event.ParticipantSpoke:
		var speech event.Speech
		if err := r.Detail(&speech); err != nil {
			return err
		}
		p.totals.talk += milliseconds(speech.DurationMS)
	case event.ParticipantSummary:
		var s event.Summary
		if err := r.Detail(&s); err != nil {
			return err
		}
		quality := make(map[string]time.Duration, len(s.Quality))
		for level, ms := range s.Quality {
			quality[level] = milliseconds(ms)
		}
		p.totals.judged(quality)
		if s.FirstMediaMS >= 0 {
			p.totals.waited(milliseconds(s.FirstMediaMS))
		}
	}
	if !r.Synthesized {
		p.last = r.Time
	}
	return nil
}

func permissionOf(w *livekit.WebhookEvent) *livekit.ParticipantPermission {
	if p := w.GetParticipant().GetPermission(); p != nil {
		return p
	}
	return new(livekit.ParticipantPermission)
}

func milliseconds(n int64) time.Duration { return time.Duration(n) * time.Millisecond }
