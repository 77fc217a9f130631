package delivery

import (
	"context"
	"time"

	"github.com/rollcall-rtc/rollcall/event"
)

// The log is read where the lanes need it, never further: forward from the
// scan position until enough lanes are ready, and again from a lane's own
// position when its window has run empty. So a backlog of any length costs the
// memory of the windows.

// scanChunk is how many records one turn of the loop reads each way.
const scanChunk = 256

// wantsRefill says whether refill has something to do at once. Also one that is disabled
// is to know how far it is behind.
func (ep *endpoint) wantsRefill(now time.Time) bool {
	if ep.closing || ep.unusable != "" && ep.desc.Scope == "" || now.Before(ep.readAt) {
		return false
	}
	return len(ep.hungry) > 0 || ep.more && ep.wantsScan()
}

// rests says whether no lanes are looked for, because nothing can be sent until somebody
// sees to it. The endpoint of a room or an egress reads on: it ends with that, also if
// nobody ever does.
func (ep *endpoint) rests() bool {
	return (ep.disabled != nil || ep.unusable != "") && ep.desc.Scope == ""
}

// wantsScan says whether more lanes could be put to use.
func (ep *endpoint) wantsScan() bool {
	if ep.rests() || ep.relaying || ep.desc.unbound() || len(ep.lanes) >= ep.opts.MaxLanes {
		return false
	}
	if ep.layout == inOne {
		for _, l := range ep.lanes {
			return len(l.items) < ep.window()
		}
	}
	if ep.breaker.state == Open {
		// One event that nobody has refused yet, for the next probe: if the
		// lanes at hand are refused for themselves, it will be accepted.
		return ep.fresh.len() == 0
	}
	// Once it reads, it reads a good piece: a chunk is not read for one record.
	ready := ep.fresh.len() + ep.retry.len()
	ep.filling = ready < ep.opts.Concurrency || ep.filling && ready < 2*ep.opts.Concurrency
	return ep.filling
}

// refill reads at most one chunk each way, so that the loop stays responsive.
func (ep *endpoint) refill(ctx context.Context, now time.Time) {
	if !ep.wantsRefill(now) {
		return
	}
	var err error
	if len(ep.hungry) > 0 {
		err = ep.backfill(ctx, now)
	}
	if err == nil && ep.more && ep.wantsScan() {
		err = ep.scanForward(ctx, now)
	}
	if err != nil && ctx.Err() == nil {
		ep.logger.Error("webhooks: reading the event log", "err", err)
		ep.readAt = now.Add(readPause)
	}
}

// scanForward hands the next records to their lanes.
func (ep *endpoint) scanForward(ctx context.Context, now time.Time) error {
	entries, upTo, err := ep.feed.read(ctx, ep.scan, scanChunk)
	if gone, ok := left(ep.scan, err); ok {
		ep.forgo(gone, now)
		ep.scan = gone.To
		return nil
	}
	if err != nil {
		return err
	}
	if upTo <= ep.scan {
		ep.more = false
		return nil
	}
	ep.touchSelf(now)
	for _, e := range entries {
		if !ep.wantsScan() {
			return nil
		}
		if ep.maybeEnd(e.rec, now); !ep.match.match(e.rec) {
			ep.scan = e.rec.Seq
			continue
		}
		key := ep.layout.key(&e)
		l := ep.lanes[key]
		switch {
		case l == nil:
			l = &lane{key: key, timer: -1, tail: ep.prev.of(key), size: ep.desc.Batch.Max}
			ep.lanes[key] = l
			ep.add(l, e)
			ep.touch(l.key, now)
			ep.ready(l, now)
		case l.overflow:
			l.skipped++
		case len(l.items) >= ep.window():
			l.overflow = true
			l.skipped++
		default:
			ep.add(l, e)
			ep.joined(l, now)
		}
		ep.scan = e.rec.Seq
	}
	ep.scan = upTo
	return nil
}

