// Command chi receives webhooks in a chi router.
package main

import (
	"log"
	"net/http"

	"github.com/go-chi/chi/v5"
	"github.com/go-chi/chi/v5/middleware"

	"github.com/rollcall-rtc/rollcall/webhook"
)

func main() {
	log.Fatal(http.ListenAndServe("localhost:3000", router(webhook.Keys{"devkey": "secret"}, func(ev *webhook.Event) error {
		log.Println(ev.Delivery.Seq, ev.GetEvent(), ev.GetRoom().GetName(), ev.GetParticipant().GetIdentity())
		return nil
	})))
}

// router hands verified events to handle. What handle fails on is sent again.
func router(keys webhook.KeyProvider, handle func(*webhook.Event) error) http.Handler {
	r := chi.NewRouter()
	r.Use(middleware.Recoverer)
	r.Post("/webhook", func(w http.ResponseWriter, r *http.Request) {
		ev, err := webhook.Receive(r, keys)
		if err != nil {
			http.Error(w, err.Error(), http.StatusUnauthorized)
			return
		}
		if err := handle(ev); err != nil {
			http.Error(w, "try again", http.StatusInternalServerError)
		}
	})
	return r
}
