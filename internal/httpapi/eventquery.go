package httpapi

import (
	"errors"
	"fmt"
	"net/http"
	"path"
	"strconv"
	"strings"
	"time"

	"github.com/rollcall-rtc/rollcall/event"
)

const (
	// A page of the log, when the request does not say how long.
	defaultPage = 100
	maxPage     = 1000
	// maxWait is the longest that a page waits for its first event; proxies give
	// up at 60 s.
	maxWait = 50 * time.Second
)

// eventQuery is what a request asks for.
type eventQuery struct {
	room     roomFilter
	after    uint64
	now      bool                // begin at the end of the log, whatever after says
	placed   bool                // after says where, also of a consumer
	consumer string              // go on from its cursor
	names    map[event.Name]bool // nil: all
	format   eventFormat
	cursors  bool          // tell an NDJSON stream's place while it is silent
	limit    int           // of a page
	wait     time.Duration // for the first event of a page
}

// roomFilter is which rooms' events are meant.
type roomFilter struct {
	name string // empty: all rooms
	sid  string // empty: all sessions
}

type eventFormat int

const (
	formatSSE eventFormat = iota
	formatNDJSON
	formatPage
)

// match says whether the query asks for r, which is of its room.
func (q *eventQuery) match(r *event.Record) bool {
	return (q.names == nil || q.names[r.Name]) && (q.room.sid == "" || q.room.sid == r.RoomSID)
}

// everything says that match is true for every record of the room.
func (q *eventQuery) everything() bool { return q.names == nil && q.room.sid == "" }

// parseEventQuery reads the query; room.name is as it was asked for.
func parseEventQuery(r *http.Request) (eventQuery, error) {
	var q eventQuery
	query := r.URL.Query()
	if query.Has("room") {
		if q.room.name = query.Get("room"); q.room.name == "" {
			return q, errors.New("room is empty: name one, or leave room out for the events of all")
		}
	}
	var err error
	if q.names, err = parseTypes(query["types"]); err != nil {
		return q, err
	}

	name, after := "after", query.Get("after")
	if query.Has("consumer") {
		if q.consumer = query.Get("consumer"); !isConsumerName(q.consumer) {
			return q, fmt.Errorf("consumer is %.40q, want %s", q.consumer, consumerNames)
		}
		if after != "" {
			return q, errors.New("after and consumer are both given: a consumer knows where it is; PUT /consumers/{name} moves it")
		}
	}
	if id := r.Header.Get("Last-Event-ID"); id != "" {
		// It is an EventSource that connects again, with its first URL.
		name, after, q.placed = "Last-Event-ID", id, true
	}
	if after == "now" && name == "after" {
		q.now = true
	} else if after != "" {
		if q.after, err = strconv.ParseUint(after, 10, 64); err != nil {
			return q, fmt.Errorf("%s is %.40q, want the seq of an event", name, after)
		}
	}

	accept := r.Header.Get("Accept")
	switch {
	case query.Has("wait"):
		q.format = formatPage
		seconds, err := strconv.ParseUint(query.Get("wait"), 10, 16)
		if err != nil || time.Duration(seconds)*time.Second > maxWait {
			return q, fmt.Errorf("wait is %.40q, want 0 to %.0f seconds, or no wait for a stream", query.Get("wait"), maxWait.Seconds())
		}
		q.wait = time.Duration(seconds) * time.Second
	case strings.Contains(accept, "application/x-ndjson"):
		q.format = formatNDJSON
	case strings.Contains(accept, "application/json"):
		q.format = formatPage
	}

	q.cursors = query.Has("cursors")
	q.limit, err = parseLimit(query.Get("limit"))
	return q, err
}

func parseLimit(text string) (int, error) {
	if text == "" {
		return defaultPage, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > maxPage {
		return 0, fmt.Errorf("limit is %.40q, want a number from 1 to %d", text, maxPage)
	}
	return n, nil
}

// parseTypes returns the events that the lists of names and globs mean, nil if
// there are no lists. A name that no event has is an error: it would match
// nothing, for ever.
func parseTypes(lists []string) (map[event.Name]bool, error) {
	if len(lists) == 0 {
		return nil, nil
	}
	names := make(map[event.Name]bool)
	for _, list := range lists {
		for pattern := range strings.SplitSeq(list, ",") {
			if pattern = strings.TrimSpace(pattern); pattern == "" {
				return nil, errors.New("types has an empty name: want names or globs of events with commas between them, such as track_*,participant_joined")
			}
			found := false
			for _, d := range event.Catalogue() {
				ok, err := path.Match(pattern, string(d.Name))
				if err != nil {
					return nil, fmt.Errorf("types has the glob %.40q, whose bracket is not closed", pattern)
				}
				if ok {
					names[d.Name], found = true, true
				}
			}
			if !found {
				return nil, fmt.Errorf("types has %.40q, which is no event; docs/events.md lists them", pattern)
			}
		}
	}
	return names, nil
}
