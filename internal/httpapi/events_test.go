package httpapi

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-rtc/rollcall/event"
	"github.com/rollcall-rtc/rollcall/internal/token"
)

// want reads the stream up to here, which is at most 10 s away.
func (a *api) wantStream(t *testing.T, resp *http.Response, want string) {
	t.Helper()
	late := time.AfterFunc(10*time.Second, a.CloseClientConnections)
	defer late.Stop()
	got := make([]byte, len(want))
	n, err := io.ReadFull(resp.Body, got)
	if diff := cmp.Diff(want, string(got[:n])); diff != "" {
		t.Fatalf("stream (-want +got), then %v:\n%s", err, diff)
	}
}

// line is the JSON of memLog's record seq.
func line(seq uint64, room, body string) string {
	return fmt.Sprintf(`{"seq":%d,"roomSeq":%d,"id":"id-%d","name":"room_started","time":"2026-11-23T12:00:00.%06dZ",`+
		`"room":"%s","roomSid":"RM_%s","participantSid":"","identity":"","trackSid":"","synthesized":false,"actor":"client","reason":"","committed":null,"body":%s}`,
		seq, seq, seq, seq, room, room, body)
}

func sse(seq uint64, room, body string) string {
	return fmt.Sprintf("id: %d\ndata: %s\n\n", seq, line(seq, room, body))
}

func TestEventStreamShowsPastAndThenPresent(t *testing.T) {
	a := newAPI(t)
	a.log.append("den", `{"event":"one","x":"<&>\u2028"}`, `{"event":"two"}`)
	resp := a.request(t, "GET", "/events", "", "Authorization", "Bearer "+mint(t, eventsGrant()))
	if resp.StatusCode != 200 || resp.Header.Get("Content-Type") != "text/event-stream" || resp.Header.Get("Cache-Control") != "no-store" {
		t.Fatalf("got %d %v", resp.StatusCode, resp.Header)
	}
	a.wantStream(t, resp, sse(1, "den", `{"event":"one","x":"<&>\u2028"}`)+sse(2, "den", `{"event":"two"}`))
	a.log.append("attic", `{"event":"three"}`)
	a.wantStream(t, resp, sse(3, "attic", `{"event":"three"}`))
}

func TestEventStreamOfARoomShowsThatRoomOnly(t *testing.T) {
	a := newAPI(t)
	a.log.append("den", `{"n":1}`)
	a.log.append("attic", `{"n":2}`)
	resp := a.request(t, "GET", "/events?room=den&access_token="+mint(t, adminOf("den")), "")
	a.wantStream(t, resp, sse(1, "den", `{"n":1}`))
	a.log.append("attic", `{"n":3}`)
	a.log.append("den", `{"n":4}`)
	a.wantStream(t, resp, sse(4, "den", `{"n":4}`))
}

func TestEventStreamGoesOnAfterACursor(t *testing.T) {
	a := newAPI(t)
	a.log.append("den", `{"n":1}`, `{"n":2}`, `{"n":3}`)
	auth := "Bearer " + mint(t, eventsGrant())
	for _, tc := range []struct {
		query, lastID string
		first         uint64
	}{
		{"", "", 1},
		{"?after=0", "", 1},
		{"?after=1", "", 2},
		{"", "2", 3},
		{"?after=1", "2", 3}, // the URL of an EventSource is that of its first connection
	} {
		resp := a.request(t, "GET", "/events"+tc.query, "", "Authorization", auth, "Last-Event-ID", tc.lastID)
		a.wantStream(t, resp, sse(tc.first, "den", fmt.Sprintf(`{"n":%d}`, tc.first)))
	}
}

