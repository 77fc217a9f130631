package httpapi

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/rollcall-rtc/rollcall/event"
)

// events serves GET /events: the log's records after a place in it. By default
// as Server-Sent Events, or as lines of JSON for who accepts
// application/x-ndjson, both without an end; with wait or for who accepts
// application/json, as one JSON page.
//
//	room      a room's name or the sid of one of its sessions; without it, all
//	types     names or globs of events, such as track_*; without it, all
//	after     the last seq that the client has; 0, the default, is the beginning,
//	          now the end.
//	          The header Last-Event-ID, of an EventSource that connects again, wins.
//	consumer  in place of after: go on from that consumer's cursor
//	wait      a page; how many seconds it waits for its first event
//	limit     the most records in a page
//
// A page is {events, cursor, done}: cursor is the after of the next page, done
// says that the log has nothing more for now.
type events struct {
	log       Log
	rooms     *roomFinder
	consumers *Consumers
	auth      authenticator
	draining  <-chan struct{}
	logger    *slog.Logger
}

func (h *events) serve(w http.ResponseWriter, r *http.Request) error {
	q, err := parseEventQuery(r)
	if err != nil {
		return badRequest("%s", err)
	}
	claims, err := h.auth.bearer(r)
	if err != nil {
		return err
	}
	ctx := r.Context()
	if q.consumer != "" {
		if err := h.goOn(&q); err != nil {
			return err
		}
	}
	if q.room, err = h.rooms.find(ctx, q.room.name); err != nil {
		return err
	}
	if err := claims.CanReadEvents(q.room.name); err != nil {
		return err
	}
	if q.now {
		q.after = h.log.Last()
	}
	if err := h.checkCursor(q); err != nil {
		return err
	}
	if q.format == formatPage {
		return h.page(ctx, w, q)
	}
	s := newEventStream(h, w, q)
	if r.Method == http.MethodHead {
		s.head() // it has no end to wait for, and the connection is used again
		return nil
	}
	first, err := s.next(ctx)
	if err != nil {
		return h.unreadable(ctx, q, err)
	}
	if err := s.run(ctx, first); err != nil {
		h.failed(ctx, err) // the status is sent: the client sees the end
	}
	return nil
}

// goOn makes a query that of its consumer, from its cursor on unless it says where.
func (h *events) goOn(q *eventQuery) error {
	c, ok, err := h.consumers.consumer(q.consumer)
	if err != nil {
		return err
	}
	if !ok {
		return notFound("there is no consumer %q: make it with PUT /consumers/%s", q.consumer, q.consumer)
	}
	if q.room.name == "" {
		q.room.name = c.Room
	} else if c.Room != "" && c.Room != q.room.name {
		return badRequest("consumer %q is of room %.64q, not %.64q", q.consumer, c.Room, q.room.name)
	}
	if q.names == nil && len(c.Types) > 0 {
		q.names, _ = parseTypes(c.Types) // they were checked
	}
	if !q.placed {
		q.after = c.Cursor
	}
	return nil
}

// checkCursor refuses a place that is not in the log.
func (h *events) checkCursor(q eventQuery) error {
	// Only committed records are ever shown, so whoever has seen more than the
	// last one has seen another log, and would wait for the wrong records.
	if last := h.log.Last(); q.after > last {
		return problemf(http.StatusBadRequest, "out_of_range",
			"after=%d is ahead of the log, whose last event is %d: was the data directory replaced?", q.after, last)
	}
	// 0 of a client that has nothing yet is the beginning, wherever that is.
	if earliest := h.log.First(); q.after+1 < earliest && (q.after > 0 || q.consumer != "") {
		return &expired{after: q.after, earliest: earliest}
	}
	return nil
}

// unreadable is the answer to a failed read.
func (h *events) unreadable(ctx context.Context, q eventQuery, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if gone := h.checkCursor(q); gone != nil {
		return gone // it expired while it was read
	}
	h.failed(ctx, err)
	return problemf(http.StatusInternalServerError, "internal", "the event log cannot be read")
}

// failed logs why reading ended, unless it is that the client is gone.
func (h *events) failed(ctx context.Context, err error) {
	if ctx.Err() == nil && !errors.Is(err, errClientGone) {
		h.logger.WarnContext(ctx, "event stream ends", "error", err)
	}
}

// part is what one read brings.
type part struct {
	found  []event.Record // what the query asks for
	cursor uint64         // how far the read went
	end    bool           // there was nothing more
	taken  int            // records, of all that were looked at
	bytes  int            // of their bodies
}

