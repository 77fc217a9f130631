package room

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/livekit/protocol/livekit"
	"google.golang.org/protobuf/proto"

	"github.com/rollcall-rtc/rollcall/event"
	"github.com/rollcall-rtc/rollcall/internal/sfu/peer"
)

// sendPacket plays a message on one of the client's data channels.
func (c *client) sendPacket(kind peer.DataKind, packet *livekit.DataPacket) {
	c.tc.t.Helper()
	raw, err := proto.Marshal(packet)
	if err != nil {
		c.tc.t.Fatal(err)
	}
	label := map[peer.DataKind]string{peer.Reliable: "_reliable", peer.Lossy: "_lossy"}[kind]
	c.conn().Data(kind, label, raw)
	synctest.Wait()
}

func userPacket(text string) *livekit.DataPacket {
	return &livekit.DataPacket{Value: &livekit.DataPacket_User{User: &livekit.UserPacket{Payload: []byte(text)}}}
}

// got returns the payloads that the client received.
func (c *client) got() string {
	synctest.Wait()
	f := c.sub()
	f.mu.Lock()
	defer f.mu.Unlock()
	var all []string
	for _, p := range f.data {
		all = append(all, string(p.GetUser().GetPayload()))
	}
	return strings.Join(all, " ")
}

func TestDataGoesToTheOthersInTheSendersTrueName(t *testing.T) {
	inBubble(t, Options{}, func(tc *test) {
		alice, bob, carol := tc.enter("demo", "alice"), tc.enter("demo", "bob"), tc.enter("demo", "carol")
		forged := userPacket("hello")
		forged.ParticipantIdentity, forged.ParticipantSid = "carol", carol.h.SID()
		alice.sendPacket(peer.Reliable, forged)
		if alice.got() != "" || bob.got() != "hello" || carol.got() != "hello" {
			t.Errorf("got %q, %q, %q", alice.got(), bob.got(), carol.got())
		}
		if p := bob.sub().data[0]; p.ParticipantIdentity != "alice" || p.ParticipantSid != alice.h.SID() {
			t.Errorf("from %s %s", p.ParticipantIdentity, p.ParticipantSid)
		}
		direct := userPacket("psst")
		direct.DestinationIdentities = []string{"carol", "nobody", "alice"}
		alice.sendPacket(peer.Lossy, direct)
		if alice.got() != "" || bob.got() != "hello" || carol.got() != "hello psst" {
			t.Errorf("direct: got %q, %q, %q", alice.got(), bob.got(), carol.got())
		}
	})
}

func TestRepeatedReliablePacketsAreDroppedAndLateOnesAreNot(t *testing.T) {
	inBubble(t, Options{}, func(tc *test) {
		alice, bob := tc.enter("demo", "alice"), tc.enter("demo", "bob")
		for _, n := range []uint32{1, 2, 5, 5, 3, 2, 6, 4} {
			p := userPacket(string(rune('0' + n)))
			p.Sequence = n
			alice.sendPacket(peer.Reliable, p)
		}
		if got := bob.got(); got != "1 2 5 3 6 4" {
			t.Errorf("got %q", got)
		}
	})
}

func TestDataNeedsPermissionAndSpeakersAreTheServersToName(t *testing.T) {
	inBubble(t, Options{}, func(tc *test) {
		j := joinOf("demo", "mute")
		j.Permission.CanPublishData = false
		mute := tc.accept(j)
		mute.transport(peer.Connected)
		bob := tc.enter("demo", "bob")
		mute.sendPacket(peer.Reliable, userPacket("no"))
		tc.enter("demo", "alice").sendPacket(peer.Reliable, &livekit.DataPacket{Value: &livekit.DataPacket_Speaker{Speaker: &livekit.ActiveSpeakerUpdate{}}}) //nolint:staticcheck // the forbidden packet
		if n := len(bob.sub().data); n != 0 {
			t.Errorf("bob got %d packets", n)
		}
	})
}

func TestAPIDataReachesWhomItNamesOncePerNonce(t *testing.T) {
	inBubble(t, Options{}, func(tc *test) {
		alice, bob := tc.enter("demo", "alice"), tc.enter("demo", "bob")
		ctx := context.Background()
		req := &livekit.SendDataRequest{Room: "demo", Data: []byte("news"), DestinationIdentities: []string{"bob"}, Nonce: []byte("0123456789abcdef")}
		for range 2 {
			if err := tc.reg.SendData(ctx, req); err != nil {
				t.Fatal(err)
			}
		}
		if alice.got() != "" || bob.got() != "news" {
			t.Errorf("got %q, %q", alice.got(), bob.got())
		}
		var refused *Error
		if err := tc.reg.SendData(ctx, &livekit.SendDataRequest{Room: "demo", Nonce: []byte("short")}); !errors.As(err, &refused) || refused.Code != InvalidArgument {
			t.Errorf("short nonce: %v", err)
		}
		if err := tc.reg.SendData(ctx, &livekit.SendDataRequest{Room: "nowhere"}); !errors.Is(err, ErrRoomNotFound) {
			t.Errorf("unknown room: %v", err)
		}
	})
}

