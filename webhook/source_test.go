package webhook_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/golang-jwt/jwt/v5"

	"github.com/rollcall-rtc/rollcall/webhook"
)

// logServer answers GET /events with what answer returns, to who has a token.
func logServer(t *testing.T, answer func(r *http.Request) (int, string)) *webhook.HTTPSource {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		claims := jwt.MapClaims{}
		_, err := jwt.ParseWithClaims(strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "), claims,
			func(*jwt.Token) (any, error) { return []byte("secret"), nil }, jwt.WithIssuer("devkey"), jwt.WithExpirationRequired())
		if err != nil || fmt.Sprint(claims["rollcall"]) != "map[events:true]" {
			http.Error(w, fmt.Sprint(err, claims), http.StatusUnauthorized)
			return
		}
		if r.URL.Path != "/events" || r.FormValue("wait") != "0" {
			http.Error(w, r.URL.String(), http.StatusNotFound)
			return
		}
		status, body := answer(r)
		w.WriteHeader(status)
		fmt.Fprint(w, body)
	}))
	t.Cleanup(srv.Close)
	return &webhook.HTTPSource{URL: srv.URL + "/", APIKey: "devkey", Secret: "secret"}
}

func TestHTTPSourceReadsPages(t *testing.T) {
	src := logServer(t, func(r *http.Request) (int, string) {
		if room := r.FormValue("room"); room != "a/b&c" || r.FormValue("after") != "7" || r.FormValue("limit") != "50" {
			return http.StatusBadRequest, r.URL.String()
		}
		return http.StatusOK, `{"events":[{"seq":9,"roomSeq":3,"id":"x","name":"room_started","time":"2026-11-23T12:00:00.000001Z",
			"room":"a/b&c","synthesized":true,"body":{"event":"room_started","id":"x","room":{"name":"a/b&c"},"future":1}}],"cursor":9,"done":false}`
	})
	events, cursor, err := src.ReadRoom(t.Context(), "a/b&c", 7, 50)
	if err != nil || len(events) != 1 || cursor != 9 {
		t.Fatalf("ReadRoom = %v, %d, %v", events, cursor, err)
	}
	ev := events[0]
	if d := ev.Delivery; ev.GetId() != "x" || ev.GetRoom().GetName() != "a/b&c" || d.Seq != 9 || d.RoomSeq != 3 || !d.Synthesized || d.OccurredAt.Nanosecond() != 1000 || len(ev.Raw) == 0 {
		t.Errorf("event is %v, %+v", ev.WebhookEvent, d)
	}
}

func TestHTTPSourceSaysWhyItCannotRead(t *testing.T) {
	status, body := http.StatusGone, `{"code":"out_of_range","message":"gone","earliest":40}`
	src := logServer(t, func(*http.Request) (int, string) { return status, body })
	_, _, err := src.ReadRoom(t.Context(), "", 7, 50)
	if expired, ok := errors.AsType[*webhook.ExpiredError](err); !ok || *expired != (webhook.ExpiredError{After: 7, Earliest: 40}) {
		t.Errorf("410 became %v", err)
	}
	for _, tc := range []struct {
		status int
		body   string
		says   string
	}{
		{http.StatusForbidden, "no grant", "no grant"},
		{http.StatusGone, "proxy", "410"},
		{http.StatusOK, "<html>", "read events"},
		{http.StatusOK, `{"events":[{"seq":3,"body":[]}]}`, "event 3"},
	} {
		status, body = tc.status, tc.body
		if _, _, err := src.ReadRoom(t.Context(), "", 0, 50); err == nil || !strings.Contains(err.Error(), tc.says) {
			t.Errorf("%d %s became %v", tc.status, tc.body, err)
		}
	}
	src.Secret = "wrong"
	if _, _, err := src.ReadRoom(t.Context(), "", 0, 50); err == nil || !strings.Contains(err.Error(), "401") {
		t.Errorf("a wrong secret became %v", err)
	}
}
