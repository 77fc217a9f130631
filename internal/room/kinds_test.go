package room

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/livekit/protocol/livekit"

	"github.com/rollcall-rtc/rollcall/internal/sfu/peer"
)

// come joins as a participant of that kind.
func (tc *test) come(identity string, kind livekit.ParticipantInfo_Kind, change func(*livekit.ParticipantPermission)) *client {
	tc.t.Helper()
	j := joinOf("demo", identity)
	j.Kind = kind
	if change != nil {
		change(j.Permission)
	}
	c := tc.accept(j)
	c.transport(peer.Connected)
	return c
}

// senders are in whose names c received packets, and forgets them.
func (c *client) senders() (from []string) {
	f := c.sub()
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, p := range f.data {
		who := p.ParticipantIdentity
		if p.GetChatMessage().GetGenerated() || p.GetStreamHeader().GetTextHeader().GetGenerated() {
			who += " (generated)"
		}
		from = append(from, who)
	}
	f.data = nil
	return from
}

func TestAgentsAloneSpeakForOthersAndOfWhatWasSpoken(t *testing.T) {
	packets := func(as string) []*livekit.DataPacket {
		return []*livekit.DataPacket{
			{ParticipantIdentity: as, Value: &livekit.DataPacket_ChatMessage{ChatMessage: &livekit.ChatMessage{Message: "hi"}}},
			{ParticipantIdentity: as, Value: &livekit.DataPacket_StreamHeader{StreamHeader: &livekit.DataStream_Header{
				ContentHeader: &livekit.DataStream_Header_TextHeader{TextHeader: &livekit.DataStream_TextHeader{}}}}},
			{ParticipantIdentity: as, Value: &livekit.DataPacket_StreamHeader{StreamHeader: &livekit.DataStream_Header{
				ContentHeader: &livekit.DataStream_Header_ByteHeader{ByteHeader: &livekit.DataStream_ByteHeader{}}}}},
			{ParticipantIdentity: as, Value: &livekit.DataPacket_User{User: &livekit.UserPacket{}}},
			{ParticipantIdentity: as, Value: &livekit.DataPacket_Transcription{Transcription: &livekit.Transcription{}}},
		}
	}
	inBubble(t, Options{}, func(tc *test) {
		ben := tc.enter("demo", "ben")
		for _, tt := range []struct {
			kind    livekit.ParticipantInfo_Kind
			granted bool
			as      string
			want    []string
		}{
			{livekit.ParticipantInfo_AGENT, false, "ben", []string{"ben (generated)", "ben (generated)", "ana", "ana", "ana"}},
			{livekit.ParticipantInfo_AGENT, false, "", []string{"ana", "ana", "ana", "ana", "ana"}},
			{livekit.ParticipantInfo_AGENT, false, "ana", []string{"ana", "ana", "ana", "ana", "ana"}},
			{livekit.ParticipantInfo_STANDARD, true, "ben", []string{"ben (generated)", "ben (generated)", "ana", "ana", "ana"}},
			{livekit.ParticipantInfo_STANDARD, false, "ben", []string{"ana", "ana", "ana", "ana"}},
		} {
			ana := tc.come("ana", tt.kind, func(p *livekit.ParticipantPermission) { p.Agent = tt.granted }) //nolint:staticcheck // as tokens have it
			for _, p := range packets(tt.as) {
				ana.sendPacket(peer.Reliable, p)
			}
			if got := ben.senders(); !slices.Equal(got, tt.want) {
				t.Errorf("%s (grant %t) as %q: ben has packets of %q, want %q", tt.kind, tt.granted, tt.as, got, tt.want)
			}
		}
	})
}

func TestMetricsGoToThoseWhoMayReadThem(t *testing.T) {
	inBubble(t, Options{}, func(tc *test) {
		ana, ben := tc.enter("demo", "ana"), tc.enter("demo", "ben")
		metrics := &livekit.DataPacket{Value: &livekit.DataPacket_Metrics{Metrics: &livekit.MetricsBatch{}}}
		ana.sendPacket(peer.Reliable, metrics)
		reader := tc.come("reader", livekit.ParticipantInfo_STANDARD, func(p *livekit.ParticipantPermission) { p.CanSubscribeMetrics = true })
		ana.sendPacket(peer.Reliable, metrics)
		if got, all := reader.senders(), ben.senders(); !slices.Equal(got, []string{"ana"}) || len(all) != 0 {
			t.Errorf("the reader has metrics of %q, ben of %q", got, all)
		}
	})
}

