package eventlog

import (
	"context"
	"fmt"
	"strings"

	"github.com/rollcall-rtc/rollcall/event"
)

// SaveCursors sets and deletes cursors: small values of the log's readers. It
// does not wait: they are written with the next group of events, or after
// Options.CursorDelay, or by Close. A crash can lose the last ones; a reader
// then sees events again.
func (l *Log) SaveCursors(puts map[string][]byte, deletes []string) {
	_ = l.save(puts, deletes, nil)
}

// save is SaveCursors, with records to rewrite in the same commit. It returns why
// nothing is taken.
func (l *Log) save(puts map[string][]byte, deletes []string, rewrites []event.Record) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.err != nil:
		return l.err
	case l.closing:
		return ErrClosed
	case len(puts)+len(deletes) == 0:
		return nil
	}
	l.rewrites = append(l.rewrites, rewrites...)
	l.cursorSaved++
	if l.cursors == nil {
		l.cursors = make(map[string][]byte, len(puts)+len(deletes))
		l.cursorTimer.Reset(l.cursorDelay)
	}
	for k, v := range puts {
		l.cursors[k] = append([]byte{}, v...) // never nil, which deletes
	}
	for _, k := range deletes {
		l.cursors[k] = nil
	}
	return nil
}

// FlushCursors returns when everything that was saved before is durable.
func (l *Log) FlushCursors(ctx context.Context) error {
	l.mu.Lock()
	want := l.cursorSaved
	if l.cursors != nil {
		l.cursorsDue = true
		l.signal()
	}
	for {
		stored, err, flushed := l.cursorStored, l.err, l.flushed
		l.mu.Unlock()
		switch {
		case stored >= want:
			return nil
		case err != nil:
			return fmt.Errorf("flush cursors: %w", err)
		}
		select {
		case <-flushed:
		case <-ctx.Done():
			return fmt.Errorf("flush cursors: %w", ctx.Err())
		}
		l.mu.Lock()
	}
}

// KeepFullTracks says whether track events are frozen from now on with the whole
// room and participant too, which costs as much again as their bodies.
func (l *Log) KeepFullTracks(keep bool) { l.fullTracks.Store(keep) }

// LoadCursors returns the cursors whose keys begin with prefix, as last saved.
func (l *Log) LoadCursors(prefix string) (map[string][]byte, error) {
	l.reading.RLock()
	defer l.reading.RUnlock()
	waiting, err := l.waiting()
	if err != nil {
		return nil, err
	}
	values, err := l.store.Values(prefix, "", 0)
	if err != nil {
		return nil, fmt.Errorf("load cursors %q: %w", prefix, err)
	}
	cursors := make(map[string][]byte, len(values))
	for _, v := range values {
		if strings.HasPrefix(v.Key, reserved) && !strings.HasPrefix(prefix, reserved) {
			continue
		}
		cursors[v.Key] = v.Value
	}
	for k, v := range waiting {
		switch {
		case !strings.HasPrefix(k, prefix):
		case v == nil:
			delete(cursors, k)
		default:
			cursors[k] = v
		}
	}
	return cursors, nil
}

// flushCursors is called by cursorTimer: no event came to ride with.
func (l *Log) flushCursors() {
	l.mu.Lock()
	l.cursorsDue = true
	l.mu.Unlock()
	l.signal()
}