// A client may see itself connected before the server does.
func TestReliableDataWaitsForWhoIsAboutToBeIn(t *testing.T) {
	inBubble(t, Options{}, func(tc *test) {
		alice, bob := tc.enter("demo", "alice"), tc.accept(joinOf("demo", "bob"))
		for kind, text := range map[livekit.DataPacket_Kind]string{livekit.DataPacket_RELIABLE: "news", livekit.DataPacket_LOSSY: "noise"} {
			if err := tc.reg.SendData(context.Background(), &livekit.SendDataRequest{Room: "demo", Data: []byte(text), Kind: kind, DestinationIdentities: []string{"bob"}}); err != nil {
				t.Fatal(err)
			}
		}
		alice.sendPacket(peer.Reliable, userPacket("hello"))
		bob.transport(peer.Connected)
		if bob.got() != "news hello" || alice.got() != "" {
			t.Errorf("bob got %q, alice %q", bob.got(), alice.got())
		}
	})
}

// So does it for who receives no media, and is connected when it can send.
func TestReliableDataWaitsForWhoBringsTheConnection(t *testing.T) {
	for name, change := range map[string]func(*Join){
		"may not subscribe": func(j *Join) { j.Permission.CanSubscribe = false },
		"old protocol":      func(j *Join) { j.Client.Protocol = 2 },
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, Options{}, func(tc *test) {
				alice, j := tc.enter("demo", "alice"), joinOf("demo", "bob")
				change(j)
				bob := tc.accept(j)
				alice.sendPacket(peer.Reliable, userPacket("hello"))
				bob.say(&livekit.SignalRequest{Message: &livekit.SignalRequest_Offer{Offer: &livekit.SessionDescription{Type: "offer", Sdp: "v=0"}}})
				bob.duplexState(peer.Connected)
				alice.sendPacket(peer.Reliable, userPacket("again"))
				f := bob.p().publisher.(*fakePeer)
				f.mu.Lock()
				defer f.mu.Unlock()
				if len(f.data) != 2 || string(f.data[0].GetUser().Payload) != "hello" {
					t.Errorf("bob got %v", f.data)
				}
			})
		})
	}
}

// Nobody goes on with a gap, also who is not in yet when it arises.
func TestWhoMissesReliableDataOnItsWayInReconnects(t *testing.T) {
	inBubble(t, Options{}, func(tc *test) {
		alice, bob := tc.enter("demo", "alice"), tc.accept(joinOf("demo", "bob"))
		bob.refusesData(peer.ErrDataOverflow)
		alice.sendPacket(peer.Reliable, userPacket("too much"))
		bob.refusesData(nil)
		sleep(time.Second)
		if bob.p().gone {
			t.Error("bob is gone before he is in")
		}
		bob.heard()
		bob.transport(peer.Connected)
		if got := bob.heard(); !slices.Contains(got, "leave STATE_MISMATCH RECONNECT") {
			t.Errorf("bob is told %q", got)
		}
		bob.wantLeft("with a gap", event.ActorServer, "state_mismatch")
		// Who never comes in has failed to.
		cem := tc.accept(joinOf("demo", "cem"))
		cem.refusesData(peer.ErrDataOverflow)
		alice.sendPacket(peer.Reliable, userPacket("too much"))
		sleep(tc.reg.opts.JoinTimeout)
		if got := cem.heard(); !slices.Contains(got, "leave JOIN_FAILURE DISCONNECT") {
			t.Errorf("cem is told %q", got)
		}
		alice.leave()
	})
}

func TestOwnMetadataIsBoundedAndAnsweredBothWays(t *testing.T) {
	inBubble(t, Options{Limits: Limits{MaxMetadata: 10}}, func(tc *test) {
		c := tc.enter("demo", "alice")
		c.heard()
		update := func(metadata string) {
			c.say(&livekit.SignalRequest{Message: &livekit.SignalRequest_UpdateMetadata{UpdateMetadata: &livekit.UpdateParticipantMetadata{Metadata: metadata, RequestId: 7}}})
		}
		update("fine")
		c.wantHeard("update and response", "update alice:active/0", "response OK")
		update("much too long")
		c.wantHeard("refused", "response LIMIT_EXCEEDED")
		update("\xff")
		c.wantHeard("no message could carry it", "response LIMIT_EXCEEDED")
	})
}

func FuzzData(f *testing.F) {
	for _, p := range []*livekit.DataPacket{userPacket("x"), {DestinationIdentities: []string{"a"}}, {Value: &livekit.DataPacket_StreamChunk{StreamChunk: &livekit.DataStream_Chunk{StreamId: "s"}}}} {
		raw, _ := proto.Marshal(p)
		f.Add(raw, "_reliable")
		f.Add(raw, "other")
	}
	f.Add(frame(7, "x"), "_data_track")
	f.Fuzz(func(t *testing.T, raw []byte, label string) {
		inBubble(t, Options{}, func(tc *test) {
			alice, bob := tc.enter("demo", "alice"), tc.enter("demo", "bob")
			alice.publishData(7, "track")
			bob.subscribeData(alice.p().dataTracks[0].info.Sid, true)
			alice.conn().Data(peer.Reliable, label, raw)
			synctest.Wait()
		})
	})
}

func TestSequenceWindow(t *testing.T) {
	var w sequenceWindow
	for _, step := range []struct {
		n    uint32
		want bool
	}{
		{0, true}, {0, true}, {1, true}, {1, false}, {1000, true}, {2, true}, {2, false}, {2000, true},
		{900, false}, {977, true}, {976, false}, {1000, false}, {1 << 31, true}, {1<<31 - 1, true}, {2000, false},
	} {
		if got := w.accept(step.n); got != step.want {
			t.Errorf("accept(%d) = %v after %d", step.n, got, w.highest)
		}
	}
}
