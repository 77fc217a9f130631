package storetest

import (
	"bytes"
	"context"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/livekit/protocol/livekit"

	"github.com/rollcall-rtc/rollcall/event"
	"github.com/rollcall-rtc/rollcall/internal/eventlog"
)

// people appends the lives of two participants, with what else names one.
func people(l *eventlog.Log) {
	l.KeepFullTracks(true)
	room := &livekit.Room{Sid: "RM_1", Name: "anna", Metadata: "about the room"}
	for i := range 300 {
		who := []string{"anna", "bert"}[i%2]
		p := &livekit.ParticipantInfo{Sid: "PA_" + who, Identity: who, Name: "Secret " + who, Metadata: "secret of " + who,
			Attributes: map[string]string{"k": "secret of " + who}, State: livekit.ParticipantInfo_ACTIVE}
		l.Append(
			event.Event{Name: event.ParticipantJoined, Room: room, Participant: p},
			event.Event{Name: event.TrackPublished, Room: room, Participant: p, Track: &livekit.TrackInfo{Sid: "TR_1", Name: who}},
			event.Event{Name: event.DataSent, Room: room, Detail: &event.Data{Kind: "lossy", Destinations: []string{"bert", who}}},
		)
	}
	l.Append(event.Event{Name: event.IngressStarted, Room: room, Ingress: &livekit.IngressInfo{
		IngressId: "IN_1", ParticipantIdentity: "anna", ParticipantName: "Secret anna", RoomName: "anna"}})
}

func checkForgotten(t *testing.T, before, after []event.Record) (pseudonym string) {
	t.Helper()
	if len(before) != len(after) {
		t.Fatalf("%d records, were %d", len(after), len(before))
	}
	CheckOrder(t, after)
	for i := range after {
		b, a := before[i], after[i]
		for _, body := range [][]byte{a.Body, a.FullBody} {
			if bytes.Contains(body, []byte("Secret anna")) || bytes.Contains(body, []byte("secret of anna")) || bytes.Contains(body, []byte(`dentity":"anna"`)) {
				t.Fatalf("event %d still holds %s", a.Seq, body)
			}
		}
		if b.Identity == "anna" {
			if pseudonym == "" {
				pseudonym = a.Identity
			}
			if a.Identity != pseudonym || !strings.HasPrefix(pseudonym, "forgotten-") {
				t.Fatalf("event %d is of %q", a.Seq, a.Identity)
			}
			w, err := a.Webhook()
			if err != nil || w.Participant.Identity != pseudonym || w.Participant.Sid != "PA_anna" || w.Room.Name != "anna" {
				t.Fatalf("event %d: %v, %v", a.Seq, w, err)
			}
			a.Identity, a.Body, a.FullBody = b.Identity, b.Body, b.FullBody
		} else if bytes.Contains(b.Body, []byte(`dentity":"anna"`)) || bytes.Contains(b.Body, []byte(`["bert","anna"]`)) {
			a.Body = b.Body
		}
		if d := diff(b, a); d != "" {
			t.Fatalf("event %d is changed where it should not be:\n%s", b.Seq, d)
		}
	}
	return pseudonym
}

func testForget(t *testing.T, d Disk) {
	ctx := context.Background()
	l := openLog(t, open(t, d), 0)
	people(l)
	wantSync(t, l, 901)
	before := ReadAll(t, l)
	closeLog(t, l)

	// Cut the power after each commit of the deletion; the next one finishes it.
	var cuts []Disk
	rng := rand.New(rand.NewPCG(1, 5))
	l = openLog(t, hooked{open(t, d), func() { cuts = append(cuts, d.PowerCut(rng.Uint64())) }}, 0)
	anna := eventlog.Person{Identity: "anna"}
	done, err := l.Forget(ctx, anna)
	if err != nil || done.Events != 451 { // 150 joins, tracks and destinations, and the ingress
		t.Fatalf("Forget = %+v, %v; want 451 events", done, err)
	}
	if l.Forgotten() == 0 {
		t.Error("nobody is told")
	}
	pseudonym := checkForgotten(t, before, ReadAll(t, l))
	if again, err := l.Forget(ctx, anna); again.Events != 0 || again.Pseudonym != pseudonym || err != nil {
		t.Errorf("again, Forget = %+v, %v", again, err)
	}
	people(l)
	wantSync(t, l, 1802)
	if none, err := l.Forget(ctx, eventlog.Person{Identity: "anna", Room: "bert"}); none.Events != 0 || err != nil {
		t.Errorf("of another room, Forget = %+v, %v", none, err)
	}
	if more, err := l.Forget(ctx, eventlog.Person{Identity: "anna", Room: "anna"}); more.Events != 451 || err != nil {
		t.Errorf("after more of the same, Forget = %+v, %v", more, err)
	}
	if all := ReadAll(t, l); all[1700].Identity == "anna" || all[0].Identity != pseudonym || all[901].Identity != pseudonym {
		t.Errorf("the pseudonym is %q, then %q", pseudonym, all[901].Identity)
	}
	closeLog(t, l)

	if len(cuts) < 3 {
		t.Fatalf("%d commits, want several", len(cuts))
	}
	for _, cut := range cuts[:5] {
		l := openLog(t, open(t, cut), 0)
		if _, err := l.Forget(ctx, anna); err != nil {
			t.Fatal(err)
		}
		all := ReadAll(t, l)
		checkForgotten(t, before, all[:901])
		closeLog(t, l)
	}
}
