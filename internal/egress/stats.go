package egress

import (
	"maps"
	"time"

	"github.com/livekit/protocol/livekit"

	"github.com/rollcall-rtc/rollcall/internal/egress/wire"
)

// Stats are what there was of recordings since the server started.
type Stats struct {
	Running int
	Ended   map[livekit.EgressStatus]uint64
	// Missing is how much of what was published is in no recording, Dropped how many pictures
	// the machine was too slow to encode: of those that ended.
	Missing time.Duration
	Dropped uint64
}

// Stats counts.
func (s *Service) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := s.ended
	all.Ended = maps.Clone(s.ended.Ended)
	for _, j := range s.jobs {
		if j.runs() {
			all.Running++
		}
	}
	return all
}

// count notes the end of a recording; Service.mu must be held.
func (s *Service) count(status livekit.EgressStatus, l wire.Lacks) {
	if s.ended.Ended == nil {
		s.ended.Ended = make(map[livekit.EgressStatus]uint64)
	}
	s.ended.Ended[status]++
	s.ended.Missing += l.Missing
	s.ended.Dropped += uint64(max(l.Dropped, 0))
}
