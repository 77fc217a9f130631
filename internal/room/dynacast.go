package room

import (
	"strings"
	"time"

	"github.com/livekit/protocol/livekit"

	"github.com/rollcall-rtc/rollcall/internal/sfu/uptrack"
)

// demandPause is how long a layer must be unwanted before its publisher is told:
// who scrolls past a picture and back should not cost a key frame each time.
const demandPause = 5 * time.Second

// nothing is the layer that nobody wants.
const nothing = -1

// demand is what a video track's subscribers wish to see of it. What their
// connections carry does not count: a layer that is not sent cannot be tried.
type demand struct {
	wishes [uptrack.MaxLayers]int // subscriptions by their highest layer
	told   int                    // the highest layer that the publisher sends, as it was told
	begun  bool                   // it was told anything
	due    time.Time              // when it is told of less; zero: nothing to tell
	// elsewhere is what rooms want to which the track is forwarded.
	elsewhere map[*forwarding]wish
}

// top is the highest layer that anybody wants.
func (d *demand) top() int {
	top := nothing
	for _, wished := range d.elsewhere {
		top = max(top, wished.layer)
	}
	for l := len(d.wishes) - 1; l > top; l-- {
		if d.wishes[l] > 0 {
			return l
		}
	}
	return top
}

// topLayer is the highest layer that t was announced with: one of several
// streams, or one of several inside a stream.
func (t *track) topLayer() int {
	layers := len(t.receiver.Simulcast())
	inside := strings.EqualFold(t.info.MimeType, "video/VP9") || strings.EqualFold(t.info.MimeType, "video/AV1")
	if layers <= 1 && len(t.info.Codecs) > 0 && inside {
		layers = len(t.info.Codecs[0].Layers)
	}
	return min(max(layers-1, 0), uptrack.MaxLayers-1)
}

// wished is the highest layer that sub's subscriber wants to see.
func (sub *subscription) wished() int {
	down := sub.sender.DownTrack()
	if down.Paused() {
		return nothing
	}
	return min(down.MaxLayer(), sub.track.topLayer())
}

// demands counts what sub asks for in place of what it asked for before, which
// is nothing at first, and has the publisher told.
func (sub *subscription) demands(layer int) {
	t := sub.track
	if t.info.Type != livekit.TrackType_VIDEO || layer == sub.demanded {
		return
	}
	if sub.demanded != nothing {
		t.demand.wishes[sub.demanded]--
	}
	if layer != nothing {
		t.demand.wishes[layer]++
	}
	sub.demanded = layer
	t.owner.state.demandChanged(t)
}

// demandChanged tells t's publisher of more at once, and of less after a while.
func (s *state) demandChanged(t *track) {
	d, top := &t.demand, t.demand.top()
	switch {
	case top > d.told:
		t.tellDemand(top)
	case top == d.told:
		d.due = time.Time{}
	case d.due.IsZero():
		d.due = s.now.Add(demandPause)
		s.wakeAt(d.due)
	}
}

// tickDemand tells publishers what has not been wanted for a while.
func (s *state) tickDemand() {
	for _, t := range s.tracks {
		if due := t.demand.due; !due.IsZero() {
			if s.now.Before(due) {
				s.wakeAt(due)
			} else {
				t.tellDemand(t.demand.top())
			}
		}
	}
}

// tellDemand has the publisher send layers up to top and no others.
func (t *track) tellDemand(top int) {
	t.demand.told, t.demand.begun, t.demand.due = top, true, time.Time{}
	if t.owner.forwarding != nil {
		t.tellOriginal()
		return
	}
	var qualities []*livekit.SubscribedQuality
	for q := livekit.VideoQuality_LOW; q <= livekit.VideoQuality_HIGH; q++ {
		// Where there are fewer layers than qualities the best one is each above.
		enabled := int(q) <= top || top == t.topLayer()
		qualities = append(qualities, &livekit.SubscribedQuality{Quality: q, Enabled: enabled})
	}
	t.owner.reply(&livekit.SignalResponse{Message: &livekit.SignalResponse_SubscribedQualityUpdate{
		SubscribedQualityUpdate: &livekit.SubscribedQualityUpdate{
			TrackSid:            t.info.Sid,
			SubscribedQualities: qualities, //nolint:staticcheck // older clients read it
			SubscribedCodecs:    t.codecDemands(qualities),
		},
	}})
}

// tellOriginal has the original's room know what this one wants of a double's track.
func (t *track) tellOriginal() {
	f, wished := t.owner.forwarding, wish{layer: t.demand.told, second: t.backup.wanted, recorded: t.recordedFirst()}
	f.tell(func() {
		if f.wishes == nil {
			f.wishes = make(map[string]wish)
		}
		f.wishes[t.original] = wished
	})
}
