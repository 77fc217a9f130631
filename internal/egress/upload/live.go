package upload

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"time"

	"github.com/rollcall-rtc/rollcall/internal/egress/storage"
)

// live is a file that changes while the recording goes on, as a list of segments.
type live struct {
	File
	every time.Duration // from one time to the next at least

	// Sender.mu guards these.
	changed bool      // since it was sent
	taken   bool      // the store has it, as it was
	stopped bool      // its store refused one: only the end counts
	sent    time.Time // when it was tried last
	fails   int       // tries in a row
	again   time.Time // when the next is, after a failure
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

// dueLive is a file that is to be sent anew now, nil if there is none, and when there is
// one if nothing else happens, zero for never: first what has waited, then other files.
// What the store did not take comes after all others.
func (s *Sender) dueLive(p *Parcel, idle bool, now time.Time) (due *live, when time.Time) {
	if !p.Ended.IsZero() {
		return nil, when
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, l := range s.live {
		if !l.changed || l.stopped || s.failing[l.To] {
			continue
		}
		at := latest(l.sent.Add(l.every), l.again)
		if !idle && l.fails > 0 {
			continue
		} else if !idle {
			at = latest(at, l.sent.Add(behind))
		}
		if !now.Before(at) {
			return l, when
		}
		if when.IsZero() || at.Before(when) {
			when = at
		}
	}
	return nil, when
}

// sendLive sends what may be seen of a file. That the store does not take it is no
// reason to send nothing else there.
func (s *Sender) sendLive(ctx context.Context, l *live) {
	stop := ctx
	ctx, over, err := s.begin(ctx, lastWord)
	if err != nil {
		return // others had the slots until the end
	}
	defer over()
	p := s.Parcel()
	if !p.Ended.IsZero() {
		return
	}
	s.mu.Lock()
	l.changed = false
	s.mu.Unlock()
	content, err := s.opts.Content(p, l.File)
	if err != nil || content == nil {
		return // it is not there yet
	}
	s.mu.Lock()
	l.sent = time.Now()
	s.mu.Unlock()
	if err = s.replaceable(ctx, &p, l.To); err == nil {
		err = s.put(ctx, &p, l.File, bytes.NewReader(content), int64(len(content)))
	}
	if stop.Err() != nil {
		return
	}
	if errors.Is(err, context.Canceled) {
		err = errStalled
	}
	refused := errors.Is(err, storage.ErrRefused)
	s.mu.Lock()
	if err == nil {
		l.taken, l.fails = true, 0
	} else {
		l.changed, l.again = true, time.Now().Add(pause(l.fails))
		l.fails++
	}
	for _, other := range s.live {
		other.stopped = other.stopped || refused && other.To == l.To
	}
	s.mu.Unlock()
	logger := s.opts.Logger.With("file", l.Path, "store", p.Targets[l.To])
	switch {
	case err == nil:
		logger.Debug("file of a recording sent as it is so far")
		s.opts.Shown(l.File, p.Targets[l.To].Location(l.Name))
	case refused:
		logger.Warn("store lets no name be written anew: lists of a recording are sent at the end only", "error", err)
	default:
		logger.Warn("file of a recording not sent as it is so far", "error", err)
	}
}

// replaceable is nil if a target lets a name be written anew. That is tried with a file
// that it has, before the first list goes there: of a store that takes each name once
// the list would stay as it was then. Without a file, the list finds out.
func (s *Sender) replaceable(ctx context.Context, p *Parcel, to int) error {
	if s.anew[to] {
		return nil
	}
	for i := range p.Files {
		f := &p.Files[i]
		if f.Where != InStore || f.To != to {
			continue
		}
		file, err := os.Open(f.Path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		} else if err != nil {
			return err
		}
		defer file.Close()
		stat, err := file.Stat()
		if err != nil {
			return err
		}
		if err := s.put(ctx, p, *f, file, stat.Size()); err != nil {
			return err
		}
		s.anew[to] = true
		return nil
	}
	return nil
}

// put sends something under the name of a file, in one go.
func (s *Sender) put(ctx context.Context, p *Parcel, f File, content io.ReaderAt, size int64) error {
	store, err := s.store(p, f.To, false)
	if err != nil {
		return err
	}
	return store.Upload(ctx, storage.Object{
		Name: p.Targets[f.To].Name(f.Name), ContentType: f.ContentType, Size: size, Body: &body{content, s},
		Anew: true, Progress: s.progress, Save: func(string) {},
	})
}
