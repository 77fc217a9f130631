package room

import (
	"slices"
	"time"

	"github.com/livekit/protocol/livekit"

	"github.com/rollcall-rtc/rollcall/internal/sfu/peer"
)

// recentData are the reliable messages of a room's last moments, for clients
// that resume and say what they got: a message that was on its way when a
// connection broke is sent again, and who has it already knows it by its number.
type recentData struct {
	sent  []sentData // oldest first
	bytes int
}

// sentData is one reliable message of a client that numbers its messages.
type sentData struct {
	at      time.Time
	sender  string // sid
	seq     uint32
	payload []byte   // immutable
	to      []string // sids; nil: everybody
}

const (
	// recentKept is longer than a participant whose transport is down stays.
	recentKept  = 30 * time.Second
	maxRecent   = 4096    // messages of a room
	maxRecentSz = 1 << 20 // bytes of them
)

// add remembers a message and forgets what is too old or too much.
func (r *recentData) add(m sentData) {
	r.sent = append(r.sent, m)
	r.bytes += len(m.payload)
	r.trim(m.at)
}

// trim forgets what is too old or too much, and returns when there will be more
// of it; zero when nothing is left.
func (r *recentData) trim(now time.Time) (next time.Time) {
	n := 0
	for n < len(r.sent) && (r.bytes > maxRecentSz || len(r.sent)-n > maxRecent || now.Sub(r.sent[n].at) >= recentKept) {
		r.bytes -= len(r.sent[n].payload)
		n++
	}
	clear(r.sent[:n])
	if r.sent = r.sent[n:]; len(r.sent) == 0 {
		r.sent = nil
		return time.Time{}
	}
	return r.sent[0].at.Add(recentKept)
}

// replay sends p again what it missed, as far as it says of whom it has what.
func (p *participant) replay(states []*livekit.DataChannelReceiveState) {
	if len(states) == 0 || !p.joined {
		return
	}
	last := make(map[string]uint32, len(states))
	for _, st := range states {
		last[st.GetPublisherSid()] = st.GetLastSeq()
	}
	batch, send := peer.Together()
	defer send()
	for _, m := range p.state.recent.sent {
		seq, known := last[m.sender]
		if !known || m.seq <= seq || m.sender == p.sid || m.at.Before(p.session.joinedAt) {
			continue
		}
		if m.to == nil || slices.Contains(m.to, p.sid) {
			p.sendData(peer.Reliable, m.payload, batch)
		}
	}
}
