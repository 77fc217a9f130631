package delivery

import (
	"errors"
	"testing"
	"time"

	"github.com/rollcall-rtc/rollcall/event"
	"github.com/rollcall-rtc/rollcall/webhook"
)

func TestHeadersOfAToolVerifyLikeTheEngines(t *testing.T) {
	rec := &event.Record{Seq: 7, RoomSeq: 2, ID: "0190163d-8694-739b-aea5-966c26f8ad91", Name: event.RoomStarted, Body: []byte(`{"event":"room_started"}`)}
	h, err := Headers(Endpoint{URL: "http://localhost:3000", APIKey: "k", Secret: "s"}, rec, 3, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	rc := webhook.Receiver{Keys: webhook.Keys{"k": "s"}}
	ev, err := rc.Verify(rec.Body, h.Get("Authorization"))
	if err != nil || ev.Delivery.Seq != 7 || ev.Delivery.RoomSeq != 2 || ev.Delivery.Attempt != 3 {
		t.Errorf("%+v, %v", ev, err)
	}
	if _, err := Headers(Endpoint{URL: "ftp://x", APIKey: "k", Secret: "s"}, rec, 1, time.Now()); !errors.Is(err, ErrEndpoint) {
		t.Errorf("a bad URL: %v", err)
	}
}
