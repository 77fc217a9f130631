package webhook_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/rollcall-rtc/rollcall/event"
	"github.com/rollcall-rtc/rollcall/webhook"
	"github.com/rollcall-rtc/rollcall/webhook/storetest"
)

// bench is an inbox on a log, and what its application got.
type bench struct {
	*testing.T
	log   *storetest.Log
	in    *webhook.Inbox[webhook.NoTx]
	took  []uint64
	gaps  []uint64 // events that came with Missing
	fail  error
	lines bytes.Buffer
}

func newBench(t *testing.T) *bench {
	b := &bench{T: t, log: new(storetest.Log)}
	b.in = &webhook.Inbox[webhook.NoTx]{
		Receiver: webhook.Receiver{Keys: webhook.Keys{"devkey": "secret"}},
		Source:   b.log, Store: webhook.NewMemoryStore(),
		Logger: slog.New(slog.NewTextHandler(&b.lines, nil)),
		Handle: func(_ context.Context, _ webhook.NoTx, ev *webhook.Event) error {
			if b.fail != nil {
				return b.fail
			}
			b.took = append(b.took, ev.Delivery.Seq)
			if ev.Missing {
				b.gaps = append(b.gaps, ev.Delivery.Seq)
			}
			return nil
		},
	}
	return b
}

func (b *bench) append(names ...event.Name) (events []*webhook.Event) {
	for _, name := range names {
		events = append(events, b.log.Append(name, "blue"))
	}
	return events
}

func (b *bench) take(ev *webhook.Event, want error) {
	b.Helper()
	if err := b.in.Take(b.Context(), storetest.Copy(ev)); !errors.Is(err, want) {
		b.Fatalf("Take of %d = %v, want %v", ev.Delivery.Seq, err, want)
	}
}

func (b *bench) wantTook(seqs ...uint64) {
	b.Helper()
	if !slices.Equal(b.took, seqs) {
		b.Fatalf("took %v, want %v", b.took, seqs)
	}
}

// post sends a body as the server signs it.
func (b *bench) post(body []byte, own map[string]any) int {
	b.Helper()
	sum := sha256.Sum256(body)
	token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{
		"iss": "devkey", "exp": time.Now().Add(time.Minute).Unix(),
		"sha256": base64.StdEncoding.EncodeToString(sum[:]), "rollcall": own,
	}).SignedString([]byte("secret"))
	if err != nil {
		b.Fatal(err)
	}
	r := httptest.NewRequest(http.MethodPost, "/webhook", bytes.NewReader(body))
	r.Header.Set("Authorization", token)
	w := httptest.NewRecorder()
	b.in.ServeHTTP(w, r)
	return w.Code
}

func TestWhatTheSenderGaveUpIsFetchedFirst(t *testing.T) {
	b := newBench(t)
	ev := b.append(event.RoomStarted, event.ParticipantJoined, event.ParticipantSpoke, event.TrackPublished, event.ParticipantLeft)
	b.take(ev[0], nil)
	b.take(ev[4], nil)
	b.wantTook(1, 2, 4, 5)
	ev[1].Delivery.Late = true
	b.take(ev[1], nil) // the sender tries once more what was fetched
	b.wantTook(1, 2, 4, 5)
}

func TestContiguousEventsNeedNoSource(t *testing.T) {
	b := newBench(t)
	ev := b.append(event.RoomStarted, event.ParticipantJoined, event.ParticipantSpoke, event.TrackPublished)
	b.take(ev[0], nil)
	b.log.Fail = func() error { return errors.New("asked") }
	b.take(ev[1], nil)
	b.take(ev[3], nil)
	b.wantTook(1, 2, 4)
}

func TestEventWaitsWhileTheApplicationFails(t *testing.T) {
	b := newBench(t)
	ev := b.append(event.RoomStarted, event.ParticipantJoined)
	b.take(ev[0], nil)
	b.fail = errors.New("database is down")
	b.take(ev[1], b.fail)
	b.fail = nil
	b.take(ev[1], nil)
	b.wantTook(1, 2)
}

