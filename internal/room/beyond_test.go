package room

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/livekit/protocol/livekit"

	"github.com/rollcall-rtc/rollcall/event"
	"github.com/rollcall-rtc/rollcall/internal/sfu/peer"
)

// wantBeyond compares the events beyond LiveKit's since the last look, each as
// "name who by detail".
func (tc *test) wantBeyond(why string, want ...string) {
	tc.t.Helper()
	synctest.Wait()
	tc.mu.Lock()
	defer tc.mu.Unlock()
	var got []string
	for _, e := range tc.beyond {
		detail := ""
		if e.Detail != nil {
			raw, _ := json.Marshal(e.Detail)
			detail = string(raw)
		}
		got = append(got, strings.Join(strings.Fields(fmt.Sprintf("%s %s %s %s", e.Name, e.Participant.GetIdentity(), e.Actor, detail)), " "))
	}
	tc.beyond = nil
	if !slices.Equal(got, want) {
		tc.t.Errorf("%s: events\n  %s\nwant\n  %s", why, strings.Join(got, "\n  "), strings.Join(want, "\n  "))
	}
}

func TestLostAndResumedConnectionsAreTold(t *testing.T) {
	inBubble(t, Options{}, func(tc *test) {
		c := tc.accept(joinOf("demo", "bob"))
		tc.wantBeyond("accepted", "participant_connecting bob")
		c.transport(peer.Connected)
		c.transport(peer.Disconnected)
		c.h.SignalLost(c.sink)
		tc.wantBeyond("lost once", `participant_connection_lost bob {"cause":"transport"}`)
		if _, err := tc.reg.Resume(context.Background(), c.join, c.h.SID(), c.sink); err != nil {
			t.Fatal(err)
		}
		tc.wantBeyond("signal is back", "participant_reconnecting bob")
		c.transport(peer.Connected)
		tc.wantBeyond("transport too", "participant_resumed bob")
		c.h.SignalLost(c.sink)
		if _, err := tc.reg.Resume(context.Background(), c.join, c.h.SID(), c.sink); err != nil {
			t.Fatal(err)
		}
		tc.wantBeyond("only the signal was lost", `participant_connection_lost bob {"cause":"signal"}`, "participant_reconnecting bob", "participant_resumed bob")
	})
}

func TestChangesAreToldWithWhoMadeThem(t *testing.T) {
	inBubble(t, Options{}, func(tc *test) {
		c := tc.enter("demo", "alice")
		c.publishCamera()
		sid := c.p().tracks[0].info.Sid
		tc.wantBeyond("accepted", "participant_connecting alice")
		ctx := context.Background()
		c.say(&livekit.SignalRequest{Message: &livekit.SignalRequest_UpdateMetadata{UpdateMetadata: &livekit.UpdateParticipantMetadata{
			Name: "Alice", Metadata: "m", Attributes: map[string]string{"b": "2", "a": "1"},
		}}})
		tc.wantBeyond("own changes",
			`participant_name_changed alice client {"by":"client"}`,
			`participant_metadata_changed alice client {"by":"client"}`,
			`participant_attributes_changed alice client {"by":"client","keys":["a","b"]}`)
		c.say(&livekit.SignalRequest{Message: &livekit.SignalRequest_Mute{Mute: &livekit.MuteTrackRequest{Sid: sid, Muted: true}}})
		c.say(&livekit.SignalRequest{Message: &livekit.SignalRequest_Mute{Mute: &livekit.MuteTrackRequest{Sid: sid}}})
		if _, err := tc.reg.MuteTrack(ctx, "demo", "alice", sid, true); err != nil {
			t.Fatal(err)
		}
		tc.wantBeyond("mutes", `track_muted alice client {"by":"client"}`, `track_unmuted alice client {"by":"client"}`, `track_muted alice api {"by":"api"}`)
		if _, err := tc.reg.UpdateRoomMetadata(ctx, "demo", "x"); err != nil {
			t.Fatal(err)
		}
		if _, err := tc.reg.UpdateRoomMetadata(ctx, "demo", "x"); err != nil {
			t.Fatal(err)
		}
		topic := "news"
		if err := tc.reg.SendData(ctx, &livekit.SendDataRequest{Room: "demo", Data: []byte("four"), Topic: &topic, Kind: livekit.DataPacket_LOSSY}); err != nil {
			t.Fatal(err)
		}
		tc.wantBeyond("the API's", `room_metadata_changed api {"by":"api"}`, `data_sent api {"kind":"lossy","topic":"news","bytes":4}`)
		if _, err := tc.reg.UpdateParticipant(ctx, &livekit.UpdateParticipantRequest{Room: "demo", Identity: "alice",
			Permission: &livekit.ParticipantPermission{CanPublish: true, CanSubscribe: true}}); err != nil {
			t.Fatal(err)
		}
		tc.wantBeyond("permissions", `participant_permissions_changed alice api {"by":"api"}`)
	})
}