// maybeEnd notes that the room or the egress of the endpoint is over with rec.
func (ep *endpoint) maybeEnd(rec *event.Record, now time.Time) {
	if ep.ended != nil || rec.Seq <= ep.from {
		return
	}
	switch {
	case ep.desc.Source == SourceRoom && rec.Name == event.RoomFinished && rec.Room == ep.desc.Scope && rec.RoomSID == ep.desc.Session:
	case ep.desc.Source == SourceEgress && rec.Name == event.EgressEnded && egressOf(rec) == ep.desc.Scope:
	default:
		return
	}
	at := now.UTC()
	ep.ended = &at
	ep.touchSelf(now)
}

// add puts a record at the end of its lane.
func (ep *endpoint) add(l *lane, e entry) {
	it := item{seq: e.rec.Seq, prev: l.tail, time: e.rec.Time.UnixMicro()}
	if n := weight(e.rec); ep.retained+n <= retainBytes {
		ep.retained += n
		it.rec = e.rec
	}
	l.items = append(l.items, it)
	l.tail, l.scanned = it.seq, it.seq
}

// backfill reads one chunk from where the hungry lane that is furthest behind
// stopped. Every lane that stopped there or within the chunk takes its records
// from it, so lanes that have far to go go together.
func (ep *endpoint) backfill(ctx context.Context, now time.Time) error {
	at := ep.hungry[0].scanned
	for _, l := range ep.hungry {
		at = min(at, l.scanned)
	}
	entries, end, err := ep.feed.read(ctx, at, scanChunk)
	if gone, ok := left(at, err); ok {
		gone.To = min(gone.To, ep.scan) // what is after it is for scanForward to find
		ep.forgo(gone, now)
		for _, l := range ep.hungry {
			if l.scanned < gone.To {
				l.scanned, l.tail = gone.To, 0
				ep.touch(l.key, now)
			}
		}
		return nil
	}
	if err != nil {
		return err
	}
	if end <= at || end > ep.scan {
		end = ep.scan // the log holds nothing else for these lanes
	}
	for _, e := range entries {
		if e.rec.Seq > end {
			break
		}
		l := ep.lanes[ep.layout.key(&e)]
		if l == nil || !l.overflow || l.scanned < at || e.rec.Seq <= l.scanned || len(l.items) >= ep.window() || !ep.match.match(e.rec) {
			continue
		}
		idle := len(l.items) == 0
		ep.add(l, e)
		l.skipped = max(l.skipped-1, 0)
		if idle {
			ep.ready(l, now)
		} else {
			ep.joined(l, now)
		}
	}
	still := ep.hungry[:0]
	for _, l := range ep.hungry {
		if l.scanned >= at && len(l.items) < ep.window() {
			l.scanned = max(l.scanned, end)
		}
		if l.scanned >= ep.scan {
			l.overflow, l.skipped = false, 0
		}
		if l.hungry = l.overflow && len(l.items) <= ep.window()/2; l.hungry {
			still = append(still, l)
		} else if !l.overflow && len(l.items) == 0 {
			ep.touch(l.key, now)
			ep.settle(l, now)
		}
	}
	clear(ep.hungry[len(still):])
	ep.hungry = still
	return nil
}

// window is how many records one lane keeps in memory.
func (ep *endpoint) window() int { return max(ep.opts.Window, 2*ep.desc.Batch.Max) }

// ready puts a lane with a head where it is picked from. One that gathers a
// batch waits for more.
func (ep *endpoint) ready(l *lane, now time.Time) {
	switch {
	case ep.layout == inOne && l.attempts == 0 && len(l.items) < l.size && !l.overflow:
		if l.ripe.IsZero() {
			l.ripe = now.Add(ep.desc.Batch.Wait)
		}
		l.due = l.ripe
		ep.timers.wait(l)
	case l.attempts == 0:
		ep.fresh.push(l)
	default:
		ep.retry.push(l)
	}
}

// joined follows when a record came to a lane that had some.
func (ep *endpoint) joined(l *lane, now time.Time) {
	switch {
	case l.timer < 0:
	case !l.ripe.IsZero():
		if len(l.items) >= l.size {
			ep.timers.remove(l)
			ep.fresh.push(l)
		}
	case len(l.items) == 2 && !l.held && ep.suspect(l, now):
		// Nobody has to wait for the head's next turn to learn whether it is
		// refused alone: it is tried now, and then the one behind it.
		ep.timers.remove(l)
		ep.retry.push(l)
	}
}
