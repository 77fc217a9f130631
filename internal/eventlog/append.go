package eventlog

import (
	"context"
	"time"

	"github.com/rollcall-rtc/rollcall/event"
)

// Append adds the events to the log, in the order of the calls, and returns the
// Seq of the last; with Sync a caller can wait for it to be durable. Append
// itself waits only while the ring is full, until the committer makes room or
// the log fails. Events of one call stay together.
//
// At its quota the log refuses events that are neither LiveKit's nor open or close
// anything; they get no Seq, and Stats counts them.
//
// A log that is closed or has failed takes nothing: the returned Seq never
// becomes durable, and Sync says why.
func (l *Log) Append(events ...event.Event) uint64 {
	seq := l.Enqueue(events...)
	l.Commit()
	return seq
}

// Enqueue is Append by a caller who calls Commit soon, when it has nothing more
// urgent to do: waking the committer takes longer than all the rest.
func (l *Log) Enqueue(events ...event.Event) uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.full {
		events = l.lifecycle(events)
	}
	if l.parting || l.count+len(events) > len(l.ring) {
		return l.appendSlowly(events)
	}
	return l.push(events)
}

// Commit sees to it that what is enqueued is written. It does not wait for that.
func (l *Log) Commit() {
	l.mu.Lock()
	wake := l.count > 0 && !l.woken
	l.woken = l.woken || wake
	l.mu.Unlock()
	if wake {
		l.signal() // not under mu, which the committer takes first
	}
}

// CommitWithin sees to it that what is enqueued is written with what others commit next,
// or once the time is over: for events that nobody acts upon at once.
func (l *Log) CommitWithin(d time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.count == 0 || l.woken {
		return
	}
	if due := time.Now().Add(d); l.due.IsZero() || due.Before(l.due) {
		l.due = due
		l.dueTimer.Reset(d)
	}
}

// appendSlowly waits, counted, for room in the ring; what would never fit into
// it goes in parts, between which nobody else's events come. l.mu must be held.
func (l *Log) appendSlowly(events []event.Event) uint64 {
	start := time.Now()
	l.stats.Waits++
	for l.parting && l.accepting() {
		l.space.Wait()
	}
	l.parting = true
	for len(events) > 0 && l.accepting() {
		part := events[:min(len(events), len(l.ring))]
		if l.count+len(part) > len(l.ring) {
			l.signal() // who has enqueued what is there may be waiting behind this
			l.space.Wait()
			continue
		}
		l.push(part)
		l.signal()
		events = events[len(part):]
	}
	l.parting = false
	l.space.Broadcast()
	l.stats.WaitTime += time.Since(start)
	return l.push(events) // nothing, or what is refused
}

// push puts the events into the ring, which has room for them, and returns the
// Seq of the last; the committer is still to be told. l.mu must be held.
func (l *Log) push(events []event.Event) uint64 {
	l.next += uint64(len(events))
	if !l.accepting() {
		l.stats.Refused += uint64(len(events))
		return l.next - 1
	}
	for i := range events {
		at := l.head + l.count
		if at >= len(l.ring) {
			at -= len(l.ring)
		}
		l.ring[at] = events[i]
		l.count++
	}
	l.stats.Appended += uint64(len(events))
	return l.next - 1
}

// accepting says whether events can still be taken; l.mu must be held.
func (l *Log) accepting() bool { return l.err == nil && !l.closing }

// Sync returns when the event with that Seq is durable, or with the reason why
// it will not be. It has it committed.
func (l *Log) Sync(ctx context.Context, seq uint64) error {
	l.Commit()
	return l.await(ctx, seq)
}

// await is Sync for whoever is in no hurry.
func (l *Log) await(ctx context.Context, seq uint64) error {
	for {
		l.mu.Lock()
		durable, err, committed := l.durable, l.err, l.committed
		l.mu.Unlock()
		switch {
		case durable >= seq:
			return nil
		case err != nil:
			return err
		}
		select {
		case <-committed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
