package delivery

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	lkwebhook "github.com/livekit/protocol/webhook"

	"github.com/livekit/protocol/auth"

	"github.com/rollcall-rtc/rollcall/event"
	"github.com/rollcall-rtc/rollcall/webhook"
)

var signNow = time.Date(2026, 11, 23, 12, 0, 0, 250_000_000, time.UTC)

func signRecord() *event.Record {
	return &event.Record{
		Seq: 812, RoomSeq: 4, ID: "019ab0de-7c00-7000-8000-000000000001", Name: event.RoomFinished,
		Room: "blue", RoomSID: "RM_1", Time: signNow.Add(-2 * time.Second), Synthesized: true,
		Committed: signNow.Add(-time.Second), Actor: event.ActorServer, Reason: "departure_timeout",
		Body: []byte(`{"event":"room_finished","room":{"sid":"RM_1","name":"blue"},"id":"019ab0de-7c00-7000-8000-000000000001"}`),
	}
}

func signHeaders(t *testing.T, rec *event.Record, prev uint64, attempt int) http.Header {
	t.Helper()
	s := newSigner(&Endpoint{APIKey: "devkey", Secret: "secret"})
	return s.headers(rec, rec.Body, &details{prev: prev, attempt: attempt}, signNow)
}

func TestHeadersAreLiveKitsAndStandardWebhooksAndOurs(t *testing.T) {
	h := signHeaders(t, signRecord(), 800, 3)
	token, signature := h.Get("Authorization"), h.Get("Webhook-Signature")
	h.Del("Authorization")
	h.Del("Webhook-Signature")
	want := http.Header{
		"Content-Type":          {"application/webhook+json"},
		"User-Agent":            {"LiveKit"},
		"Webhook-Id":            {"019ab0de-7c00-7000-8000-000000000001"},
		"Webhook-Timestamp":     {"1795435200"},
		"Rollcall-Event":        {"room_finished"},
		"Rollcall-Event-Id":     {"019ab0de-7c00-7000-8000-000000000001"},
		"Rollcall-Seq":          {"812"},
		"Rollcall-Prev-Seq":     {"800"},
		"Rollcall-Room-Seq":     {"4"},
		"Rollcall-Attempt":      {"3"},
		"Rollcall-Occurred-At":  {"2026-11-23T11:59:58.250000Z"},
		"Rollcall-Sent-At":      {"2026-11-23T12:00:00.250000Z"},
		"Rollcall-Synthesized":  {"true"},
		"Rollcall-Actor":        {"server"},
		"Rollcall-Reason":       {"departure_timeout"},
		"Rollcall-Committed-At": {"2026-11-23T11:59:59.250000Z"},
	}
	if diff := cmp.Diff(want, h); diff != "" {
		t.Errorf("headers (-want +got):\n%s", diff)
	}
	for name := range want {
		if http.CanonicalHeaderKey(name) != name {
			t.Errorf("%s is not in canonical form: a receiver would not find it", name)
		}
	}

	// As the Standard Webhooks libraries do, given "whsec_" + base64(secret).
	mac := hmac.New(sha256.New, []byte("secret"))
	fmt.Fprintf(mac, "%s.%s.%s", want.Get("Webhook-Id"), want.Get("Webhook-Timestamp"), signRecord().Body)
	if want := "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil)); signature != want {
		t.Errorf("webhook-signature %s, want %s", signature, want)
	}

	parts := strings.Split(token, ".")
	head, err1 := base64.RawURLEncoding.DecodeString(parts[0])
	payload, err2 := base64.RawURLEncoding.DecodeString(parts[1])
	if err1 != nil || err2 != nil || string(head) != `{"alg":"HS256","typ":"JWT"}` {
		t.Fatalf("token %s", token)
	}
	var got map[string]any
	if err := json.Unmarshal(payload, &got); err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(signRecord().Body)
	wantClaims := map[string]any{
		"iss": "devkey", "exp": 1795435500.0, "nbf": 1795435140.0, "iat": 1795435140.0,
		"sha256": base64.StdEncoding.EncodeToString(sum[:]),
		"rollcall": map[string]any{
			"id": "019ab0de-7c00-7000-8000-000000000001", "seq": 812.0, "prevSeq": 800.0, "roomSeq": 4.0, "attempt": 3.0,
			"occurredAt": "2026-11-23T11:59:58.250000Z", "sentAt": "2026-11-23T12:00:00.250000Z", "synthesized": true,
			"committedAt": "2026-11-23T11:59:59.250000Z", "actor": "server", "reason": "departure_timeout",
		},
	}
	if diff := cmp.Diff(wantClaims, got); diff != "" {
		t.Errorf("claims (-want +got):\n%s", diff)
	}
}

