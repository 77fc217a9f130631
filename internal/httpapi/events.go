package httpapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"strings"

	"github.com/rollcall-rtc/rollcall/event"
)

// A page of the log, when the request does not say how long.
const (
	defaultPage = 100
	maxPage     = 1000
)

// events serves GET /events: the log's records of one room, or of all, after a
// place in it. By default as Server-Sent Events, or as lines of JSON for who
// accepts application/x-ndjson, both without an end; with wait=0, what is there
// as one JSON page.
//
//	room    a room's name; without it, all rooms
//	after   the last seq that the client has; 0, the default, is the beginning.
//	        The header Last-Event-ID, of an EventSource that connects again, wins.
//	wait    0 for a page
//	limit   the most records in a page
type events struct {
	log      Log
	auth     authenticator
	draining <-chan struct{}
	logger   *slog.Logger
}

// eventQuery is what a request asks for.
type eventQuery struct {
	room   string // empty: all rooms
	after  uint64
	format eventFormat
	limit  int // of a page
}

type eventFormat int

const (
	formatSSE eventFormat = iota
	formatNDJSON
	formatPage
)

func (h *events) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet {
		refuseMethod(w, r, "GET")
		return
	}
	q, err := parseEventQuery(r)
	if err != nil {
		refuse(w, r, http.StatusBadRequest, "invalid_argument", err.Error())
		return
	}
	claims, err := h.auth.claims(r)
	if err != nil {
		refuse(w, r, http.StatusUnauthorized, "unauthenticated", err.Error())
		return
	}
	if err := claims.CanReadEvents(q.room); err != nil {
		refuse(w, r, http.StatusForbidden, "permission_denied", err.Error())
		return
	}

	// Only committed records are ever shown, so whoever has seen more than the
	// last one has seen another log, and would wait for the wrong records.
	last := h.log.Last()
	if q.after > last {
		refuse(w, r, http.StatusBadRequest, "out_of_range",
			fmt.Sprintf("after=%d is ahead of the log, whose last event is %d: was the data directory replaced?", q.after, last))
		return
	}
	first, err := h.read(r.Context(), q, q.after, q.pageLimit())
	if err != nil {
		h.failed(r.Context(), err)
		refuse(w, r, http.StatusInternalServerError, "internal", "the event log cannot be read")
		return
	}
	if q.format == formatPage {
		writePage(w, q.after, last, first)
		return
	}
	s := newEventStream(h, w, q)
	if err := s.run(r.Context(), first); err != nil {
		h.failed(r.Context(), err)
	}
}

// failed logs why reading ended, unless it is that the client is gone.
func (h *events) failed(ctx context.Context, err error) {
	if ctx.Err() == nil && !errors.Is(err, errClientGone) {
		h.logger.WarnContext(ctx, "event stream ends", "error", err)
	}
}

func (h *events) read(ctx context.Context, q eventQuery, after uint64, limit int) ([]event.Record, error) {
	if q.room == "" {
		return h.log.Read(ctx, after, limit)
	}
	return h.log.ReadRoom(ctx, q.room, after, limit)
}

func (q eventQuery) pageLimit() int {
	if q.format == formatPage {
		return q.limit
	}
	return streamBatch
}

func parseEventQuery(r *http.Request) (eventQuery, error) {
	var q eventQuery
	query := r.URL.Query()
	if query.Has("room") {
		if q.room = query.Get("room"); q.room == "" {
			return q, errors.New("room is empty: name one, or leave room out for the events of all")
		}
	}

	name, after := "after", query.Get("after")
	if id := r.Header.Get("Last-Event-ID"); id != "" {
		name, after = "Last-Event-ID", id
	}
	if after != "" {
		var err error
		if q.after, err = strconv.ParseUint(after, 10, 64); err != nil {
			return q, fmt.Errorf("%s is %.40q, want the seq of an event", name, after)
		}
	}

	switch wait := query.Get("wait"); {
	case wait == "0":
		q.format = formatPage
	case wait != "":
		return q, fmt.Errorf("wait is %.40q, want 0, or no wait for a stream", wait)
	case strings.Contains(r.Header.Get("Accept"), "application/x-ndjson"):
		q.format = formatNDJSON
	}

	q.limit = defaultPage
	if limit := query.Get("limit"); limit != "" {
		var err error
		if q.limit, err = strconv.Atoi(limit); err != nil || q.limit < 1 || q.limit > maxPage {
			return q, fmt.Errorf("limit is %.40q, want a number from 1 to %d", limit, maxPage)
		}
	}
	return q, nil
}

// writePage answers with records and the cursor to go on from. last was the
// log's end before records were read: when there are none, it has been searched
// up to there.
func writePage(w http.ResponseWriter, after, last uint64, records []event.Record) {
	page := struct {
		Events []recordJSON `json:"events"`
		Cursor uint64       `json:"cursor"`
	}{Events: make([]recordJSON, 0, len(records)), Cursor: max(after, last)}
	for i := range records {
		page.Events = append(page.Events, newRecordJSON(&records[i]))
		page.Cursor = records[i].Seq
	}
	w.Header().Set("Cache-Control", "no-store")
	writeJSON(w, http.StatusOK, page)
}

// recordJSON is a record as /events shows it; every field is always there.
type recordJSON struct {
	Seq            uint64          `json:"seq"`
	RoomSeq        uint64          `json:"roomSeq"`
	ID             string          `json:"id"`
	Name           event.Name      `json:"name"`
	Time           string          `json:"time"` // RFC 3339, UTC, microseconds
	Room           string          `json:"room"`
	RoomSID        string          `json:"roomSid"`
	ParticipantSID string          `json:"participantSid"`
	Identity       string          `json:"identity"`
	TrackSID       string          `json:"trackSid"`
	Synthesized    bool            `json:"synthesized"`
	Body           json.RawMessage `json:"body"` // the webhook's bytes
}

func newRecordJSON(r *event.Record) recordJSON {
	return recordJSON{
		Seq:            r.Seq,
		RoomSeq:        r.RoomSeq,
		ID:             r.ID,
		Name:           r.Name,
		Time:           r.Time.UTC().Format("2006-01-02T15:04:05.000000Z07:00"),
		Room:           r.Room,
		RoomSID:        r.RoomSID,
		ParticipantSID: r.ParticipantSID,
		Identity:       r.Identity,
		TrackSID:       r.TrackSID,
		Synthesized:    r.Synthesized,
		Body:           r.Body,
	}
}
