package room

import (
	"sync/atomic"
	"time"

	"github.com/livekit/protocol/livekit"

	"github.com/rollcall-rtc/rollcall/internal/histogram"
)

// Stats census what is there now, and what happened since the start.
type Stats struct {
	Rooms         int `json:"rooms"`
	Participants  int `json:"participants"` // joined
	AudioTracks   int `json:"audioTracks"`
	VideoTracks   int `json:"videoTracks"`
	Subscriptions int `json:"subscriptions"`

	RoomsOpened uint64 `json:"roomsOpened"` // those restored included
	// Accepted clients were let in, Joined ones had their transport come up; those
	// who were moved into a room are not among them.
	Accepted uint64 `json:"accepted"`
	Joined   uint64 `json:"joined"`
	// Left and Aborted, of those that never joined, are by reason.
	Left    map[string]uint64 `json:"left,omitempty"`
	Aborted map[string]uint64 `json:"aborted,omitempty"`

	// JoinTime is from being accepted to having joined, FirstMedia to the first
	// track, published or subscribed to.
	JoinTime   histogram.Snapshot `json:"-"`
	FirstMedia histogram.Snapshot `json:"-"`
}

// census is what the loops of all rooms add to. Its fields are atomic.
type census struct {
	participants, audio, video, subscriptions atomic.Int64
	opened, accepted, joined                  atomic.Uint64
	left, aborted                             [maxReason]atomic.Uint64
	joinTime, firstMedia                      *histogram.Histogram
}

// maxReason is above every reason that the protocol has.
const maxReason = 32

func newCensus() *census {
	ms := time.Millisecond
	bounds := []time.Duration{10 * ms, 25 * ms, 50 * ms, 100 * ms, 250 * ms, 500 * ms, 1000 * ms, 2500 * ms, 5000 * ms, 10000 * ms, 30000 * ms}
	return &census{joinTime: histogram.New(bounds...), firstMedia: histogram.New(bounds...)}
}

// track census one track more or, with -1, less.
func (c *census) track(t *track, n int64) {
	if t.info.Type == livekit.TrackType_AUDIO {
		c.audio.Add(n)
	} else {
		c.video.Add(n)
	}
}

// gone census the end of a session.
func (c *census) gone(joined bool, reason livekit.DisconnectReason) {
	if reason < 0 || reason >= maxReason {
		reason = livekit.DisconnectReason_UNKNOWN_REASON
	}
	if joined {
		c.participants.Add(-1)
		c.left[reason].Add(1)
	} else {
		c.aborted[reason].Add(1)
	}
}

// byReason names what was counted.
func byReason(all *[maxReason]atomic.Uint64) map[string]uint64 {
	named := make(map[string]uint64)
	for reason := range all {
		if n := all[reason].Load(); n > 0 {
			named[wordOf(livekit.DisconnectReason(reason))] = n
		}
	}
	return named
}

// Stats returns a snapshot.
func (g *Registry) Stats() Stats {
	g.mu.Lock()
	rooms := len(g.rooms)
	g.mu.Unlock()
	c := g.opts.census
	return Stats{
		Rooms:        rooms,
		Participants: int(c.participants.Load()),
		AudioTracks:  int(c.audio.Load()), VideoTracks: int(c.video.Load()),
		Subscriptions: int(c.subscriptions.Load()),
		RoomsOpened:   c.opened.Load(), Accepted: c.accepted.Load(), Joined: c.joined.Load(),
		Left: byReason(&c.left), Aborted: byReason(&c.aborted),
		JoinTime: c.joinTime.Snapshot(), FirstMedia: c.firstMedia.Snapshot(),
	}
}
