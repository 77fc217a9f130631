package httpapi

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/rollcall-rtc/rollcall/event"
)

// historyAPI serves /history: the room sessions that the log knows, those that are
// open and those that are over, the newest first.
//
//	room    of rooms of exactly this name
//	q       whose room's name or sid has this in it, in upper or lower case
//	open    true: that are not over; false: that are
//	until   that began before this time
//	before  that began before this event: the cursor of the page before
//	limit   the most sessions of a page
//
// A page is {sessions, cursor, done}. A search that finds little answers, after
// looking at a good number, with a short page that is not done.
type historyAPI struct {
	log  Log
	auth authenticator
}

func (h *historyAPI) routes() []route {
	return []route{
		{"GET", "/history", h.list},
		{"GET", "/history/{sid}", h.show},
	}
}

// sessionOfRoomJSON is a room session in the list.
type sessionOfRoomJSON struct {
	Room         string      `json:"room"`
	SID          string      `json:"sid"`
	Open         bool        `json:"open"`
	First        uint64      `json:"first"`
	Last         uint64      `json:"last,omitempty"`
	Events       uint64      `json:"events"`
	StartedAt    time.Time   `json:"startedAt"`
	EndedAt      time.Time   `json:"endedAt,omitzero"`
	Participants uint64      `json:"participants"`
	Actor        event.Actor `json:"actor,omitempty"`
	Reason       string      `json:"reason,omitempty"`
	Synthesized  bool        `json:"synthesized,omitempty"`
}

func newSessionOfRoomJSON(s *event.Session) sessionOfRoomJSON {
	return sessionOfRoomJSON{
		Room: s.Room, SID: s.SID, Open: s.Last == 0, First: s.First, Last: s.Last, Events: s.Events,
		StartedAt: s.Started, EndedAt: s.Ended, Participants: s.Participants,
		Actor: s.Actor, Reason: s.Reason, Synthesized: s.Synthesized,
	}
}

// historyQuery is which sessions are asked for.
type historyQuery struct {
	room, part string // part in lower case
	open, over bool   // one of them: those alone
	before     uint64
	until      time.Time
	limit      int
}

func parseHistoryQuery(query url.Values) (q historyQuery, err error) {
	q.room, q.part = query.Get("room"), strings.ToLower(query.Get("q"))
	switch text := query.Get("open"); text {
	case "":
	case "true":
		q.open = true
	case "false":
		q.over = true
	default:
		return q, badRequest("open is %.40q, want true or false", text)
	}
	if text := query.Get("before"); text != "" {
		if q.before, err = strconv.ParseUint(text, 10, 64); err != nil || q.before == 0 {
			return q, badRequest("before is %.40q, want the cursor of a page", text)
		}
	}
	if text := query.Get("until"); text != "" {
		if q.until, err = time.Parse(time.RFC3339, text); err != nil {
			return q, badRequest("until is %.40q, want a time such as 2026-11-23T18:00:00Z", text)
		}
	}
	if q.limit, err = parseLimit(query.Get("limit")); err != nil {
		return q, badRequest("%s", err)
	}
	return q, nil
}

func (q *historyQuery) match(s *event.Session) bool {
	switch {
	case q.room != "" && s.Room != q.room, q.open && s.Last > 0, q.over && s.Last == 0:
		return false
	case q.part == "":
		return true
	}
	return strings.Contains(strings.ToLower(s.Room), q.part) || strings.Contains(strings.ToLower(s.SID), q.part)
}

func (h *historyAPI) list(w http.ResponseWriter, r *http.Request) error {
	q, err := parseHistoryQuery(r.URL.Query())
	if err != nil {
		return err
	}
	claims, err := h.auth.bearer(r)
	if err != nil {
		return err
	}
	if q.room == "" {
		q.room = claims.EventsRoom() // of a token for one room
	}
	if err := claims.CanReadEvents(q.room); err != nil {
		return err
	}
	ctx := r.Context()
	if !q.until.IsZero() {
		at, err := h.log.At(ctx, q.until)
		if err != nil {
			return err
		}
		if q.before == 0 || at < q.before {
			q.before = at
		}
	}
	found, cursor, done, err := h.log.Sessions(ctx, q.before, q.limit, q.match)
	if err != nil {
		return err
	}
	out := struct {
		Sessions []sessionOfRoomJSON `json:"sessions"`
		Cursor   uint64              `json:"cursor"`
		Done     bool                `json:"done"`
	}{make([]sessionOfRoomJSON, 0, len(found)), cursor, done}
	for i := range found {
		out.Sessions = append(out.Sessions, newSessionOfRoomJSON(&found[i]))
	}
	w.Header().Set("Cache-Control", "no-store")
	writeJSON(w, http.StatusOK, out)
	return nil
}

func (h *historyAPI) show(w http.ResponseWriter, r *http.Request) error {
	claims, err := h.auth.bearer(r)
	if err != nil {
		return err
	}
	// Who may read nothing is not told which sessions there are.
	if err := claims.CanReadEvents(claims.EventsRoom()); err != nil {
		return err
	}
	sid := r.PathValue("sid")
	s, known, err := h.log.Session(r.Context(), sid)
	switch {
	case err != nil:
		return err
	case !known:
		return notFound("the log has no session %.80q: it never was, or has left the log", sid)
	}
	if err := claims.CanReadEvents(s.Room); err != nil {
		return err
	}
	w.Header().Set("Cache-Control", "no-store")
	writeJSON(w, http.StatusOK, newSessionOfRoomJSON(&s))
	return nil
}