// read looks for what q asks for among the next records after the cursor. Reading
// nothing, it moves the cursor over the records of other rooms to the end that the log
// had before.
func (h *events) read(ctx context.Context, q *eventQuery, after uint64, limit int) (part, error) {
	last := h.log.Last()
	var records []event.Record
	var err error
	if q.room.name == "" {
		records, err = h.log.Read(ctx, after, limit)
	} else {
		records, err = h.log.ReadRoom(ctx, q.room.name, after, limit)
	}
	if err != nil {
		return part{cursor: after}, err
	}
	if len(records) == 0 {
		return part{cursor: max(after, last), end: true}, nil
	}
	p := part{cursor: records[len(records)-1].Seq, taken: len(records)}
	p.found = records[:0]
	for i := range records {
		p.bytes += len(records[i].Body) + len(records[i].FullBody)
		if q.match(&records[i]) {
			p.found = append(p.found, records[i])
		}
	}
	return p, nil
}

// readSize is how many records a read takes, so that they are about readBytes: a
// record has some hundred bytes or a megabyte. The zero value begins with a few.
type readSize int

const (
	firstRead = 16
	readBytes = 4 << 20
)

// limit returns the size, and at most so much.
func (n readSize) limit(most int) int {
	if n == 0 {
		n = firstRead
	}
	return min(int(n), most)
}

// after learns from what a read has brought.
func (n *readSize) after(p part) {
	if p.taken > 0 {
		*n = readSize(max(1, min(4*p.taken, readBytes*p.taken/max(p.bytes, 1))))
	}
}

const (
	// pageBytes is how much a page holds before it takes no further records, and
	// pageBatch how many it takes at once.
	pageBytes = 8 << 20
	pageBatch = 16
	// scanBatch is how many records a filter looks at in one read, at most.
	scanBatch = 512
	// What a page looks at is bounded, in records, bytes of them and time. One that
	// finds nothing there is empty and not done: the client goes on from its cursor.
	maxScan      = 128 * scanBatch
	maxScanBytes = 128 << 20
	maxScanTime  = 2 * time.Second
)

// page answers with one page of records.
func (h *events) page(ctx context.Context, w http.ResponseWriter, q eventQuery) error {
	live, stop := untilClosed(ctx, h.draining)
	defer stop()
	live, cancel := context.WithTimeout(live, q.wait)
	defer cancel()
	cursor := q.after
	for {
		records, next, done, err := h.scan(ctx, &q, cursor)
		if err != nil {
			return h.unreadable(ctx, q, err)
		}
		cursor = next
		if len(records) == 0 && done && q.wait > 0 && h.log.Wait(live, cursor) == nil {
			continue
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return writePage(w, records, cursor, done)
	}
}

// scan collects the records of a page.
func (h *events) scan(ctx context.Context, q *eventQuery, cursor uint64) (page []event.Record, _ uint64, done bool, err error) {
	begun, held := time.Now(), 0
	var looked part
	var size readSize
	for looked.taken < maxScan && looked.bytes < maxScanBytes && held < pageBytes && time.Since(begun) < maxScanTime {
		batch := size.limit(scanBatch)
		if q.everything() {
			batch = min(q.limit-len(page), pageBatch)
		}
		p, err := h.read(ctx, q, cursor, batch)
		if err != nil {
			return nil, cursor, false, err
		}
		if p.end {
			return page, p.cursor, true, nil
		}
		size.after(p)
		looked.taken, looked.bytes = looked.taken+p.taken, looked.bytes+p.bytes
		if room := q.limit - len(page); len(p.found) > room {
			page = append(page, p.found[:room]...)
			return page, page[len(page)-1].Seq, false, nil
		}
		for i := range p.found {
			held += len(p.found[i].Body)
		}
		page, cursor = append(page, p.found...), p.cursor
		if len(page) == q.limit {
			break
		}
	}
	return page, cursor, cursor >= h.log.Last(), nil
}

// writePage answers with records and the cursor to go on from.
func writePage(w http.ResponseWriter, records []event.Record, cursor uint64, done bool) error {
	body := []byte(`{"events":[`)
	for i := range records {
		if i > 0 {
			body = append(body, ',')
		}
		body = appendRecord(body, &records[i])
	}
	body = fmt.Appendf(body, `],"cursor":%d,"done":%t}`+"\n", cursor, done)
	w.Header().Set("Cache-Control", "no-store")
	writeBody(w, http.StatusOK, body)
	return nil
}
