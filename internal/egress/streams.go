package egress

import (
	"time"

	"github.com/livekit/protocol/livekit"

	"github.com/rollcall-rtc/rollcall/event"
	"github.com/rollcall-rtc/rollcall/internal/egress/request"
	"github.com/rollcall-rtc/rollcall/internal/egress/wire"
)

// tellRetry is how often it is told that a destination is tried again.
const tellRetry = time.Minute

// heardStream takes what the worker says of a destination.
func (j *job) heardStream(r wire.Report) {
	j.s.mu.Lock()
	defer j.s.mu.Unlock()
	now, tell := time.Now(), false
	j.change(func(info *livekit.EgressInfo) {
		if s := streamOf(info, r); s != nil {
			tell = changeStream(s, r, now)
		}
	})
	if tell && !ended(j.info.Status) {
		j.tell(event.EgressUpdated)
	}
}

// streamOf finds the destination that a report is of: one that has not ended before
// one that has.
func streamOf(info *livekit.EgressInfo, r wire.Report) (found *livekit.StreamInfo) {
	url := request.RedactStreamURL(r.URL)
	for _, s := range info.StreamResults {
		if s.Id == r.ID && s.Url == url && (found == nil || found.EndedAt != 0) {
			found = s
		}
	}
	return found
}

// changeStream notes what is said, and says whether others are to be told.
func changeStream(s *livekit.StreamInfo, r wire.Report, now time.Time) (tell bool) {
	switch r.State {
	case "active":
		s.Status, s.Error = livekit.StreamInfo_ACTIVE, ""
		if s.StartedAt == 0 {
			s.StartedAt = now.UnixNano()
		}
		return true
	case "retrying":
		s.Retries++
		s.Error = r.Error
		last := time.Unix(0, s.LastRetryAt)
		if now.Sub(last) < tellRetry {
			return false
		}
		s.LastRetryAt = now.UnixNano()
		return true
	case "finished", "failed":
		s.Status, s.Error, s.EndedAt = livekit.StreamInfo_FINISHED, r.Error, now.UnixNano()
		if r.State == "failed" {
			s.Status = livekit.StreamInfo_FAILED
		}
		if s.StartedAt != 0 {
			s.Duration = s.EndedAt - s.StartedAt
		}
		return true
	}
	return false
}
