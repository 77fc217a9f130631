package httpapi

import (
	"net/http"
	"slices"
	"time"

	"github.com/rollcall-rtc/rollcall/internal/token"
)

// consumerAPI serves /consumers: who may read a room's events may have
// consumers of that room.
type consumerAPI struct {
	consumers *Consumers
	log       Log
	state     func() LogState
	auth      authenticator
}

func (h *consumerAPI) routes() []route {
	return []route{
		{"GET", "/consumers", h.list},
		{"GET", "/consumers/{name}", h.show},
		{"PUT", "/consumers/{name}", h.put},
		{"DELETE", "/consumers/{name}", h.delete},
		{"POST", "/consumers/{name}/ack", h.ack},
	}
}

// consumerJSON is a consumer as it is shown.
type consumerJSON struct {
	Consumer
	// Lag is how many events of the log, of all rooms and types, are after the
	// cursor.
	Lag uint64 `json:"lag"`
	// Earliest is above Cursor+1 when the consumer has lost events to retention.
	Earliest uint64 `json:"earliest"`
}

func (h *consumerAPI) shown(c Consumer) consumerJSON {
	last := h.log.Last()
	return consumerJSON{Consumer: c, Lag: last - min(last, c.Cursor), Earliest: h.log.First()}
}

func (h *consumerAPI) list(w http.ResponseWriter, r *http.Request) error {
	claims, err := h.auth.bearer(r)
	if err != nil {
		return err
	}
	room := claims.EventsRoom()
	if err := claims.CanReadEvents(room); err != nil {
		return err
	}
	all, err := h.consumers.all()
	if err != nil {
		return err
	}
	shown := []consumerJSON{}
	for _, c := range all {
		if room == "" || c.Room == room {
			shown = append(shown, h.shown(c))
		}
	}
	writeJSON(w, http.StatusOK, struct {
		Consumers []consumerJSON `json:"consumers"`
	}{shown})
	return nil
}

// find returns the consumer of the path, if the bearer may use it.
func (h *consumerAPI) find(r *http.Request) (Consumer, *token.Claims, error) {
	claims, err := h.auth.bearer(r)
	if err != nil {
		return Consumer{}, nil, err
	}
	name := r.PathValue("name")
	c, ok, err := h.consumers.consumer(name)
	switch {
	case err != nil:
		return c, nil, err
	case !ok:
		// Who may read no events is not told which consumers there are.
		if err := claims.CanReadEvents(claims.EventsRoom()); err != nil {
			return c, nil, err
		}
		return c, nil, notFound("there is no consumer %.64q: make it with PUT /consumers/{name}", name)
	}
	return c, claims, claims.CanReadEvents(c.Room)
}

func (h *consumerAPI) show(w http.ResponseWriter, r *http.Request) error {
	c, _, err := h.find(r)
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, h.shown(c))
	return nil
}

// put makes a consumer, at the end of the log unless after says where, or
// changes one: without after its cursor stays.
func (h *consumerAPI) put(w http.ResponseWriter, r *http.Request) error {
	claims, err := h.auth.bearer(r)
	if err != nil {
		return err
	}
	name := r.PathValue("name")
	if !isConsumerName(name) {
		return badRequest("the consumer's name is %.80q, want %s", name, consumerNames)
	}
	var in struct {
		After *uint64  `json:"after"`
		Room  string   `json:"room"`
		Types []string `json:"types"`
	}
	if err := decodeJSON(w, r, &in); err != nil {
		return err
	}
	if err := claims.CanReadEvents(in.Room); err != nil {
		return err
	}
	if _, err := parseTypes(in.Types); err != nil {
		return badRequest("%s", err)
	}
	last, earliest := h.log.Last(), h.log.First()
	if in.After != nil && *in.After > last {
		return problemf(http.StatusBadRequest, "out_of_range", "after=%d is ahead of the log, whose last event is %d", *in.After, last)
	}
	c, created, err := h.consumers.change(r.Context(), name, func(c Consumer, exists bool) (Consumer, error) {
		if exists {
			if err := claims.CanReadEvents(c.Room); err != nil {
				return c, err
			}
		} else {
			all, err := h.consumers.all()
			if err != nil {
				return c, err
			}
			if len(all) >= maxConsumers {
				return c, problemf(http.StatusTooManyRequests, "resource_exhausted", "there are %d consumers; delete those that nobody uses", len(all))
			}
			if err := checkRoom(h.state()); err != nil {
				return c, err
			}
			c = Consumer{Name: name, Cursor: last, Created: time.Now().UTC()}
		}
		c.Room, c.Types = in.Room, slices.Clone(in.Types)
		if in.After != nil {
			// 0 is the beginning, wherever that is.
			after := *in.After
			if after == 0 && earliest > 0 {
				after = earliest - 1
			}
			if after < c.Cursor {
				if err := checkRoom(h.state()); err != nil {
					return c, err
				}
			}
			c.Cursor = after
		}
		return c, nil
	})
	if err != nil {
		return err
	}
	status := http.StatusOK
	if created {
		status = http.StatusCreated
	}
	writeJSON(w, status, h.shown(c))
	return nil
}

func (h *consumerAPI) delete(w http.ResponseWriter, r *http.Request) error {
	c, _, err := h.find(r)
	if err != nil {
		return err
	}
	if err := h.consumers.remove(r.Context(), c.Name); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// ack moves the cursor forward; an acknowledgement of what is acknowledged
// already changes nothing, so that it can be repeated. The answer is sent when
// the cursor is durable.
func (h *consumerAPI) ack(w http.ResponseWriter, r *http.Request) error {
	c, claims, err := h.find(r)
	if err != nil {
		return err
	}
	var in struct {
		Seq *uint64 `json:"seq"`
	}
	if err := decodeJSON(w, r, &in); err != nil {
		return err
	}
	if in.Seq == nil {
		return badRequest(`the body wants the seq of the last event that is done with: {"seq": 42}`)
	}
	if last := h.log.Last(); *in.Seq > last {
		return problemf(http.StatusBadRequest, "out_of_range", "seq %d is ahead of the log, whose last event is %d", *in.Seq, last)
	}
	if *in.Seq > c.Cursor {
		c, _, err = h.consumers.change(r.Context(), c.Name, func(c Consumer, exists bool) (Consumer, error) {
			if !exists {
				return c, notFound("the consumer was deleted meanwhile")
			}
			if err := claims.CanReadEvents(c.Room); err != nil {
				return c, err
			}
			if *in.Seq > c.Cursor {
				c.Cursor, c.AckedAt = *in.Seq, time.Now().UTC()
			}
			return c, nil
		})
		if err != nil {
			return err
		}
	}
	writeJSON(w, http.StatusOK, h.shown(c))
	return nil
}
