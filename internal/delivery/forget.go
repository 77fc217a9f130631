package delivery

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/rollcall-rtc/rollcall/event"
	"github.com/rollcall-rtc/rollcall/internal/eventlog"
)

// Forget follows a Forget of the log, which has put pseudonym in the place of
// identity: what endpoints and recoveries hold in memory is read anew, and of the
// attempts at events about that person the answers of the receivers are dropped,
// as are those that name the person. Requests that are on their way are not called
// back; what they are answered is not kept.
func (e *Engine) Forget(ctx context.Context, identity, pseudonym string) error {
	e.feed.forget()
	for _, ep := range e.all() {
		ep.see(ep.forgetRecords)
	}
	stored, err := e.opts.Cursors.LoadCursors(attemptsPrefix)
	if err != nil {
		return fmt.Errorf("forget a participant: load attempts: %w", err)
	}
	blocks := make(map[string]map[string][]byte) // by endpoint
	for key, b := range stored {
		id, _, _ := strings.Cut(strings.TrimPrefix(key, attemptsPrefix), "/")
		if blocks[id] == nil {
			blocks[id] = make(map[string][]byte)
		}
		blocks[id][key] = b
	}
	about := &aboutPerson{feed: e.feed, identity: []byte(identity), pseudonym: []byte(pseudonym), known: make(map[uint64]bool)}
	for _, ep := range e.all() {
		var fresh []Attempt
		ep.see(func() { fresh = append(fresh, ep.attempts.fresh...) })
		if err := about.look(ctx, fresh); err != nil {
			return fmt.Errorf("forget a participant: %w", err)
		}
		if err := about.lookAt(ctx, blocks[ep.id]); err != nil {
			return fmt.Errorf("forget a participant: %w", err)
		}
		ep.see(func() { err = ep.forgetAnswers(about.names) })
		if err != nil {
			return fmt.Errorf("forget a participant: attempts at %s: %w", ep.id, err)
		}
		delete(blocks, ep.id)
	}
	for id, rest := range blocks { // of endpoints that are not there now
		if err := about.lookAt(ctx, rest); err != nil {
			return fmt.Errorf("forget a participant: %w", err)
		}
		puts := make(map[string][]byte)
		for key, b := range rest {
			if changed, err := withoutAnswers(b, about.names); err != nil {
				return fmt.Errorf("forget a participant: attempts at %s: %w", id, err)
			} else if changed != nil {
				puts[key] = changed
			}
		}
		e.opts.Cursors.SaveCursors(puts, nil)
	}
	return e.flush(ctx)
}

// aboutPerson knows which events are about somebody who was forgotten.
type aboutPerson struct {
	feed                *feed
	identity, pseudonym []byte
	known               map[uint64]bool // of the events that were looked at
}

// look finds out about the events of attempts that have an answer.
func (p *aboutPerson) look(ctx context.Context, all []Attempt) error {
	for i := range all {
		a := &all[i]
		if a.Response == "" {
			continue
		}
		first := a.Seq
		if a.First > 0 {
			first = a.First
		}
		for seq := first; seq <= a.Seq; seq++ {
			if _, ok := p.known[seq]; ok {
				continue
			}
			rec, err := p.feed.record(ctx, seq)
			switch {
			case errors.Is(err, errMissing), errors.Is(err, eventlog.ErrCorrupt):
				p.known[seq] = true // nobody can say that it is not
			case err != nil:
				return err
			default:
				p.known[seq] = p.in(rec)
			}
		}
	}
	return nil
}

func (p *aboutPerson) lookAt(ctx context.Context, blocks map[string][]byte) error {
	for key, b := range blocks {
		all, err := decodeAttempts(nil, b)
		if err != nil {
			return fmt.Errorf("%q: %w", key, err)
		}
		if err := p.look(ctx, all); err != nil {
			return err
		}
	}
	return nil
}

func (p *aboutPerson) in(rec *event.Record) bool {
	return rec.Identity == string(p.pseudonym) || bytes.Contains(rec.Body, p.pseudonym)
}

// names says whether an attempt's answer may tell of the person. One that was
// looked at by nobody was made meanwhile, of what was forgotten already.
func (p *aboutPerson) names(a *Attempt) bool {
	if strings.Contains(a.Response, string(p.identity)) {
		return true
	}
	first := a.Seq
	if a.First > 0 {
		first = a.First
	}
	for seq := first; seq <= a.Seq; seq++ {
		if p.known[seq] {
			return true
		}
	}
	return false
}

// withoutAnswers returns a block without the answers of the attempts that names
// says, nil if it has none of those.
func withoutAnswers(b []byte, names func(*Attempt) bool) ([]byte, error) {
	all, err := decodeAttempts(nil, b)
	if err != nil {
		return nil, err
	}
	if !dropAnswers(all, names) {
		return nil, nil
	}
	return packAttempts(all), nil
}

func dropAnswers(all []Attempt, names func(*Attempt) bool) (changed bool) {
	for i := range all {
		if a := &all[i]; a.Response != "" && names(a) {
			a.Response, changed = "", true
		}
	}
	return changed
}

// forget drops what the feed has of the log.
func (f *feed) forget() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.generation++
	f.entries, f.bytes = nil, 0
	f.start = f.end
}

// forgetRecords runs on the loop: the lanes' records are read again when their
// turn comes.
func (ep *endpoint) forgetRecords() {
	for _, l := range ep.lanes {
		for i := range l.items {
			l.items[i].rec = nil
		}
	}
	ep.retained = 0
	ep.generation = ep.feed.changes()
}

// forgetAnswers runs on the loop.
func (ep *endpoint) forgetAnswers(names func(*Attempt) bool) error {
	dropAnswers(ep.attempts.fresh, names)
	stored, err := ep.opts.Cursors.LoadCursors(ep.attempts.prefix)
	if err != nil {
		return err
	}
	puts := make(map[string][]byte)
	for i := range ep.attempts.blocks {
		block := &ep.attempts.blocks[i]
		key := ep.attempts.key(block.n)
		b, ok := stored[key]
		if !ok {
			continue
		}
		changed, err := withoutAnswers(b, names)
		if err != nil {
			return err
		}
		if changed != nil {
			puts[key] = changed
			ep.attempts.bytes += len(changed) - block.bytes
			block.bytes = len(changed)
		}
	}
	if len(puts) > 0 && !ep.removed {
		ep.opts.Cursors.SaveCursors(puts, nil)
	}
	ep.touchSave(time.Now())
	return nil
}
