package room

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/livekit/protocol/livekit"

	"github.com/rollcall-rtc/rollcall/internal/sfu/peer"
	"github.com/rollcall-rtc/rollcall/internal/sfu/uptrack"
)

// heardOf is what an injection's handler hears, in words.
type heardOf struct {
	gone   []livekit.DisconnectReason
	muted  []bool
	wanted []int
}

func (h *heardOf) handler() InjectionHandler {
	return InjectionHandler{
		Gone:   func(why livekit.DisconnectReason) { h.gone = append(h.gone, why) },
		Muted:  func(_ string, muted bool) { h.muted = append(h.muted, muted) },
		Wanted: func(_ string, layer int) { h.wanted = append(h.wanted, layer) },
	}
}

func (tc *test) inject(identity string) (*Injection, *heardOf) {
	tc.t.Helper()
	h := new(heardOf)
	req := joinOf("demo", identity)
	req.Kind = livekit.ParticipantInfo_INGRESS
	i, err := tc.reg.Inject(context.Background(), req, h.handler())
	if err != nil {
		tc.t.Fatal(err)
	}
	return i, h
}

func camera(i *Injection, layers int) (*Injected, error) {
	return i.Publish(context.Background(), &livekit.AddTrackRequest{Cid: "cam", Type: livekit.TrackType_VIDEO, Source: livekit.TrackSource_CAMERA},
		InjectedMedia{Codec: uptrack.Codec{MimeType: "video/VP8", ClockRate: 90_000}, Layers: layers})
}

// Nothing waits for who takes nothing.
func TestInjectionHasNoConnection(t *testing.T) {
	inBubble(t, Options{}, func(tc *test) {
		bob := tc.enter("demo", "bob")
		i, _ := tc.inject("encoder")
		bob.sendPacket(peer.Reliable, userPacket("hello"))
		if _, p := i.berth.where(); p.publisher != nil || p.subscriber != nil {
			t.Error("there is a connection for it")
		}
		i.Close()
	})
}

func TestInjectionIsAParticipantLikeAnyOther(t *testing.T) {
	inBubble(t, Options{}, func(tc *test) {
		bob := tc.enter("demo", "bob")
		i, heard := tc.inject("encoder")
		track, err := camera(i, 3)
		if err != nil {
			t.Fatal(err)
		}
		sleep(1)
		sid, name := i.Room()
		if name != "demo" || sid != bob.room().sid || len(bob.p().subscriptions) != 1 || bob.p().subscriptions[track.SID()] == nil {
			t.Errorf("in %s %s, received: %v", sid, name, bob.p().subscriptions)
		}
		info, err := tc.reg.Participant(context.Background(), "demo", "encoder")
		if err != nil || info.State != livekit.ParticipantInfo_ACTIVE || info.Permission.CanSubscribe || !info.Tracks[0].Simulcast { //nolint:staticcheck // clients read it
			t.Errorf("%v %v", info, err)
		}
		if _, err := tc.reg.MuteTrack(context.Background(), "demo", "encoder", track.SID(), true); err != nil || !slices.Equal(heard.muted, []bool{true}) {
			t.Errorf("muted: %v %v", heard.muted, err)
		}
		bob.settings(&livekit.UpdateTrackSettings{TrackSids: []string{track.SID()}, Disabled: true})
		sleep(2 * demandPause)
		if n := len(heard.wanted); n == 0 || heard.wanted[n-1] != -1 {
			t.Errorf("wanted: %v", heard.wanted)
		}
		track.Close()
		sleep(1)
		if len(bob.p().subscriptions) != 0 {
			t.Error("a track that was closed is received")
		}
		i.Close()
		i.Close()
		if _, err := camera(i, 1); !errors.Is(err, ErrParticipantNotFound) {
			t.Errorf("a track of one who is gone: %v", err)
		}
		if len(heard.gone) != 1 {
			t.Errorf("gone: %v", heard.gone)
		}
	})
}

func TestInjectionHearsWhyItIsRemoved(t *testing.T) {
	inBubble(t, Options{}, func(tc *test) {
		i, heard := tc.inject("encoder")
		if err := tc.reg.Delete(context.Background(), "demo"); err != nil {
			t.Fatal(err)
		}
		sleep(1)
		if !slices.Equal(heard.gone, []livekit.DisconnectReason{livekit.DisconnectReason_ROOM_DELETED}) {
			t.Errorf("gone: %v", heard.gone)
		}
		i.Close()
	})
}

func TestInjectionIsRefusedAsAJoinIs(t *testing.T) {
	inBubble(t, Options{Defaults: Defaults{NoAutoCreate: true}}, func(tc *test) {
		if _, err := tc.reg.Inject(context.Background(), joinOf("demo", "encoder"), InjectionHandler{}); !errors.Is(err, ErrRoomNotFound) {
			t.Error(err)
		}
	})
}
