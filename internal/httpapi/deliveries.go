package httpapi

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"github.com/rollcall-rtc/rollcall/event"
	"github.com/rollcall-rtc/rollcall/internal/delivery"
)

// The routes in this file are about what was delivered to an endpoint, and
// about delivering it again.

// test sends a signed sample and shows how that went: 200 whatever the
// receiver said.
func (h *endpointAPI) test(c *call) error {
	a, err := h.deliveries.Test(c.Context(), c.id)
	if err != nil {
		return err
	}
	writeJSON(c.w, http.StatusOK, attemptJSON(a))
	return nil
}

func (h *endpointAPI) attempts(c *call) error {
	limit, err := parseLimit(c.URL.Query().Get("limit"))
	if err != nil {
		return badRequest("%s", err)
	}
	list, err := h.deliveries.Attempts(c.Context(), c.id, limit)
	if err != nil {
		return err
	}
	writeJSON(c.w, http.StatusOK, struct {
		Attempts []attemptJSON `json:"attempts"`
	}{attemptsJSON(list)})
	return nil
}

// lanes shows what waits, and why.
func (h *endpointAPI) lanes(c *call) error {
	limit, err := parseLimit(c.URL.Query().Get("limit"))
	if err != nil {
		return badRequest("%s", err)
	}
	list, err := h.deliveries.Lanes(c.Context(), c.id, limit)
	if err != nil {
		return err
	}
	if list == nil {
		list = []delivery.LaneStats{}
	}
	writeJSON(c.w, http.StatusOK, struct {
		Lanes []delivery.LaneStats `json:"lanes"`
	}{list})
	return nil
}

// redeliver sends one event once more, whatever the filter, and shows how that
// went.
func (h *endpointAPI) redeliver(c *call) error {
	var in struct {
		Event string `json:"event"`
		Seq   uint64 `json:"seq"`
	}
	if err := decodeJSON(c.w, c.Request, &in); err != nil {
		return err
	}
	if (in.Event == "") == (in.Seq == 0) {
		return badRequest(`the body wants the event's id or its seq: {"event": "0190163d-…"} or {"seq": 42}`)
	}
	if in.Event != "" {
		rec, err := findEvent(c.Context(), h.log, in.Event)
		if err != nil {
			return err
		}
		in.Seq = rec.Seq
	}
	a, err := h.deliveries.Redeliver(c.Context(), c.id, in.Seq)
	if err != nil {
		return err
	}
	writeJSON(c.w, http.StatusOK, attemptJSON(a))
	return nil
}

func (h *endpointAPI) deadLetters(c *call) error {
	query := c.URL.Query()
	limit, err := parseLimit(query.Get("limit"))
	if err != nil {
		return badRequest("%s", err)
	}
	var after uint64
	if text := query.Get("after"); text != "" {
		if after, err = strconv.ParseUint(text, 10, 64); err != nil {
			return badRequest("after is %.40q, want the seq of an event", text)
		}
	}
	list, err := h.deliveries.DeadLetters(c.Context(), c.id, after, limit)
	if err != nil {
		return err
	}
	out := struct {
		DeadLetters []delivery.DeadLetter `json:"deadLetters"`
		Cursor      uint64                `json:"cursor"`
	}{list, after}
	if list == nil {
		out.DeadLetters = []delivery.DeadLetter{}
	}
	for _, d := range list {
		out.Cursor = max(out.Cursor, d.Seq)
	}
	writeJSON(c.w, http.StatusOK, out)
	return nil
}

// redrive tries dead letters again at once: those of the body, or all.
func (h *endpointAPI) redrive(c *call) error {
	var in struct {
		Seqs []uint64 `json:"seqs"`
		All  bool     `json:"all"`
	}
	if err := decodeJSON(c.w, c.Request, &in); err != nil {
		return err
	}
	if in.All == (len(in.Seqs) > 0) {
		return badRequest(`the body wants seqs of dead letters, or all: {"seqs": [42]} or {"all": true}`)
	}
	n, err := h.deliveries.Redrive(c.Context(), c.id, in.Seqs...)
	if err != nil {
		return err
	}
	writeJSON(c.w, http.StatusOK, struct {
		Redriven int `json:"redriven"`
	}{n})
	return nil
}

