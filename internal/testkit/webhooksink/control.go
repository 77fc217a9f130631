package webhooksink

import (
	"context"
	"encoding/json"
	"io"
	"log"
	"net/http"
	"strconv"
	"time"
)

// Rule is one line of a script from another process.
type Rule struct {
	// Room and Event restrict the rule; empty matches any.
	Room  string `json:"room,omitempty"`
	Event string `json:"event,omitempty"`
	// Times is how many requests it is for; 0 is all.
	Times int   `json:"times,omitempty"`
	Fault Fault `json:"fault"`
}

// Rules returns a script in which the first rule decides that matches and is
// not used up.
func Rules(rules ...Rule) func(*Delivery) Fault {
	used := make([]int, len(rules))
	return func(d *Delivery) Fault {
		for i, r := range rules {
			if r.Room != "" && r.Room != d.Room() || r.Event != "" && r.Event != d.Name() {
				continue
			}
			if r.Times > 0 && used[i] >= r.Times {
				continue
			}
			used[i]++
			return r.Fault
		}
		return Fault{}
	}
}

// Control serves the sink's records and takes its script:
//
//	GET  /deliveries?accepted=N&wait=5s   all deliveries, once N events were accepted or the time is over
//	PUT  /script                          a JSON array of Rule
//	POST /reset                           forget what arrived
func (s *Sink) Control() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /deliveries", func(w http.ResponseWriter, r *http.Request) {
		n, _ := strconv.Atoi(r.FormValue("accepted"))
		wait, _ := time.ParseDuration(r.FormValue("wait"))
		ctx, cancel := context.WithTimeout(r.Context(), wait)
		defer cancel()
		all, _ := s.Wait(ctx, n)
		w.Header().Set("Content-Type", "application/json")
		json.NewEncoder(w).Encode(all)
	})
	mux.HandleFunc("PUT /script", func(w http.ResponseWriter, r *http.Request) {
		var rules []Rule
		if err := json.NewDecoder(r.Body).Decode(&rules); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		s.Script(Rules(rules...))
	})
	mux.HandleFunc("POST /reset", func(http.ResponseWriter, *http.Request) { s.Reset() })
	return mux
}

// quiet keeps net/http from writing about connections that tests break.
func quiet() *log.Logger { return log.New(io.Discard, "", 0) }
