package httpapi

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/livekit/protocol/livekit"

	"github.com/rollcall-rtc/rollcall/event"
	"github.com/rollcall-rtc/rollcall/internal/eventlog"
	"github.com/rollcall-rtc/rollcall/internal/eventlog/memory"
	"github.com/rollcall-rtc/rollcall/internal/token"
)

// newHistory is an API on a real log with six sessions: den, attic, den, … of
// which all but the last two are over.
func newHistory(t *testing.T) *api {
	t.Helper()
	log, err := eventlog.Open(eventlog.Options{Store: memory.New()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = log.Close(t.Context()) })
	var last uint64
	for i := range 6 {
		at := time.Date(2026, 11, 20+i, 9, 0, 0, 0, time.UTC)
		room := &livekit.Room{Sid: fmt.Sprintf("RM_%c", 'a'+i), Name: []string{"den", "Attic"}[i%2]}
		last = log.Append(
			event.Event{Name: event.RoomStarted, Time: at, Room: room},
			event.Event{Name: event.ParticipantJoined, Time: at, Room: room, Participant: &livekit.ParticipantInfo{Sid: "PA_1", Identity: "ana"}})
		if i < 4 {
			last = log.Append(
				event.Event{Name: event.ParticipantLeft, Time: at, Room: room, Participant: &livekit.ParticipantInfo{Sid: "PA_1", Identity: "ana"}},
				event.Event{Name: event.RoomFinished, Time: at.Add(time.Hour), Room: room, Actor: event.ActorServer, Reason: "departure_timeout"})
		}
	}
	if err := log.Sync(t.Context(), last); err != nil {
		t.Fatal(err)
	}
	return newAPI(t, func(o *Options) { o.Log = deliveringLog{log} })
}

// listed are the sids of an answer.
func listed(v map[string]any) string {
	var sids []string
	for _, s := range v["sessions"].([]any) {
		sids = append(sids, s.(map[string]any)["sid"].(string))
	}
	return strings.Join(sids, " ")
}

func TestHistoryListsSessionsTheNewestFirst(t *testing.T) {
	a := newHistory(t)
	for query, want := range map[string]string{
		"":                                 "RM_f RM_e RM_d RM_c RM_b RM_a",
		"?room=den":                        "RM_e RM_c RM_a",
		"?q=att":                           "RM_f RM_d RM_b",
		"?q=rm_c":                          "RM_c",
		"?room=den&open=false":             "RM_c RM_a",
		"?open=true":                       "RM_f RM_e",
		"?limit=2":                         "RM_f RM_e",
		"?until=2000-01-01T00:00:00Z":      "",
		"?until=2999-01-01T00:00:00Z&q=RM": "RM_f RM_e RM_d RM_c RM_b RM_a",
		"?room=cellar":                     "",
	} {
		if got := listed(a.wantStatus(t, eventsGrant(), "GET", "/history"+query, "", 200)); got != want {
			t.Errorf("%s: %s, want %s", query, got, want)
		}
	}
	var all []string
	for path := "/history?limit=2&open=false"; ; {
		page := a.wantStatus(t, eventsGrant(), "GET", path, "", 200)
		all = append(all, listed(page))
		if page["done"] == true {
			break
		}
		path = fmt.Sprintf("/history?limit=2&open=false&before=%.0f", page["cursor"])
	}
	if got := strings.TrimSpace(strings.Join(all, " ")); got != "RM_d RM_c RM_b RM_a" {
		t.Errorf("page by page: %s", got)
	}
}

func TestHistoryShowsHowASessionWas(t *testing.T) {
	a := newHistory(t)
	over := a.wantStatus(t, eventsGrant(), "GET", "/history/RM_c", "", 200)
	for field, want := range map[string]any{
		"room": "den", "open": false, "first": 9.0, "last": 12.0, "events": 4.0, "participants": 1.0,
		"startedAt": "2026-11-22T09:00:00Z", "endedAt": "2026-11-22T10:00:00Z", "actor": "server", "reason": "departure_timeout",
	} {
		if over[field] != want {
			t.Errorf("%s is %v, want %v", field, over[field], want)
		}
	}
	open := a.wantStatus(t, eventsGrant(), "GET", "/history/RM_e", "", 200)
	if open["open"] != true || open["last"] != nil || open["events"] != 2.0 || open["endedAt"] != nil {
		t.Errorf("an open one: %v", open)
	}
	// The state of a session in the middle of the room's life needs none of the others.
	state := a.wantStatus(t, eventsGrant(), "GET", "/rooms/RM_c/state?seq=10", "", 200)
	if state["whole"] != true || state["live"] != true || len(state["participants"].([]any)) != 1 {
		t.Errorf("state: %v", state)
	}
}

func TestHistoryIsForWhoMayReadEvents(t *testing.T) {
	a := newHistory(t)
	ofDen := eventsOf("den")
	if got := listed(a.wantStatus(t, ofDen, "GET", "/history", "", 200)); got != "RM_e RM_c RM_a" {
		t.Errorf("a token for den sees %s", got)
	}
	a.wantStatus(t, ofDen, "GET", "/history?room=Attic", "", 403)
	a.wantStatus(t, ofDen, "GET", "/history/RM_b", "", 403)
	a.wantStatus(t, ofDen, "GET", "/history/RM_a", "", 200)
	a.wantStatus(t, token.Claims{}, "GET", "/history", "", 403)
	a.wantStatus(t, token.Claims{}, "GET", "/history/RM_a", "", 403)
	wantError(t, a.request(t, "GET", "/history", ""), 401, "unauthenticated", "token")
	for path, says := range map[string]string{
		"/history?open=maybe": "open", "/history?before=x": "before", "/history?before=0": "before",
		"/history?until=monday": "until", "/history?limit=0": "limit",
	} {
		wantError(t, a.request(t, "GET", path, "", "Authorization", "Bearer "+mint(t, eventsGrant())), 400, "invalid_argument", says)
	}
	a.wantStatus(t, eventsGrant(), "GET", "/history/RM_unknown", "", 404)
}
