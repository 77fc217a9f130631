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

// wantsRefill says whether refill has something to do at once.
func (ep *endpoint) wantsRefill(now time.Time) bool {
	if ep.closing || now.Before(ep.readAt) {
		return false
	}
	return len(ep.hungry) > 0 || ep.more && ep.wantsScan()
}

// wantsScan says whether more lanes could be put to use.
func (ep *endpoint) wantsScan() bool {
	if ep.disabled != nil || len(ep.lanes) >= ep.opts.MaxLanes {
		return false
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
		l := ep.lanes[e.lane]
		switch {
		case !wanted(e.rec):
		case l == nil:
			l = &lane{key: e.lane, timer: -1, tail: ep.prev.of(e.lane)}
			ep.lanes[e.lane] = l
			ep.add(l, e)
			ep.touch(l.key, now)
			ep.settle(l)
		case l.overflow:
			l.skipped++
		case len(l.items) >= ep.opts.Window:
			l.overflow = true
			l.skipped++
		default:
			ep.add(l, e)
		}
		ep.scan = e.rec.Seq
	}
	ep.scan = upTo
	return nil
}

// wanted says whether an endpoint that did not ask for more gets the record: the
// events that stock receivers know, and those of a newer catalogue.
func wanted(r *event.Record) bool {
	d, known := event.Lookup(r.Name)
	return !known || d.Stock
}

// add puts a record at the end of its lane.
func (ep *endpoint) add(l *lane, e entry) {
	it := item{seq: e.rec.Seq, prev: l.tail, time: e.rec.Time.UnixMicro()}
	if ep.retained+len(e.rec.Body) <= retainBytes {
		ep.retained += len(e.rec.Body)
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
		l := ep.lanes[e.lane]
		if !wanted(e.rec) || l == nil || !l.overflow || l.scanned < at || e.rec.Seq <= l.scanned || len(l.items) >= ep.opts.Window {
			continue
		}
		idle := len(l.items) == 0
		ep.add(l, e)
		l.skipped = max(l.skipped-1, 0)
		if idle {
			ep.awake(l)
		}
	}
	still := ep.hungry[:0]
	for _, l := range ep.hungry {
		if l.scanned >= at && len(l.items) < ep.opts.Window {
			l.scanned = max(l.scanned, end)
		}
		if l.scanned >= ep.scan {
			l.overflow, l.skipped = false, 0
		}
		if l.hungry = l.overflow && len(l.items) <= ep.opts.Window/2; l.hungry {
			still = append(still, l)
		} else if !l.overflow && len(l.items) == 0 {
			ep.touch(l.key, now)
			ep.settle(l)
		}
	}
	clear(ep.hungry[len(still):])
	ep.hungry = still
	return nil
}

// awake makes a lane ready that had run empty.
func (ep *endpoint) awake(l *lane) {
	if l.attempts == 0 {
		ep.fresh.push(l)
	} else {
		ep.retry.push(l)
	}
}
