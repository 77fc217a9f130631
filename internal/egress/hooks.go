package egress

import (
	"context"
	"errors"

	"github.com/livekit/protocol/livekit"

	"github.com/rollcall-rtc/rollcall/internal/delivery"
)

// openHooks makes the webhooks that the request of a job asks for. The job is kept
// before they are: of a start that is cut short here, the next one knows whose they are.
func (s *Service) openHooks(ctx context.Context, j *job, key string, hooks []*livekit.WebhookConfig) error {
	if len(hooks) == 0 {
		return nil
	}
	s.mu.Lock()
	j.after, j.begun = s.opts.Log.Last(), true
	j.keep(false)
	s.mu.Unlock()
	_, err := s.opts.Hooks.PutEgress(ctx, j.id, key, hooks)
	if err == nil {
		return nil
	}
	s.opts.Log.SaveCursors(nil, []string{jobKey(j.id)})
	if problem, ok := errors.AsType[*delivery.EndpointError](err); ok {
		return refuse(InvalidArgument, "webhooks: %s %s", problem.Field, problem.Problem)
	}
	return err
}

// dropHooks removes a job that nobody was told of, its webhooks first.
func (s *Service) dropHooks(ctx context.Context, id string) error {
	if err := s.opts.Hooks.DropEgress(ctx, id); err != nil {
		return err
	}
	s.opts.Log.SaveCursors(nil, []string{jobKey(id)})
	return nil
}
