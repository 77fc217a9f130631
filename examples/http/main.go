// Command http receives webhooks with net/http alone.
package main

import (
	"log"
	"net/http"

	"github.com/rollcall-rtc/rollcall/webhook"
)

func main() {
	keys := webhook.Keys{"devkey": "secret"}
	http.HandleFunc("POST /webhook", func(w http.ResponseWriter, r *http.Request) {
		ev, err := webhook.Receive(r, keys)
		if err != nil {
			http.Error(w, err.Error(), http.StatusUnauthorized)
			return
		}
		log.Println(ev.Delivery.Seq, ev.GetEvent(), ev.GetRoom().GetName(), ev.GetParticipant().GetIdentity())
	})
	log.Fatal(http.ListenAndServe("localhost:3000", nil))
}
