package httpapi

import (
	"fmt"
	"net/http"
	"time"
	"unicode/utf8"

	"github.com/rollcall-rtc/rollcall/internal/token"
)

const (
	// devTokenLife is long enough for a day's work on one open page.
	devTokenLife = 12 * time.Hour
	// maxDevName bounds, in bytes, what goes into a token.
	maxDevName = 256
)

// devTokens serves GET /dev/token?room=&identity=&name=: a token to join with,
// and one to read events with, for whoever asks. Its errors are plain text for
// a person.
type devTokens struct {
	key    string // immutable
	secret string // immutable
}

func (d devTokens) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet {
		refuseMethod(w, r, "GET")
		return
	}
	query := r.URL.Query()
	room, identity, name := query.Get("room"), query.Get("identity"), query.Get("name")
	for _, p := range []struct {
		name, value string
		required    bool
	}{{"room", room, true}, {"identity", identity, true}, {"name", name, false}} {
		switch {
		case p.required && p.value == "":
			http.Error(w, p.name+" is required", http.StatusBadRequest)
			return
		case len(p.value) > maxDevName:
			http.Error(w, fmt.Sprintf("%s is longer than %d bytes", p.name, maxDevName), http.StatusBadRequest)
			return
		case !utf8.ValidString(p.value):
			http.Error(w, p.name+" is not UTF-8", http.StatusBadRequest)
			return
		}
	}

	now := time.Now()
	join, err := token.Mint(d.key, d.secret, &token.Claims{
		Identity: identity,
		Name:     name,
		Video:    &token.VideoGrant{RoomJoin: true, Room: room, CanUpdateOwnMetadata: new(true)},
	}, now, devTokenLife)
	if err != nil {
		http.Error(w, "no token can be made: "+err.Error(), http.StatusInternalServerError)
		return
	}
	// It can only read, unlike a room admin's.
	read, err := token.Mint(d.key, d.secret, &token.Claims{
		Rollcall: &token.RollcallGrant{Events: true},
	}, now, devTokenLife)
	if err != nil {
		http.Error(w, "no token can be made: "+err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Cache-Control", "no-store")
	writeJSON(w, http.StatusOK, struct {
		Token       string `json:"token"`
		EventsToken string `json:"eventsToken"`
	}{join, read})
}