func TestEventWaitsWhileTheLogCannotBeRead(t *testing.T) {
	b := newBench(t)
	ev := b.append(event.RoomStarted, event.ParticipantJoined, event.ParticipantLeft)
	b.take(ev[0], nil)
	down := errors.New("connection refused")
	b.log.Fail = func() error { return down }
	b.take(ev[2], down)
	b.wantTook(1)
	b.log.Fail = nil
	b.take(ev[2], nil)
	b.wantTook(1, 2, 3)
}

func TestExpiredEventsAreReportedMissing(t *testing.T) {
	b := newBench(t)
	ev := b.append(event.RoomStarted, event.ParticipantJoined, event.ParticipantLeft, event.ParticipantJoined, event.ParticipantLeft)
	b.take(ev[0], nil)
	b.log.Earliest = 4
	b.take(ev[4], nil)
	b.wantTook(1, 4, 5)
	if !slices.Equal(b.gaps, []uint64{4}) {
		t.Errorf("Missing with %v, want 4", b.gaps)
	}

	b = newBench(t)
	ev = b.append(event.RoomStarted, event.ParticipantJoined, event.ParticipantLeft)
	b.take(ev[0], nil)
	b.log.Earliest = 4 // and nothing before the delivery itself is left
	b.take(ev[2], nil)
	b.wantTook(1, 3)
	if !slices.Equal(b.gaps, []uint64{3}) {
		t.Errorf("Missing with %v, want 3", b.gaps)
	}
}

// What is missing is told of with the delivery itself, when it is the first of its
// room that the log still has; other rooms' events lie in between.
func TestExpiredEventsRightBeforeTheDeliveryAreReportedMissing(t *testing.T) {
	b := newBench(t)
	ev := b.append(event.RoomStarted, event.ParticipantJoined)
	for range 7 {
		b.log.Append(event.ParticipantJoined, "red")
	}
	b.take(ev[0], nil)
	last := b.append(event.ParticipantLeft, event.ParticipantJoined)
	b.log.Earliest = 3
	b.take(last[0], nil)
	b.take(last[1], nil)
	b.wantTook(1, 10, 11)
	if !slices.Equal(b.gaps, []uint64{10}) {
		t.Errorf("Missing with %v, want 10", b.gaps)
	}
}

func TestUnknownRoomBeginsAfterTheGivenPlace(t *testing.T) {
	b := newBench(t)
	ev := b.append(event.RoomStarted, event.ParticipantJoined, event.ParticipantLeft, event.ParticipantJoined)
	b.in.After = 2
	b.take(ev[3], nil)
	b.wantTook(3, 4)
}

func TestReplacedLogIsNotMistakenForRepeats(t *testing.T) {
	b := newBench(t)
	ev := b.append(event.RoomStarted, event.ParticipantJoined, event.ParticipantLeft)
	b.take(ev[1], nil)
	for _, seq := range []uint64{1, 2, 3} {
		other := storetest.Copy(ev[0])
		other.Delivery.Seq, other.Id = seq, "ffffffff-0000-7000-8000-000000000000"
		if seq == 3 {
			other.Id = "00000000-0000-7000-8000-000000000000"
		}
		b.take(other, webhook.ErrOtherLog)
	}
	b.wantTook(1, 2)
}

func TestTestEventsAreAnsweredAndNotTaken(t *testing.T) {
	b := newBench(t)
	ev := storetest.Copy(b.append(event.RoomStarted)[0])
	ev.Delivery = webhook.Delivery{Test: true}
	b.take(ev, nil)
	b.wantTook()
}

func TestSendersWithoutSequenceAreRefused(t *testing.T) {
	b := newBench(t)
	ev := storetest.Copy(b.append(event.RoomStarted)[0])
	ev.Delivery = webhook.Delivery{}
	b.take(ev, webhook.ErrNoSeq)
}