func TestEventStreamReadsALongLogInBatches(t *testing.T) {
	a := newAPI(t)
	bodies := make([]string, 3*streamBatch+7)
	for i := range bodies {
		bodies[i] = fmt.Sprintf(`{"n":%d}`, i+1)
	}
	a.log.append("den", bodies...)
	resp := a.request(t, "GET", "/events", "", "Authorization", "Bearer "+mint(t, eventsGrant()), "Accept", "application/x-ndjson")
	if ct := resp.Header.Get("Content-Type"); ct != "application/x-ndjson" {
		t.Errorf("content type %q", ct)
	}
	lines := bufio.NewScanner(resp.Body)
	for i, body := range bodies {
		if !lines.Scan() {
			t.Fatalf("line %d: %v", i, lines.Err())
		}
		if got := lines.Text(); got != line(uint64(i+1), "den", body) {
			t.Fatalf("line %d is %s", i, got)
		}
	}
}

func TestEventStreamEndsWithTheServerAfterTheLastRecord(t *testing.T) {
	a := newAPI(t)
	a.log.append("den", `{"n":1}`)
	resp := a.request(t, "GET", "/events?room=den", "", "Authorization", "Bearer "+mint(t, eventsGrant()))
	a.wantStream(t, resp, sse(1, "den", `{"n":1}`))
	a.log.append("den", `{"n":2}`)
	close(a.drain)
	a.log.append("attic", `{"n":3}`)
	late := time.AfterFunc(10*time.Second, a.CloseClientConnections)
	defer late.Stop()
	if got := text(t, resp); got != sse(2, "den", `{"n":2}`) {
		t.Errorf("the rest of the stream is %q", got)
	}
	// A client that comes late gets what there is, and the end.
	resp = a.request(t, "GET", "/events?after=2", "", "Authorization", "Bearer "+mint(t, eventsGrant()))
	if got := text(t, resp); got != sse(3, "attic", `{"n":3}`) {
		t.Errorf("a stream of a draining server is %q", got)
	}
}

func TestEventsNeedAGrant(t *testing.T) {
	a := newAPI(t)
	for _, tc := range []struct {
		name, query, token string
		status             int
		code, says         string
	}{
		{"no token", "?room=den", "", 401, "unauthenticated", "no access token"},
		{"bad token", "?room=den", "x.y", 401, "unauthenticated", "malformed"},
		{"no grant", "?room=den", mint(t, token.Claims{}), 403, "permission_denied", "rollcall.events"},
		{"a join's grant", "?room=den", mint(t, token.Claims{Identity: "ana", Video: &token.VideoGrant{RoomJoin: true, Room: "den"}}),
			403, "permission_denied", "roomAdmin"},
		{"admin of another room", "?room=den", mint(t, adminOf("attic")), 403, "permission_denied", "attic"},
		{"admin of one room, for all", "", mint(t, adminOf("den")), 403, "permission_denied", "rollcall.events"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			headers := []string{}
			if tc.token != "" {
				headers = append(headers, "Authorization", "Bearer "+tc.token)
			}
			wantError(t, a.request(t, "GET", "/events"+tc.query, "", headers...), tc.status, tc.code, tc.says)
		})
	}
}

func TestEventsTellWhatIsWrongWithTheQuestion(t *testing.T) {
	a := newAPI(t)
	a.log.append("den", `{}`)
	auth := []string{"Authorization", "Bearer " + mint(t, eventsGrant())}
	for query, says := range map[string]string{
		"?room=":                      "room is empty",
		"?after=-1":                   "after",
		"?after=x":                    "after",
		"?after=18446744073709551616": "after",
		"?wait=x":                     "wait",
		"?wait=51":                    "wait",
		"?types=":                     "empty name",
		"?types=room_started,":        "empty name",
		"?types=nothing_*":            "no event",
		"?types=[":                    "bracket",
		"?consumer=a/b":               "consumer",
		"?consumer=a&after=1":         "both given",
		"?wait=0&limit=0":             "limit",
		"?wait=0&limit=1001":          "limit",
		"?limit=x":                    "limit",
	} {
		wantError(t, a.request(t, "GET", "/events"+query, "", auth...), 400, "invalid_argument", says)
	}
	wantError(t, a.request(t, "GET", "/events", "", append(auth, "Last-Event-ID", "abc")...), 400, "invalid_argument", "Last-Event-ID")
	wantError(t, a.request(t, "GET", "/events?after=2", "", auth...), 400, "out_of_range", "ahead of the log")
	wantError(t, a.request(t, "POST", "/events", "", auth...), 405, "invalid_argument", "GET")
	a.log.fail = errors.New("disk at /var/x is gone")
	wantError(t, a.request(t, "GET", "/events", "", auth...), 500, "internal", "cannot be read")
	if !strings.Contains(a.logs.String(), "/var/x") {
		t.Error("the cause is not in the log")
	}
}

