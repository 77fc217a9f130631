package ingress

import (
	"sync/atomic"
	"time"

	"github.com/livekit/protocol/livekit"

	"github.com/rollcall-rtc/rollcall/internal/histogram"
)

// inputs are the ways in which sources come, as metrics name them.
var inputs = [...]string{
	livekit.IngressInput_RTMP_INPUT: "rtmp", livekit.IngressInput_WHIP_INPUT: "whip", livekit.IngressInput_URL_INPUT: "url",
}

// Outcome is what became of a session.
type Outcome string

// How sessions end.
const (
	OutcomeClosed   Outcome = "closed"   // the source ended in good order
	OutcomeComplete Outcome = "complete" // all of what a URL has was there
	OutcomeFailed   Outcome = "failed"
)

var outcomes = [...]Outcome{OutcomeClosed, OutcomeComplete, OutcomeFailed}

// DropReason is why a frame of a source does not reach a room.
type DropReason string

// Why frames are left out.
const (
	DropMalformed  DropReason = "malformed"   // it cannot be read
	DropNoKeyframe DropReason = "no_keyframe" // nothing that can be decoded came before it
	DropCatchUp    DropReason = "catch_up"    // a live source was behind, and is live again
	DropLateStart  DropReason = "late_start"  // sound that came while what encodes it began
)

var dropReasons = [...]DropReason{DropMalformed, DropNoKeyframe, DropCatchUp, DropLateStart}

// Stats is a snapshot of what a Service has counted.
type Stats struct {
	Inputs []InputStats // by livekit.IngressInput
	// Dropped are frames that were left out, by reason.
	Dropped map[DropReason]uint64
	// FirstFrame is how long it took from being let in to the first media.
	FirstFrame histogram.Snapshot
}

// InputStats are those of sources that come in one way.
type InputStats struct {
	Input                 string
	Endpoints             int // that are there
	Buffering, Publishing int // sessions, now
	Begun                 uint64
	Ended                 map[Outcome]uint64
	// AudioBytes and VideoBytes are media as it came from sources.
	AudioBytes, VideoBytes uint64
}

// tally is what a Service counts.
type tally struct {
	begun   [len(inputs)]atomic.Uint64
	ended   [len(inputs)][len(outcomes)]atomic.Uint64
	audio   [len(inputs)]atomic.Uint64
	video   [len(inputs)]atomic.Uint64
	dropped [len(dropReasons)]atomic.Uint64
	first   *histogram.Histogram
}

func newTally() *tally {
	const ms = time.Millisecond
	return &tally{first: histogram.New(100*ms, 200*ms, 300*ms, 500*ms, 700*ms, 1000*ms, 2000*ms, 5000*ms, 10_000*ms)}
}

// end counts a session that ended so.
func (t *tally) end(input livekit.IngressInput, status livekit.IngressState_Status) {
	at := 2
	switch status {
	case livekit.IngressState_ENDPOINT_INACTIVE:
		at = 0
	case livekit.IngressState_ENDPOINT_COMPLETE:
		at = 1
	}
	t.ended[input][at].Add(1)
}

// Received counts bytes of media that came from the source, for an input that does
// not Observe.
func (x *Session) Received(video bool, bytes int) {
	if video {
		x.s.tally.video[x.info.InputType].Add(uint64(bytes))
	} else {
		x.s.tally.audio[x.info.InputType].Add(uint64(bytes))
	}
}

// Dropped counts frames that are left out.
func (x *Session) Dropped(why DropReason, frames int) {
	for i, reason := range dropReasons {
		if reason == why {
			x.s.tally.dropped[i].Add(uint64(frames))
		}
	}
}

// Stats returns what was counted.
func (s *Service) Stats() Stats {
	t := s.tally
	stats := Stats{Inputs: make([]InputStats, len(inputs)), Dropped: make(map[DropReason]uint64), FirstFrame: t.first.Snapshot()}
	for i := range stats.Inputs {
		in := &stats.Inputs[i]
		in.Input, in.Begun, in.Ended = inputs[i], t.begun[i].Load(), make(map[Outcome]uint64)
		in.AudioBytes, in.VideoBytes = t.audio[i].Load(), t.video[i].Load()
		for n, outcome := range outcomes {
			in.Ended[outcome] = t.ended[i][n].Load()
		}
	}
	for i, reason := range dropReasons {
		stats.Dropped[reason] = t.dropped[i].Load()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range s.endpoints {
		in := &stats.Inputs[e.info.InputType]
		in.Endpoints++
		switch {
		case e.session == nil:
		case e.info.State.Status == livekit.IngressState_ENDPOINT_PUBLISHING:
			in.Publishing++
		default:
			in.Buffering++
		}
	}
	return stats
}