func TestQualityIsToldOnlyWhenItsLevelChanges(t *testing.T) {
	inBubble(t, Options{}, func(tc *test) {
		c := tc.enter("demo", "alice")
		tc.wantBeyond("accepted", "participant_connecting alice")
		sleep(time.Minute)
		tc.wantBeyond("first judgement", `connection_quality_changed alice server {"level":"excellent","score":4.41}`)
		c.transport(peer.Disconnected)
		sleep(qualityInterval)
		tc.wantBeyond("lost", `participant_connection_lost alice {"cause":"transport"}`,
			`connection_quality_changed alice server {"level":"lost","previous":"excellent","score":0}`)
	})
}

func TestSummariesAddUp(t *testing.T) {
	inBubble(t, Options{}, func(tc *test) {
		alice := tc.accept(joinOf("demo", "alice"))
		sleep(2 * time.Second)
		alice.transport(peer.Connected)
		sleep(3 * time.Second)
		alice.publishCamera()
		bob := tc.enter("demo", "bob")
		tc.accept(joinOf("demo", "ghost")).h.SignalLost(nil)
		sleep(55 * time.Second)
		bob.leave()
		if err := tc.reg.RemoveParticipant(context.Background(), "demo", "alice", time.Time{}); err != nil {
			t.Fatal(err)
		}
		if err := tc.reg.Delete(context.Background(), "demo"); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		tc.mu.Lock()
		defer tc.mu.Unlock()
		summaries := map[string]*event.Summary{}
		var room *event.RoomTotals
		for _, e := range tc.beyond {
			switch d := e.Detail.(type) {
			case *event.Summary:
				summaries[e.Participant.Identity] = d
			case *event.RoomTotals:
				room = d
			}
		}
		a, b := summaries["alice"], summaries["bob"]
		if a == nil || b == nil || room == nil || summaries["ghost"] != nil {
			t.Fatalf("summaries %v, room %v", summaries, room)
		}
		if a.DurationMS != 58_000 || a.ConnectMS != 2000 || a.FirstMediaMS != 5000 || a.Published != 1 || a.Subscribed != 0 || a.Reason != "participant_removed" || a.By != event.ActorAPI {
			t.Errorf("alice %+v", a)
		}
		if b.DurationMS != 55_000 || b.FirstMediaMS != 0 || b.Subscribed != 1 || b.Reason != "client_initiated" || b.By != event.ActorClient {
			t.Errorf("bob %+v", b)
		}
		if total := a.Quality["excellent"]; total < 50_000 || total > a.DurationMS {
			t.Errorf("alice was judged for %d ms", total)
		}
		if room.Sessions != 2 || room.Identities != 2 || room.Peak != 2 || room.Published != 1 || room.ParticipantMS != 113_000 ||
			room.DurationMS != 60_000 || room.Reason != "room_deleted" && room.Reason != "api_delete" || room.By != event.ActorAPI {
			t.Errorf("room %+v", room)
		}
	})
}
