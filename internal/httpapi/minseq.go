package httpapi

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"
)

const (
	// headerMinSeq and the query's min_seq ask a read to be no older than the
	// event of that seq: a receiver that looks up what a webhook is about sends
	// the webhook's Rollcall-Seq.
	headerMinSeq = "Rollcall-Min-Seq"
	// headerSeq is a place in the log that the answer is no older than.
	headerSeq = "Rollcall-Seq"
	// minSeqTimeout bounds the wait.
	minSeqTimeout = 5 * time.Second
)

// awaitMinSeq waits until the log has the event that the request asks for, if
// it asks. A room changes before the event of it is appended, so that whatever
// is read of rooms afterwards has the change.
func awaitMinSeq(r *http.Request, log Log) error {
	text := r.Header.Get(headerMinSeq)
	if text == "" {
		text = r.URL.Query().Get("min_seq")
	}
	if text == "" {
		return nil
	}
	seq, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		return badRequest("min_seq is %.40q, want the seq of an event", text)
	}
	if seq == 0 || log.Last() >= seq {
		return nil
	}
	ctx, cancel := context.WithTimeout(r.Context(), minSeqTimeout)
	defer cancel()
	err = log.Wait(ctx, seq-1)
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return problemf(http.StatusServiceUnavailable, "unavailable",
			"min_seq=%d is ahead of the log, whose last event is %d: was the data directory replaced?", seq, log.Last())
	case err != nil:
		return fmt.Errorf("wait for event %d: %w", seq, err)
	}
	return nil
}
