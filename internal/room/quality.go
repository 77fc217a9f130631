package room

import (
	"time"

	"github.com/livekit/protocol/livekit"

	"github.com/rollcall-rtc/rollcall/internal/sfu/peer"
	"github.com/rollcall-rtc/rollcall/internal/sfu/quality"
	"github.com/rollcall-rtc/rollcall/internal/sfu/uptrack"
)

// qualityInterval is how often connections are judged while somebody is there.
const qualityInterval = 5 * time.Second

// connectionQuality is how a participant's connection was judged last, both
// ways together: the worst of what it sends and what it receives.
type connectionQuality struct {
	level livekit.ConnectionQuality
	score float32
}

// counts is how many packets of a track were sent until now, and how many of them
// the link lost. Those that came in the end because they were asked for count as
// lost: they came late, and what subscribers report of their way counts so too.
type counts struct{ expected, lost int64 }

func (c *counts) add(layer uptrack.LayerStats) {
	c.expected += int64(layer.Packets) + layer.Lost
	c.lost += layer.Lost + int64(layer.Recovered)
}

// loss returns the share that the link lost since before.
func (c counts) loss(before counts) float64 {
	expected, lost := c.expected-before.expected, c.lost-before.lost
	if expected <= 0 || lost <= 0 {
		return 0
	}
	return min(1, float64(lost)/float64(expected))
}

// tickQuality judges every connection when it is time and tells clients what
// changed: their own, and those of participants whose tracks they have.
func (s *state) tickQuality() {
	if s.qualityDue.IsZero() {
		return
	}
	if s.now.Before(s.qualityDue) {
		s.wakeAt(s.qualityDue)
		return
	}
	s.qualityDue = time.Time{}
	for _, p := range s.participants {
		if p.joined {
			p.judged(p.judge())
			s.qualityDue = s.now.Add(qualityInterval)
		}
	}
	s.wakeAt(s.qualityDue)
	for _, listener := range s.participants {
		listener.tellQuality()
	}
}

// tellQuality sends p the qualities that it does not know yet.
func (p *participant) tellQuality() {
	if !p.joined || p.sink == nil {
		return
	}
	told := make(map[string]livekit.ConnectionQuality, len(p.toldQuality))
	var updates []*livekit.ConnectionQualityInfo
	consider := func(other *participant) {
		if _, done := told[other.sid]; done || !other.joined {
			return
		}
		level := other.quality.level
		told[other.sid] = level
		if before, known := p.toldQuality[other.sid]; known && before == level {
			return
		}
		if level == livekit.ConnectionQuality_LOST && p.req.Client.GetProtocol() <= 10 {
			level = livekit.ConnectionQuality_POOR
		}
		updates = append(updates, &livekit.ConnectionQualityInfo{ParticipantSid: other.sid, Quality: level, Score: other.quality.score})
	}
	consider(p)
	for _, sub := range p.subscriptions { // not everybody: that would be the square of a crowd
		consider(sub.track.owner)
	}
	p.toldQuality = told
	if len(updates) > 0 {
		p.reply(&livekit.SignalResponse{Message: &livekit.SignalResponse_ConnectionQuality{
			ConnectionQuality: &livekit.ConnectionQualityUpdate{Updates: updates},
		}})
	}
}

// judge scores p's connection over the time since it was last asked.
func (p *participant) judge() connectionQuality {
	if p.primary() != peer.Connected {
		return connectionQuality{level: livekit.ConnectionQuality_LOST}
	}
	worst := quality.Best
	seen := make(map[string]counts, len(p.tracks))
	for _, t := range p.tracks {
		var now counts
		w := quality.Window{}
		for _, layer := range t.receiver.UpTrack().Stats().Layers {
			now.add(layer)
			w.RTT, w.Jitter = max(w.RTT, layer.RTT), max(w.Jitter, layer.Jitter)
		}
		seen[t.info.Sid] = now
		before, known := p.seen[t.info.Sid]
		if known && !t.info.Muted && now.expected > before.expected {
			w.Loss = now.loss(before)
			worst = min(worst, quality.Score(w))
		}
	}
	p.seen = seen
	for _, sub := range p.subscriptions {
		stats := sub.sender.DownTrack().Stats()
		sent := stats.Packets > sub.sent
		sub.sent = stats.Packets
		switch {
		case sub.track.info.Muted:
		case stats.Starved:
			worst = min(worst, quality.Score(quality.Window{Paused: true}))
		case sent:
			worst = min(worst, quality.Score(quality.Window{
				Loss: stats.FractionLost, RTT: stats.RTT, Jitter: stats.Jitter, Missed: stats.Missed,
			}))
		}
	}
	level := livekit.ConnectionQuality_POOR
	switch quality.LevelOf(worst) {
	case quality.Excellent:
		level = livekit.ConnectionQuality_EXCELLENT
	case quality.Good:
		level = livekit.ConnectionQuality_GOOD
	}
	return connectionQuality{level, float32(worst)}
}
