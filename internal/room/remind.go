package room

import (
	"slices"
	"strings"
	"time"

	"github.com/livekit/protocol/livekit"

	"github.com/rollcall-rtc/rollcall/internal/sfu/peer"
)

// owed are the pauses until a client with one connection is reminded of a track that it
// has announced and not offered: of what it forgets (see turns) nothing else
// reminds it. A reminder that meets its offer would do harm, so the first one leaves
// time for that.
var owed = [...]time.Duration{time.Second, 2 * time.Second, 4 * time.Second}

// debt is the offer of one announced track.
type debt struct {
	reminders int
	due       time.Time // of the next one; zero: none is, for it was offered or given up
}

// expectOffer has the client reminded if it does not offer what it has announced.
func (p *participant) expectOffer(t *track) {
	if p.duplex == nil {
		return // we cannot ask for an offer
	}
	t.debt = debt{due: p.state.now.Add(owed[0])}
	p.state.wakeAt(t.debt.due)
}

// offered says that the client needs no reminder of what its offer has. Its media may
// take long yet: it waits for the connection, and for a match where it has another id.
func (p *participant) offered(sdp string) {
	if p.duplex == nil || len(p.pending) == 0 {
		return
	}
	for line := range strings.Lines(sdp) {
		ids, ok := strings.CutPrefix(strings.TrimSpace(line), "a=msid:")
		if !ok {
			continue
		}
		_, cid, _ := strings.Cut(ids, " ")
		for _, t := range p.pending {
			if slices.Contains(t.cids, strings.TrimSpace(cid)) {
				t.debt.due = time.Time{}
			}
		}
	}
}

// tickReminders reminds the client of what it owes. One offer brings all of it, so
// one reminder is for all, and what was announced a moment ago gets time once more.
func (p *participant) tickReminders() {
	now := p.state.now
	due := func(t *track) bool { return !t.debt.due.IsZero() && !now.Before(t.debt.due) }
	switch remind := slices.ContainsFunc(p.pending, func(t *track) bool { return due(t) && !p.mayBeThere(t) }); {
	case remind && p.duplex != nil && p.joined && p.sink != nil && p.leaving == 0 && p.primary() == peer.Connected:
		p.duplex.Remind()
		for _, t := range p.pending {
			d := &t.debt
			switch {
			case d.due.IsZero():
			case !due(t):
				d.due = now.Add(owed[0])
			default:
				if d.reminders++; d.reminders == len(owed) {
					d.due = time.Time{}
				} else {
					d.due = now.Add(owed[d.reminders])
				}
			}
		}
	default:
		for _, t := range p.pending {
			if due(t) {
				t.debt.due = now.Add(owed[t.debt.reminders])
			}
		}
	}
	for _, t := range p.pending {
		p.state.wakeAt(t.debt.due)
	}
}

// mayBeThere says that there is media for which t may be meant.
func (p *participant) mayBeThere(t *track) bool {
	return slices.ContainsFunc(p.unmatched, func(w waitingReceiver) bool {
		return (w.receiver.Kind() == "audio") == (t.info.Type == livekit.TrackType_AUDIO)
	})
}
