package server

import (
	"context"
	"errors"
	"time"
)

// Drain goes on for a while for those who are there, before a Stop: the server says
// that it is not ready, and lets nobody in but who comes back to a session or a room. It
// returns after the configured delay, or with ctx, or as Wait does with the reason why
// it cannot go on.
func (s *Server) Drain(ctx context.Context) error {
	delay := s.cfg.Drain.Delay
	if delay <= 0 {
		return nil
	}
	s.log.Info("draining", "delay", delay, "participants", s.rooms.Stats().Participants)
	s.leaveOnce.Do(func() { close(s.leaving) })
	s.signal.Drain()
	s.ingress.Drain()
	s.whip.Drain()
	ctx, cancel := context.WithTimeout(ctx, delay)
	defer cancel()
	return s.Wait(ctx)
}

const (
	// recordingGrace is how long a stop lets recordings finish their files.
	recordingGrace = 5 * time.Second
	// requestGrace is how long it waits for requests to be answered, and for downloads.
	requestGrace = 2 * time.Second
)

// Stop ends the server in good order, within ctx. It may be called twice.
func (s *Server) Stop(ctx context.Context) error {
	s.stopOnce.Do(func() { s.stopErr = s.stop(ctx) })
	return s.stopErr
}

func (s *Server) stop(ctx context.Context) error {
	close(s.draining)
	var errs []error
	if s.egress != nil {
		// Before the rooms end, and with them what is recorded.
		ending, cancel := context.WithTimeout(ctx, recordingGrace)
		errs = append(errs, s.egress.Close(ending))
		cancel()
	}
	if s.ingress != nil {
		errs = append(errs, s.ingress.Close(ctx))
	}
	errs = append(errs, s.rtmp.stop(ctx))
	errs = append(errs, s.closeRooms(ctx))
	if s.agents != nil {
		errs = append(errs, s.agents.Close(ctx))
	}
	if s.events != nil {
		// Streams end with the last event and not before it.
		_ = s.events.Sync(ctx, s.events.Append())
	}
	close(s.settled)
	if s.signal != nil {
		errs = append(errs, s.signal.Close(ctx))
	}
	if s.whip != nil {
		errs = append(errs, s.whip.Close(ctx))
	}
	errs = append(errs, s.stopRequests(ctx))
	if s.acme != nil {
		errs = append(errs, s.acme.Close(ctx))
	}
	if s.watch != nil {
		s.watch.Close()
	}
	if s.media != nil {
		errs = append(errs, s.media.Close(ctx))
	}
	if s.relay != nil {
		errs = append(errs, s.relay.Close())
	}
	errs = append(errs, s.closeMuxes())
	if s.delivery != nil {
		s.drainDelivery(ctx)
		errs = append(errs, s.delivery.Close(ctx))
	}
	if s.events != nil {
		errs = append(errs, s.events.Close(ctx))
	}
	errs = append(errs, s.tracer.Close(ctx))
	// The last to go: a stop can be watched to its end.
	errs = append(errs, s.metrics.stop(ctx), s.admin.stop(ctx))
	return errors.Join(errs...)
}

// stopRequests ends the public ports, and whoever does not come to an end there: what
// follows, the last webhooks among it, must not wait for a download or half a request.
func (s *Server) stopRequests(ctx context.Context) error {
	answering, cancel := context.WithTimeout(ctx, requestGrace)
	defer cancel()
	err := errors.Join(s.http.stop(answering), s.redirect.stop(answering))
	if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
		s.log.Warn("requests that were not at their end have been cut off", "after", requestGrace)
		return nil
	}
	return err
}

// drainDelivery waits a moment for endpoints that are up to get the rest.
func (s *Server) drainDelivery(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, s.cfg.Drain.Webhooks)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		pending := uint64(0)
		for _, e := range s.delivery.Stats() {
			pending += e.Lag
		}
		if pending == 0 {
			return
		}
		select {
		case <-ctx.Done():
			s.log.Info("webhooks are still queued; they go out after the next start", "events", pending)
			return
		case <-tick.C:
		}
	}
}
