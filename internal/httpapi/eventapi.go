package httpapi

import (
	"net/http"
	"time"

	"github.com/rollcall-rtc/rollcall/event"
	"github.com/rollcall-rtc/rollcall/internal/delivery"
)

// eventAPI serves one event: what it is, and what became of it.
type eventAPI struct {
	log        Log
	deliveries Deliveries
	auth       authenticator
}

func (h *eventAPI) routes() []route {
	return []route{
		{"GET", "/events/{id}", h.show},
		{"GET", "/events/{id}/why", h.why},
	}
}

// find returns the event of the path, by id or seq, if the bearer may read it.
func (h *eventAPI) find(r *http.Request) (event.Record, error) {
	claims, err := h.auth.bearer(r)
	if err != nil {
		return event.Record{}, err
	}
	// Who may read nothing is not told which events there are.
	room := claims.EventsRoom()
	if err := claims.CanReadEvents(room); err != nil {
		return event.Record{}, err
	}
	rec, err := findEvent(r.Context(), h.log, r.PathValue("id"))
	if err != nil {
		return rec, err
	}
	return rec, claims.CanReadEvents(rec.Room)
}

func (h *eventAPI) show(w http.ResponseWriter, r *http.Request) error {
	rec, err := h.find(r)
	if err != nil {
		return err
	}
	writeBody(w, http.StatusOK, append(appendRecord(nil, &rec), '\n'))
	return nil
}

// whyJSON is what became of an event.
type whyJSON struct {
	Event     recordJSON        `json:"event"`
	Endpoints []endpointWhyJSON `json:"endpoints"`
}

type endpointWhyJSON struct {
	Endpoint string        `json:"endpoint"`
	URL      string        `json:"url"`
	Fate     delivery.Fate `json:"fate"`
	Because  string        `json:"because"`
	Behind   uint64        `json:"behind,omitempty"`
	Next     time.Time     `json:"next,omitzero"`
	Attempts []attemptJSON `json:"attempts"`
}

// why tells of each endpoint what became of the event there, which attempts
// were made and what is next. It shows endpoints, and so wants their grant.
func (h *eventAPI) why(w http.ResponseWriter, r *http.Request) error {
	claims, err := h.auth.bearer(r)
	if err != nil {
		return err
	}
	if err := claims.CanManageEndpoints(); err != nil {
		return err
	}
	rec, err := findEvent(r.Context(), h.log, r.PathValue("id"))
	if err != nil {
		return err
	}
	x, err := h.deliveries.Why(r.Context(), rec.Seq)
	if err != nil {
		return err
	}
	out := whyJSON{Event: recordJSON{&rec}, Endpoints: []endpointWhyJSON{}}
	for _, e := range x.Endpoints {
		out.Endpoints = append(out.Endpoints, endpointWhyJSON{e.Endpoint, e.URL, e.Fate, e.Because, e.Behind, e.Next, attemptsJSON(e.Attempts)})
	}
	w.Header().Set("Cache-Control", "no-store")
	writeJSON(w, http.StatusOK, out)
	return nil
}
