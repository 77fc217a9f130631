package egress

import (
	"context"
	"slices"

	"github.com/livekit/protocol/livekit"

	"github.com/rollcall-rtc/rollcall/event"
	"github.com/rollcall-rtc/rollcall/internal/egress/request"
	"github.com/rollcall-rtc/rollcall/internal/egress/wire"
)

// running returns a job that can be changed; mu must be held.
func (s *Service) running(id string) (*job, error) {
	j := s.jobs[id]
	switch {
	case j == nil:
		return nil, refuse(NotFound, "egress %.64q does not exist", id)
	case ended(j.info.Status) || j.info.Status == livekit.EgressStatus_EGRESS_ENDING:
		return nil, refuse(FailedPrecondition, "egress with status %s cannot be changed", j.info.Status)
	}
	return j, nil
}

// UpdateLayout has a job that has one take another layout.
//
// It fails with not_found for an unknown id, and with failed_precondition for a job
// without a layout, or one that has ended.
func (s *Service) UpdateLayout(ctx context.Context, req *livekit.UpdateLayoutRequest) (*livekit.EgressInfo, error) {
	info, layout, err := s.updateLayout(req)
	if err == nil && layout != nil {
		err = layout(ctx, info, req.Layout)
	}
	return info, err
}

// updateLayout tells the worker, and returns what else has to be done.
func (s *Service) updateLayout(req *livekit.UpdateLayoutRequest) (*livekit.EgressInfo, func(context.Context, *livekit.EgressInfo, string) error, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	j, err := s.running(req.EgressId)
	switch {
	case err != nil:
		return nil, nil, err
	case j.kind != wire.Encode && j.kind != wire.Browse:
		return nil, nil, refuse(FailedPrecondition, "egress %s has no layout", j.id)
	case req.Layout == "" || len(req.Layout) > request.MaxLayout:
		return nil, nil, refuse(InvalidArgument, "layout is required, of at most %d bytes", request.MaxLayout)
	}
	j.feed.tell(wire.ControlFrame, wire.Control{Layout: req.Layout})
	return j.info, s.opts.Workers[j.kind].Layout, nil
}

// UpdateStream has a job that streams begin and end destinations.
//
// It fails with invalid_argument for URLs that cannot be, with not_found for an
// unknown id or for a destination to end that is none, and with failed_precondition
// for a job that does not stream, or has ended. invalid_argument, too, are more
// destinations at a time than request.MaxStreams.
func (s *Service) UpdateStream(ctx context.Context, req *livekit.UpdateStreamRequest) (*livekit.EgressInfo, error) {
	c := wire.Control{Remove: req.RemoveOutputUrls}
	for _, u := range req.AddOutputUrls {
		c.Add = append(c.Add, wire.Destination{URL: u})
	}
	for _, d := range req.AddDestinations {
		c.Add = append(c.Add, wire.Destination{ID: d.Id, URL: d.Url})
	}
	if len(c.Add) > request.MaxStreams || len(c.Remove) > request.MaxStreams {
		return nil, refuse(InvalidArgument, "more than %d destinations", request.MaxStreams)
	}
	for _, d := range c.Add {
		if err := request.CheckStreamURL(d.URL, livekit.StreamProtocol_DEFAULT_PROTOCOL); err != nil {
			return nil, err
		}
	}
	if err := s.checkStreams(ctx, c.Add); err != nil {
		return nil, err
	}
	s.mu.Lock()
	j, err := s.running(req.EgressId)
	if err == nil && (len(j.info.StreamResults) == 0 || j.kind != wire.Encode && j.kind != wire.Browse) {
		err = refuse(FailedPrecondition, "egress %s does not stream", j.id)
	}
	for _, u := range req.RemoveOutputUrls {
		if err == nil && (len(u) > request.MaxURL || !streamsTo(j.info, u)) {
			err = refuse(NotFound, "egress %s does not stream to %.256s", j.id, request.RedactStreamURL(u))
		}
	}
	if err == nil {
		if live := streamsLeft(j.info, c.Remove) + len(c.Add); live > request.MaxStreams {
			err = refuse(InvalidArgument, "egress %s would have %d destinations at a time, and %d are the most", j.id, live, request.MaxStreams)
		}
	}
	if err != nil {
		s.mu.Unlock()
		return nil, err
	}
	j.feed.tell(wire.ControlFrame, c)
	j.change(func(info *livekit.EgressInfo) {
		for _, d := range c.Add {
			info.StreamResults = append(info.StreamResults, &livekit.StreamInfo{Id: d.ID, Url: request.RedactStreamURL(d.URL)})
		}
	})
	seq := j.tell(event.EgressUpdated)
	info := j.info
	s.mu.Unlock()
	return info, s.opts.Log.Sync(ctx, seq)
}

// streamsLeft is how many destinations have not ended and are none of those.
func streamsLeft(info *livekit.EgressInfo, but []string) (n int) {
	ends := make(map[string]int)
	for _, u := range but {
		ends[request.RedactStreamURL(u)]++
	}
	for _, s := range info.StreamResults {
		switch {
		case s.EndedAt != 0:
		case ends[s.Url] > 0:
			ends[s.Url]--
		default:
			n++
		}
	}
	return n
}

// streamsTo reports whether a destination of that URL has not ended.
func streamsTo(info *livekit.EgressInfo, url string) bool {
	redacted := request.RedactStreamURL(url)
	return slices.ContainsFunc(info.StreamResults, func(s *livekit.StreamInfo) bool { return s.Url == redacted && s.EndedAt == 0 })
}
