package httpapi

import (
	"net/http"

	"github.com/rollcall-rtc/rollcall/internal/delivery"
)

// LogState is what the log holds, what it keeps, and for whom.
type LogState struct {
	// First and Last are the lowest and the highest seq that can be read.
	First uint64 `json:"first"`
	Last  uint64 `json:"last"`
	// Bytes of events are kept, before compression; 0 when nothing limits them.
	Bytes uint64 `json:"bytes"`
	// RetentionSeconds, RetentionBytes and Quota are the limits; 0 for none.
	RetentionSeconds int64  `json:"retentionSeconds"`
	RetentionBytes   uint64 `json:"retentionBytes"`
	Quota            uint64 `json:"quota"`
	// Full says that the quota is reached: of new events only LiveKit's and those
	// that open or close something are taken. Refused counts the others.
	Full    bool   `json:"full"`
	Refused uint64 `json:"refused"`
	// Needs are the endpoints, recoveries and consumers that have not acknowledged
	// all of it, the one that is furthest behind first.
	Needs []delivery.Place `json:"needs"`
}

// logAPI serves /log: what the log is like, and taking somebody out of it.
type logAPI struct {
	state     func() LogState
	forgetter Forgetter
	auth      authenticator
}

func (h *logAPI) routes() []route {
	return []route{
		{"GET", "/log", h.show},
		{"POST", "/log/forget", h.forget},
	}
}

// show is for who may read the events of all rooms.
func (h *logAPI) show(w http.ResponseWriter, r *http.Request) error {
	claims, err := h.auth.bearer(r)
	if err != nil {
		return err
	}
	if err := claims.CanReadEvents(""); err != nil {
		return err
	}
	state := h.state()
	if state.Needs == nil {
		state.Needs = []delivery.Place{}
	}
	w.Header().Set("Cache-Control", "no-store")
	writeJSON(w, http.StatusOK, state)
	return nil
}

// forget puts a pseudonym in the place of an identity, in all past events or in
// those of a room, and drops what else they tell of that person. It can be
// repeated, and has to be after an error. The answer comes when all is done, which
// for a long log takes a while.
func (h *logAPI) forget(w http.ResponseWriter, r *http.Request) error {
	claims, err := h.auth.bearer(r)
	if err != nil {
		return err
	}
	var in struct {
		Identity string `json:"identity"`
		Room     string `json:"room"`
	}
	if err := decodeJSON(w, r, &in); err != nil {
		return err
	}
	if err := claims.CanForget(in.Room); err != nil {
		return err
	}
	if in.Identity == "" {
		return badRequest(`the body wants the identity of the participant: {"identity": "ana"}`)
	}
	pseudonym, n, err := h.forgetter.Forget(r.Context(), in.Identity, in.Room)
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, struct {
		Pseudonym string `json:"pseudonym"`
		Events    int    `json:"events"`
	}{pseudonym, n})
	return nil
}

// checkRoom refuses what would hold back events of a log that is full.
func checkRoom(state LogState) error {
	if !state.Full {
		return nil
	}
	behind := ""
	if len(state.Needs) > 0 {
		n := state.Needs[0]
		behind = "; " + n.Kind + " " + n.Name + " is furthest behind"
	}
	return problemf(http.StatusInsufficientStorage, "resource_exhausted",
		"the event log has reached its quota, %d bytes of %d: raise log.quota, or let those catch up that GET /log names%s", state.Bytes, state.Quota, behind)
}