func TestUnknownPlacesHaveNoHeader(t *testing.T) {
	rec := signRecord()
	rec.RoomSeq, rec.Synthesized, rec.Actor, rec.Reason, rec.Committed = 0, false, "", "", time.Time{}
	h := signHeaders(t, rec, 0, 1)
	if actor := h.Get(headerActor); actor != "client" {
		t.Errorf("who reports no actor means the client, not %q", actor)
	}
	for _, name := range []string{headerPrevSeq, headerRoomSeq, headerSynthesized, headerReason, headerCommittedAt} {
		if _, ok := h[name]; ok {
			t.Errorf("%s: %q", name, h.Get(name))
		}
	}
}

func TestKeysOfAnyTextMakeValidTokens(t *testing.T) {
	for _, key := range []string{"devkey", `q"uo\te`, "ключ", "tab\there", "del\x7f"} {
		s := newSigner(&Endpoint{APIKey: key, Secret: "secret"})
		rc := webhook.Receiver{Keys: webhook.Keys{key: "secret"}, Now: func() time.Time { return signNow }}
		rec := signRecord()
		ev, err := rc.Verify(rec.Body, s.headers(rec, rec.Body, &details{prev: 0, attempt: 1}, signNow).Get("Authorization"))
		if err != nil || ev.APIKey != key {
			t.Errorf("%q: %v, %v", key, ev, err)
		}
	}
}

func TestReceiversAcceptWhatIsSigned(t *testing.T) {
	rec := signRecord()
	h := signHeaders(t, rec, 800, 3)
	// LiveKit's receiver reads the clock itself, so it gets a token of now.
	s := newSigner(&Endpoint{APIKey: "devkey", Secret: "secret"})
	fresh := s.headers(rec, rec.Body, &details{prev: 0, attempt: 1}, time.Now())
	ev, err := lkwebhook.ReceiveWebhookEvent(
		&http.Request{Header: fresh, Body: io.NopCloser(bytes.NewReader(rec.Body))},
		auth.NewSimpleKeyProvider("devkey", "secret"))
	if err != nil || ev.Event != "room_finished" {
		t.Errorf("livekit/protocol: %v, %v", ev, err)
	}

	rc := webhook.Receiver{Keys: webhook.Keys{"devkey": "secret"}, Now: func() time.Time { return signNow }}
	got, err := rc.Verify(rec.Body, h.Get("Authorization"))
	if err != nil {
		t.Fatal(err)
	}
	want := webhook.Delivery{Seq: 812, PrevSeq: 800, RoomSeq: 4, Attempt: 3, OccurredAt: rec.Time, SentAt: signNow, Synthesized: true,
		CommittedAt: rec.Committed, Actor: "server", Reason: "departure_timeout"}
	if diff := cmp.Diff(want, got.Delivery); diff != "" {
		t.Errorf("delivery (-want +got):\n%s", diff)
	}
}

// When it was committed and what is gone stand in the headers and, signed, in the
// token.
func TestTimesAndWhatIsGoneAreToldTwice(t *testing.T) {
	rec := signRecord()
	rec.Committed = rec.Time.Add(1500 * time.Microsecond)
	s := newSigner(&Endpoint{APIKey: "devkey", Secret: "secret"})
	now := time.Now()
	h := s.headers(rec, rec.Body, &details{attempt: 1, gone: span{17, 4711}}, now)
	if got := h.Get("Rollcall-Committed-At"); got != "2026-11-23T11:59:58.251500Z" {
		t.Errorf("Rollcall-Committed-At: %s", got)
	}
	if got := h.Get("Rollcall-Gone"); got != "17-4711" {
		t.Errorf("Rollcall-Gone: %s", got)
	}
	r := &http.Request{Header: h, Body: io.NopCloser(bytes.NewReader(rec.Body))}
	ev, err := webhook.Receive(r, webhook.Keys{"devkey": "secret"})
	if err != nil {
		t.Fatal(err)
	}
	d := ev.Delivery
	if !d.CommittedAt.Equal(rec.Committed) || !d.OccurredAt.Equal(rec.Time) || d.SentAt.IsZero() || len(d.Gone) != 2 || d.Gone[0] != 17 || d.Gone[1] != 4711 {
		t.Errorf("%+v", d)
	}
}
