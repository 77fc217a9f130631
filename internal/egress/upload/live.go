package upload

import (
	"bytes"
	"context"
	"log/slog"
	"time"

	"github.com/rollcall-rtc/rollcall/internal/egress/storage"
)

// live is a file that changes while the recording goes on, as a list of segments.
type live struct {
	File
	every   time.Duration // from one time to the next at least
	changed bool          // since it was sent
	sent    time.Time     // when it was last
}

// behind is how long a file that changes waits for others that are on their way.
const behind = 5 * time.Second

// Follow has a file sent that changes: each time that another file got through, or
// Touch says that it has changed, but no more often than that. What may be seen of it
// says Options.Content. At the end it is added as all others are.
func (s *Sender) Follow(f File, every time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.live = append(s.live, &live{File: f, every: every})
}

// Touch says that a file that is followed has changed.
func (s *Sender) Touch(path string) {
	s.changed(path)
	s.wake()
}

// changed notes that a file is to be sent again, "" for all.
func (s *Sender) changed(path string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, l := range s.live {
		l.changed = l.changed || path == "" || l.Path == path
	}
}

// dueLive is a file that is to be sent anew now, nil if there is none: first what has
// waited, then other files.
func (s *Sender) dueLive(p *Parcel, idle bool, now time.Time) *live {
	if !p.Ended.IsZero() {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, l := range s.live {
		waited := now.Sub(l.sent)
		if l.changed && !s.failing[l.To] && waited >= l.every && (idle || waited >= behind) {
			return l
		}
	}
	return nil
}

// sendLive sends what may be seen of a file.
func (s *Sender) sendLive(ctx context.Context, l *live, p Parcel) (err error) {
	s.mu.Lock()
	l.changed = false
	s.mu.Unlock()
	content, err := s.opts.Content(p, l.File)
	if err != nil || content == nil {
		return nil // it is not there yet
	}
	s.mu.Lock()
	l.sent = time.Now()
	s.mu.Unlock()
	defer func() {
		level := slog.LevelDebug
		if err != nil {
			level = slog.LevelWarn
			s.changed(l.Path)
		}
		s.opts.Logger.Log(context.WithoutCancel(ctx), level, "file of a recording sent as it is so far", "file", l.Path, "store", p.Targets[l.To], "error", err)
	}()
	ctx, cancel := context.WithTimeout(ctx, lastWord)
	defer cancel()
	select {
	case s.opts.Slots <- struct{}{}:
		defer func() { <-s.opts.Slots }()
	case <-ctx.Done():
		return ctx.Err()
	}
	store, err := s.store(&p, l.To, false)
	if err != nil {
		return err
	}
	target := p.Targets[l.To]
	err = store.Upload(ctx, storage.Object{
		Name: target.Name(l.Name), ContentType: l.ContentType, Size: int64(len(content)), Body: bytes.NewReader(content),
		Progress: s.progress, Save: func(string) {},
	})
	if err == nil {
		s.fails = 0
		s.opts.Shown(l.File, target.Location(l.Name))
	}
	return err
}
