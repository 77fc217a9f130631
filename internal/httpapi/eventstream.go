package httpapi

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/rollcall-rtc/rollcall/event"
)

const (
	// streamBatch is how many records a stream holds in memory at most.
	streamBatch = 256
	// keepAlive is how long a stream may be silent; proxies close it at 30 s or
	// 60 s of that.
	keepAlive = 15 * time.Second
	// writeTimeout is how long a client may take to accept a batch. After it the
	// client is cut off, and can go on from the last record it has.
	writeTimeout = 30 * time.Second
)

// eventStream follows the log for one client. It reads at the client's pace: a
// slow one has no queue, only an older place in the log.
//
// Its goroutine is the request's.
type eventStream struct {
	events *events             // immutable
	w      http.ResponseWriter // immutable
	rc     *http.ResponseController
	q      eventQuery // immutable

	cursor  uint64    // everything up to here is read
	size    readSize  // of the next read
	ended   bool      // the last read came to the end of the log
	written time.Time // when something was last sent
	buf     []byte    // to be sent
}

func newEventStream(h *events, w http.ResponseWriter, q eventQuery) *eventStream {
	return &eventStream{events: h, w: w, rc: http.NewResponseController(w), q: q, cursor: q.after}
}

// run sends first, which next has read, and what follows it, until the client
// is gone or the server drains.
func (s *eventStream) run(ctx context.Context, first []event.Record) error {
	// The deadline of the last write must not be that of the connection's next
	// response.
	defer func() { _ = s.rc.SetWriteDeadline(time.Time{}) }()
	if err := s.open(); err != nil {
		return err
	}
	live, stop := untilClosed(ctx, s.events.draining)
	defer stop()

	for records := first; ; {
		if err := s.catchUp(ctx, records); err != nil {
			return err
		}
		err := s.wait(live)
		if ctx.Err() != nil {
			return nil
		}
		drained := live.Err() != nil
		if err != nil && !drained {
			return err
		}
		if records, err = s.next(ctx); err != nil {
			return err
		}
		if drained {
			// What was committed before the end is still sent.
			return s.catchUp(ctx, records)
		}
	}
}

// catchUp sends records and all that follow them.
func (s *eventStream) catchUp(ctx context.Context, records []event.Record) error {
	for {
		if len(records) > 0 {
			if err := s.send(records); err != nil {
				return err
			}
		} else if s.ended {
			return nil
		} else if time.Since(s.written) >= keepAlive { // nothing of a long part is asked for
			if err := s.keepAlive(); err != nil {
				return err
			}
		}
		var err error
		if records, err = s.next(ctx); err != nil {
			return err
		}
	}
}

// next reads on from the cursor and moves it: it may return nothing before the
// end, which ended tells.
func (s *eventStream) next(ctx context.Context) (records []event.Record, err error) {
	p, err := s.events.read(ctx, &s.q, s.cursor, s.size.limit(streamBatch))
	s.size.after(p)
	s.cursor, s.ended = p.cursor, p.end
	return p.found, err
}

// wait returns when the log goes beyond the cursor, keeping the stream alive.
func (s *eventStream) wait(ctx context.Context) error {
	for {
		due, cancel := context.WithDeadline(ctx, s.written.Add(keepAlive))
		err := s.events.log.Wait(due, s.cursor)
		cancel()
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil && !errors.Is(err, context.DeadlineExceeded):
			return err
		}
		if time.Since(s.written) >= keepAlive {
			if err := s.keepAlive(); err != nil {
				return err
			}
		}
		if err == nil {
			return nil
		}
	}
}

// head sets the headers of a stream.
func (s *eventStream) head() {
	h := s.w.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("X-Accel-Buffering", "no") // nginx would hold the records back
	if s.q.format == formatNDJSON {
		h.Set("Content-Type", "application/x-ndjson")
	} else {
		h.Set("Content-Type", "text/event-stream")
	}
}

// open sends the headers, so that the client knows that the stream stands.
func (s *eventStream) open() error {
	s.head()
	s.w.WriteHeader(http.StatusOK)
	if s.q.now {
		s.place(s.q.after) // it will be another now when the client comes back
	}
	return s.flush()
}

// keepAlive sends what readers of either format pass over, a comment (HTML Standard
// §9.2.6) or an empty line, and the place to who can tell it from an event.
func (s *eventStream) keepAlive() error {
	switch {
	case s.q.format == formatNDJSON && s.q.cursors:
		s.buf = fmt.Appendf(s.buf, "{\"cursor\":%d}\n", s.cursor)
	case s.q.format == formatNDJSON:
		s.buf = append(s.buf, '\n')
	default:
		s.buf = append(s.buf, ": keep-alive\n\n"...)
		s.place(s.cursor)
	}
	return s.flush()
}

// place tells an EventSource how far it is, where nothing that it asks for does: it
// keeps the id of a block without data, and comes back with it (HTML Standard §9.2.6).
func (s *eventStream) place(seq uint64) {
	if s.events != nil && s.q.format != formatNDJSON {
		s.buf = fmt.Appendf(s.buf, "id: %d\n\n", seq)
	}
}

func (s *eventStream) send(records []event.Record) error {
	for i := range records {
		if s.q.format != formatNDJSON {
			s.buf = append(s.buf, "id: "...)
			s.buf = strconv.AppendUint(s.buf, records[i].Seq, 10)
			s.buf = append(s.buf, "\ndata: "...)
		}
		s.buf = append(appendRecord(s.buf, &records[i]), '\n')
		if s.q.format != formatNDJSON {
			s.buf = append(s.buf, '\n')
		}
	}
	return s.flush()
}

// flush sends what is in buf.
func (s *eventStream) flush() error {
	now := time.Now()
	// An error means a writer without a connection, as in a test.
	_ = s.rc.SetWriteDeadline(now.Add(writeTimeout))
	_, err := s.w.Write(s.buf)
	s.buf = s.buf[:0]
	if err == nil {
		err = s.rc.Flush()
	}
	if err != nil {
		return fmt.Errorf("%w: %w", errClientGone, err)
	}
	s.written = now
	return nil
}

// untilClosed returns a context that also ends when closed is. stop has to be
// called, and waits for the helper behind it.
func untilClosed(ctx context.Context, closed <-chan struct{}) (_ context.Context, stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	var helper sync.WaitGroup
	helper.Go(func() {
		select {
		case <-closed:
			cancel()
		case <-ctx.Done():
		}
	})
	return ctx, func() { cancel(); helper.Wait() }
}