func TestUnfinishedInboxTakesNothing(t *testing.T) {
	if err := new(webhook.Inbox[webhook.NoTx]).Take(t.Context()); !errors.Is(err, webhook.ErrIncomplete) {
		t.Errorf("Take = %v, want ErrIncomplete", err)
	}
}

func TestEventsAskedForAreFetched(t *testing.T) {
	b := newBench(t)
	b.in.Events = []string{"participant_*"}
	ev := b.append(event.RoomStarted, event.ParticipantJoined, event.ParticipantSpoke, event.TrackPublished, event.ParticipantLeft)
	b.take(ev[4], nil)
	b.wantTook(2, 3, 5)
	if b.lines.Len() > 0 {
		t.Errorf("logged %s", &b.lines)
	}
	published := b.append(event.TrackPublished)[0]
	b.take(published, nil)
	b.wantTook(2, 3, 5, 6)
	if !strings.Contains(b.lines.String(), "event=track_published") {
		t.Errorf("nothing is said of an event that would not be fetched: %s", &b.lines)
	}
}

func TestRecoveryThatLeavesEventsOutIsNotTrusted(t *testing.T) {
	b := newBench(t)
	ev := b.append(event.RoomStarted, event.ParticipantJoined, event.ParticipantLeft)
	b.take(ev[0], nil)
	again := storetest.Copy(ev[2])
	again.Delivery.PrevSeq, again.Delivery.RoomSeq, again.Delivery.Recovery = 1, 0, "r1"
	b.take(again, nil)
	b.wantTook(1, 2, 3)
}

func TestBatchIsTakenRoomByRoom(t *testing.T) {
	b := newBench(t)
	var events []*webhook.Event
	for range 2 {
		events = append(events, b.log.Append(event.RoomStarted, "blue"), b.log.Append(event.RoomStarted, "red"),
			b.log.Append(event.EgressUpdated, ""))
	}
	var bodies [][]byte
	for _, ev := range events[1:] { // the batch before had the first
		bodies = append(bodies, ev.Raw)
	}
	batch := append(append([]byte("["), bytes.Join(bodies, []byte(","))...), ']')
	own := map[string]any{"seq": 6, "firstSeq": 2, "batch": 5}
	for range 2 {
		if code := b.post(batch, own); code != http.StatusNoContent {
			t.Fatalf("status %d: %s", code, &b.lines)
		}
	}
	b.wantTook(2, 5, 3, 6, 1, 4)
}

func TestAnswersTellTheServerWhatToDo(t *testing.T) {
	b := newBench(t)
	ev := b.append(event.RoomStarted)[0]
	own := map[string]any{"seq": 1, "roomSeq": 1}
	if code := b.post(ev.Raw, own); code != http.StatusNoContent {
		t.Errorf("a good event is answered with %d", code)
	}
	b.in.Receiver.MaxBody = 10
	if code := b.post(ev.Raw, own); code != http.StatusRequestEntityTooLarge {
		t.Errorf("a large one is answered with %d", code)
	}
	b.in.Receiver.MaxBody = 0
	if code := b.post([]byte("hello"), own); code != http.StatusBadRequest {
		t.Errorf("no event is answered with %d", code)
	}
	b.fail = errors.New("the reason")
	next := b.append(event.RoomFinished)[0]
	if code := b.post(next.Raw, map[string]any{"seq": 2, "prevSeq": 1}); code != http.StatusInternalServerError {
		t.Errorf("an event that is not taken is answered with %d", code)
	}
	if !strings.Contains(b.lines.String(), "the reason") {
		t.Errorf("the log does not say why: %s", &b.lines)
	}
	r := httptest.NewRequest(http.MethodPost, "/webhook", bytes.NewReader(ev.Raw))
	w := httptest.NewRecorder()
	b.in.ServeHTTP(w, r)
	if w.Code != http.StatusUnauthorized {
		t.Errorf("an unsigned one is answered with %d", w.Code)
	}
	b.wantTook(1)
}