// dismiss forgets dead letters: those of the query, or all.
func (h *endpointAPI) dismiss(c *call) error {
	query := c.URL.Query()
	var seqs []uint64
	for _, text := range query["seq"] {
		seq, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			return badRequest("seq is %.40q, want the seq of an event", text)
		}
		seqs = append(seqs, seq)
	}
	if all := query.Get("all"); all != "" && all != "true" || (all == "true") == (len(seqs) > 0) {
		return badRequest("the query wants seqs of dead letters, or all: ?seq=42&seq=43 or ?all=true")
	}
	n, err := h.deliveries.Dismiss(c.Context(), c.id, seqs...)
	if err != nil {
		return err
	}
	writeJSON(c.w, http.StatusOK, struct {
		Dismissed int `json:"dismissed"`
	}{n})
	return nil
}

// recoverInput is delivery.RecoverRequest without its endpoint, which the path
// names.
type recoverInput struct {
	After   uint64           `json:"after"`
	Through uint64           `json:"through"`
	Since   time.Time        `json:"since"`
	Until   time.Time        `json:"until"`
	Filter  *delivery.Filter `json:"filter"`
	Rate    float64          `json:"rate"`
	ToURL   string           `json:"toUrl"`
}

// recover begins to send a part of the log again, in order.
func (h *endpointAPI) recover(c *call) error {
	var in recoverInput
	if err := decodeJSON(c.w, c.Request, &in); err != nil {
		return err
	}
	if last := h.log.Last(); in.After > last {
		return problemf(http.StatusBadRequest, "out_of_range", "after=%d is ahead of the log, whose last event is %d", in.After, last)
	}
	if earliest := h.log.First(); in.After > 0 && in.After+1 < earliest {
		return &expired{after: in.After, earliest: earliest}
	}
	if err := checkRoom(h.state()); err != nil {
		return err
	}
	id, err := h.deliveries.Recover(c.Context(), delivery.RecoverRequest{
		Endpoint: c.id, After: in.After, Through: in.Through, Since: in.Since, Until: in.Until,
		Filter: in.Filter, Rate: in.Rate, ToURL: in.ToURL,
	})
	if err != nil {
		return err
	}
	rec, err := h.deliveries.Recovery(id)
	if err != nil {
		return err
	}
	c.w.Header().Set("Location", "/recoveries/"+id)
	writeJSON(c.w, http.StatusAccepted, rec)
	return nil
}

func (h *endpointAPI) recoveries(c *call) error {
	list := h.deliveries.Recoveries()
	if list == nil {
		list = []delivery.Recovery{}
	}
	writeJSON(c.w, http.StatusOK, struct {
		Recoveries []delivery.Recovery `json:"recoveries"`
	}{list})
	return nil
}

func (h *endpointAPI) recovery(c *call) error {
	rec, err := h.deliveries.Recovery(c.id)
	if err != nil {
		return err
	}
	writeJSON(c.w, http.StatusOK, rec)
	return nil
}

// cancel ends a recovery where it is; what it has sent stays sent.
func (h *endpointAPI) cancel(c *call) error {
	if err := h.deliveries.CancelRecovery(c.Context(), c.id); err != nil {
		return err
	}
	return h.recovery(c)
}

// findEvent returns the event that a caller names by id or seq.
func findEvent(ctx context.Context, log Log, name string) (event.Record, error) {
	seq, err := strconv.ParseUint(name, 10, 64)
	if err != nil {
		return log.ByID(ctx, name)
	}
	if earliest := log.First(); seq > 0 && seq < earliest {
		return event.Record{}, &expired{after: seq - 1, earliest: earliest}
	}
	if seq > 0 && seq <= log.Last() {
		records, err := log.Read(ctx, seq-1, 1)
		if err != nil {
			return event.Record{}, err
		}
		if len(records) == 1 && records[0].Seq == seq {
			return records[0], nil
		}
	}
	return event.Record{}, notFound("the log has no event with the seq %d: its last is %d", seq, log.Last())
}
