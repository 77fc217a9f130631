package delivery

import (
	"context"
	"errors"
	"time"
)

// Put creates or replaces an endpoint of the API.
func (e *Engine) Put(ctx context.Context, ep Endpoint) (Endpoint, error) {
	return ep, errors.ErrUnsupported
}

// PutScoped creates an endpoint that ends with its room or egress.
func (e *Engine) PutScoped(ctx context.Context, ep Endpoint) (Endpoint, error) {
	return ep, errors.ErrUnsupported
}

// Delete ends an endpoint and forgets what was queued for it.
func (e *Engine) Delete(ctx context.Context, id string) error { return errors.ErrUnsupported }

// Endpoint returns one endpoint, secrets and all.
func (e *Engine) Endpoint(id string) (Endpoint, error) { return Endpoint{}, errors.ErrUnsupported }

// Endpoints returns all endpoints, secrets and all, the config's first.
func (e *Engine) Endpoints() []Endpoint { return nil }

// Pause holds an endpoint's deliveries back.
func (e *Engine) Pause(ctx context.Context, id string) error { return errors.ErrUnsupported }

// Resume lets them go on, also after a 410.
func (e *Engine) Resume(ctx context.Context, id string) error { return errors.ErrUnsupported }

// RotateSecret gives an endpoint a new Standard Webhooks secret; the old one
// signs beside it for overlap.
func (e *Engine) RotateSecret(ctx context.Context, id string, overlap time.Duration) (Endpoint, error) {
	return Endpoint{}, errors.ErrUnsupported
}

// Test sends a signed sample and returns how that went.
func (e *Engine) Test(ctx context.Context, id string) (Attempt, error) {
	return Attempt{}, errors.ErrUnsupported
}

// Why explains what became of the event seq.
func (e *Engine) Why(ctx context.Context, seq uint64) (Explanation, error) {
	return Explanation{}, errors.ErrUnsupported
}

// Redeliver sends one event once more, at once and whatever the filter.
func (e *Engine) Redeliver(ctx context.Context, endpoint string, seq uint64) (Attempt, error) {
	return Attempt{}, errors.ErrUnsupported
}

// Attempts returns the kept attempts at an endpoint, the newest first.
func (e *Engine) Attempts(ctx context.Context, endpoint string, limit int) ([]Attempt, error) {
	return nil, errors.ErrUnsupported
}

// Recover starts to send a part of the log again and returns its id.
func (e *Engine) Recover(ctx context.Context, r RecoverRequest) (id string, err error) {
	return "", errors.ErrUnsupported
}

// Recovery returns how one is doing.
func (e *Engine) Recovery(id string) (Recovery, error) { return Recovery{}, errors.ErrUnsupported }

// Recoveries returns all that are kept, the newest first.
func (e *Engine) Recoveries() []Recovery { return nil }

// CancelRecovery ends one.
func (e *Engine) CancelRecovery(ctx context.Context, id string) error { return errors.ErrUnsupported }

// DeadLetters returns up to limit dead letters with a sequence number above after.
func (e *Engine) DeadLetters(ctx context.Context, endpoint string, after uint64, limit int) ([]DeadLetter, error) {
	return nil, errors.ErrUnsupported
}

// Redrive tries dead letters again at once; none means all.
func (e *Engine) Redrive(ctx context.Context, endpoint string, seqs ...uint64) (int, error) {
	return 0, errors.ErrUnsupported
}
