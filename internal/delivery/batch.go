package delivery

import (
	"context"
	"slices"

	"github.com/rollcall-rtc/rollcall/event"
)

// A batching endpoint has one lane for all rooms. Its requests hold what is
// there, up to Batch.Max, in the order of the log; an event waits at most
// Batch.Wait for others. When a batch is refused like a head that may be refused
// alone, it is halved until the one event is found, and then that rule applies.

// batchBytes bounds the body of a batch, but for a single event.
const batchBytes = 8 << 20

// loadBatch reads what the lane did not keep, and returns the array.
func (s *sender) loadBatch(ctx context.Context, j *job) ([]byte, error) {
	recs := make([]*event.Record, 0, len(j.batch))
	for i := 0; i < len(j.batch); {
		if j.batch[i].rec != nil {
			recs = append(recs, j.batch[i].rec)
			i++
			continue
		}
		entries, _, err := s.feed.read(ctx, j.batch[i].seq-1, scanChunk)
		if _, gone := left(j.batch[i].seq-1, err); gone {
			return nil, &missingError{j.batch[i].seq}
		}
		if err != nil {
			return nil, err
		}
		found := i
		for _, e := range entries {
			if i < len(j.batch) && e.rec.Seq == j.batch[i].seq {
				recs = append(recs, e.rec)
				i++
			}
		}
		if i == found {
			return nil, &missingError{j.batch[i].seq}
		}
	}
	size, n := 2, 0
	for _, rec := range recs {
		if size += len(s.body(rec)) + 1; n > 0 && size > batchBytes {
			break
		}
		n++
	}
	recs, j.batch = recs[:n], slices.Clip(j.batch[:n])
	j.rec, j.seq = recs[n-1], recs[n-1].Seq
	j.first, j.count = recs[0].Seq, n
	body := make([]byte, 0, size)
	for i, rec := range recs {
		body = append(body, "[,"[min(i, 1)])
		body = append(body, s.body(rec)...)
	}
	return append(body, ']'), nil
}
