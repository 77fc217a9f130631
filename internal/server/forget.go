package server

import (
	"context"

	"github.com/rollcall-rtc/rollcall/internal/eventlog"
)

// Forget takes the personal data of a participant out of past events, of one room
// or of all, and out of what is kept of their deliveries. What fails half-way is
// done again as a whole: both parts can be repeated.
func (s *Server) Forget(ctx context.Context, identity, room string) (pseudonym string, events int, err error) {
	done, err := s.events.Forget(ctx, eventlog.Person{Identity: identity, Room: room})
	if err != nil {
		return done.Pseudonym, done.Events, err
	}
	if err := s.delivery.Forget(ctx, identity, done.Pseudonym); err != nil {
		return done.Pseudonym, done.Events, err
	}
	// Who it was is what nobody wants to read here.
	s.log.Info("a participant was taken out of past events", "pseudonym", done.Pseudonym, "room", room, "events", done.Events)
	return done.Pseudonym, done.Events, nil
}