func TestWhoIsHiddenLaterIsNeitherSeenNorHeardAnyMore(t *testing.T) {
	inBubble(t, Options{}, func(tc *test) {
		ana, ben := tc.enter("demo", "ana"), tc.enter("demo", "ben")
		ana.publishCamera()
		sleep(2 * time.Second)
		ben.heard()
		hide := func(hidden bool) {
			_, err := tc.reg.UpdateParticipant(context.Background(), &livekit.UpdateParticipantRequest{Room: "demo", Identity: "ana",
				Permission: &livekit.ParticipantPermission{CanPublish: true, CanSubscribe: true, CanPublishData: true, Hidden: hidden}})
			if err != nil {
				t.Fatal(err)
			}
		}
		hide(true)
		ben.wantHeard("hidden", "update ana:disconnected/1")
		if got := ben.sub().tracks; len(got) != 0 {
			t.Errorf("still received: %q", got)
		}
		ana.sendPacket(peer.Reliable, userPacket("boo"))
		if got := ben.senders(); !slices.Equal(got, []string{""}) {
			t.Errorf("data of who is hidden comes from %q", got)
		}
		hide(false)
		ben.wantHeard("there again", "update ana:active/1")
		if got := ben.sub().tracks; len(got) != 1 {
			t.Errorf("not received again: %q", got)
		}
	})
}

func TestRecorderIsCountedApartAndMaySubscribeToEverything(t *testing.T) {
	inBubble(t, Options{}, func(tc *test) {
		ana := tc.enter("demo", "ana")
		ana.publishCamera()
		ana.say(&livekit.SignalRequest{Message: &livekit.SignalRequest_SubscriptionPermission{SubscriptionPermission: &livekit.SubscriptionPermission{}}})
		egress := tc.come("egress", livekit.ParticipantInfo_EGRESS, nil)
		//nolint:staticcheck // still what tokens carry
		recorder := tc.come("recorder", livekit.ParticipantInfo_STANDARD, func(p *livekit.ParticipantPermission) { p.Recorder = true })
		agent := tc.come("agent", livekit.ParticipantInfo_AGENT, nil)
		for c, want := range map[*client]int{egress: 1, recorder: 1, agent: 0} {
			if got := len(c.sub().tracks); got != want {
				t.Errorf("%s has %d tracks, want %d", c.join.Identity, got, want)
			}
		}
		rooms, err := tc.reg.List(context.Background(), nil)
		if err != nil || rooms[0].NumParticipants != 1 || !rooms[0].ActiveRecording {
			t.Errorf("%v, %v", rooms, err)
		}
	})
}

func TestPermissionsMayBeOfSingleTracksAndBySID(t *testing.T) {
	inBubble(t, Options{}, func(tc *test) {
		ana, ben, cem := tc.enter("demo", "ana"), tc.enter("demo", "ben"), tc.enter("demo", "cem")
		ana.publishCamera()
		for _, cid := range []string{"mic", "screen"} {
			ana.announce(cid, livekit.TrackType_AUDIO, livekit.TrackSource_MICROPHONE)
			ana.media(cid, "audio")
		}
		var sids []string
		for _, tr := range ana.p().tracks {
			sids = append(sids, tr.info.Sid)
		}
		ana.say(&livekit.SignalRequest{Message: &livekit.SignalRequest_SubscriptionPermission{SubscriptionPermission: &livekit.SubscriptionPermission{
			TrackPermissions: []*livekit.TrackPermission{
				{ParticipantIdentity: "ben", TrackSids: sids[:1]},
				{ParticipantSid: ben.h.SID(), TrackSids: sids[1:2]},
				{ParticipantSid: "PA_nobody", AllTracks: true},
			},
		}}})
		if b, c := len(ben.sub().tracks), len(cem.sub().tracks); b != 2 || c != 0 {
			t.Errorf("ben has %d tracks, cem %d", b, c)
		}
	})
}