func TestEventPageHasACursorToGoOnFrom(t *testing.T) {
	a := newAPI(t)
	a.log.append("den", `{"n":1}`, `{"x":"<&>"}`)
	a.log.append("attic", `{"n":3}`)
	a.log.append("den", `{"n":4}`)
	a.log.append("attic", `{"n":5}`)
	for _, tc := range []struct {
		query string
		want  string
	}{
		{"?wait=0&room=den&limit=2", `{"events":[` + line(1, "den", `{"n":1}`) + "," + line(2, "den", `{"x":"<&>"}`) + `],"cursor":2,"done":false}`},
		{"?wait=0&room=den&after=2", `{"events":[` + line(4, "den", `{"n":4}`) + `],"cursor":5,"done":true}`},
		{"?wait=0&room=den&after=4", `{"events":[],"cursor":5,"done":true}`},
		{"?wait=0&after=5", `{"events":[],"cursor":5,"done":true}`},
	} {
		resp := a.request(t, "GET", "/events"+tc.query, "", "Authorization", "Bearer "+mint(t, eventsGrant()))
		got := strings.TrimSpace(text(t, resp))
		if resp.StatusCode != 200 || resp.Header.Get("Content-Type") != "application/json" || got != tc.want {
			t.Errorf("%s: %d %s\nwant %s", tc.query, resp.StatusCode, got, tc.want)
		}
	}
}

func TestRecordJSONHasEveryField(t *testing.T) {
	// 12:00 in a zone east of UTC, with nanoseconds that are cut.
	at := time.Date(2026, 11, 23, 12, 0, 0, 123456789, time.FixedZone("", 3600))
	r := event.Record{
		Seq: 7, RoomSeq: 3, ID: "0197", Name: event.TrackPublished, Room: "d\"é<n", RoomSID: "RM_a",
		ParticipantSID: "PA_a", Identity: "ana", TrackSID: "TR_a", Time: at, Synthesized: true,
		Actor: event.ActorCrash, Reason: "server_lost", Committed: at.Add(time.Millisecond), Body: []byte(`{"a":1}`),
	}
	got := string(appendRecord(nil, &r))
	want := `{"seq":7,"roomSeq":3,"id":"0197","name":"track_published","time":"2026-11-23T11:00:00.123456Z",` +
		`"room":"d\"é\u003cn","roomSid":"RM_a","participantSid":"PA_a","identity":"ana","trackSid":"TR_a","synthesized":true,` +
		`"actor":"crash","reason":"server_lost","committed":"2026-11-23T11:00:00.124456Z","body":{"a":1}}`
	if got != want || !json.Valid([]byte(got)) {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestPagesOfLongEventsAreShort(t *testing.T) {
	a := newAPI(t)
	const n = 40
	body := fmt.Sprintf(`{"x":"%s"}`, strings.Repeat("x", 1<<20))
	for range n {
		a.log.append("den", body)
	}
	seen, pages := 0, 0
	for cursor := 0.0; seen < n; pages++ {
		v := a.wantStatus(t, eventsGrant(), "GET", fmt.Sprintf("/events?after=%.0f&wait=0&limit=1000", cursor), "", 200)
		got := len(v["events"].([]any))
		if got == 0 || v["done"] != (seen+got == n) {
			t.Fatalf("a page of %d after %d of %d, done %v", got, seen, n, v["done"])
		}
		seen, cursor = seen+got, v["cursor"].(float64)
	}
	if pages == 1 {
		t.Error("40 MiB came in one page")
	}
}
