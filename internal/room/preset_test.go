package room

import (
	"context"
	"maps"
	"testing"

	"github.com/livekit/protocol/livekit"

	"github.com/rollcall-rtc/rollcall/internal/sfu/peer"
)

func classroom() Options {
	return Options{Presets: map[string]*livekit.RoomConfiguration{"class": {
		Name: "class", EmptyTimeout: 100, DepartureTimeout: 200, MaxParticipants: 30, Metadata: "of the preset", SyncStreams: true,
		Tags: map[string]string{"tenant": "school", "kind": "class"}, Agents: []*livekit.RoomAgentDispatch{{AgentName: "helper"}},
	}}}
}

func TestPresetSetsWhatTheRequestLeavesOpen(t *testing.T) {
	for name, tt := range map[string]struct {
		make func(tc *test)
		want *livekit.Room
		tags map[string]string
		help []string
	}{
		"CreateRoom alone": {func(tc *test) {
			tc.create(&livekit.CreateRoomRequest{Name: "demo", RoomPreset: "class"})
		}, &livekit.Room{EmptyTimeout: 100, DepartureTimeout: 200, MaxParticipants: 30, Metadata: "of the preset"},
			map[string]string{"tenant": "school", "kind": "class"}, []string{"helper"}},
		"CreateRoom over it": {func(tc *test) {
			tc.create(&livekit.CreateRoomRequest{Name: "demo", RoomPreset: "class", EmptyTimeout: 1, DepartureTimeout: 2, MaxParticipants: 3,
				Metadata: "m", Tags: map[string]string{"kind": "exam"}, Agents: []*livekit.RoomAgentDispatch{{AgentName: "proctor"}}})
		}, &livekit.Room{EmptyTimeout: 1, DepartureTimeout: 2, MaxParticipants: 3, Metadata: "m"},
			map[string]string{"tenant": "school", "kind": "exam"}, []string{"proctor"}},
		"token alone": {func(tc *test) {
			join := joinOf("demo", "ana")
			join.RoomPreset = "class"
			tc.accept(join)
		}, &livekit.Room{EmptyTimeout: 100, DepartureTimeout: 200, MaxParticipants: 30, Metadata: "of the preset"},
			map[string]string{"tenant": "school", "kind": "class"}, []string{"helper"}},
		"token's own configuration over it": {func(tc *test) {
			join := joinOf("demo", "ana")
			join.RoomPreset = "class"
			join.RoomConfig = &livekit.RoomConfiguration{MaxParticipants: 7, Metadata: "of the token",
				Tags: map[string]string{"kind": "exam", "rollcall.webhook": "http://evil.example.com"}}
			tc.accept(join)
		}, &livekit.Room{EmptyTimeout: 100, DepartureTimeout: 200, MaxParticipants: 7, Metadata: "of the token"},
			map[string]string{"tenant": "school", "kind": "exam"}, []string{"helper"}},
		"none": {func(tc *test) { tc.create(&livekit.CreateRoomRequest{Name: "demo"}) },
			&livekit.Room{EmptyTimeout: 300, DepartureTimeout: 20}, nil, nil},
	} {
		t.Run(name, func(t *testing.T) {
			o := classroom()
			var help []string
			o.Wants = func(_ string, agents []*livekit.RoomAgentDispatch) {
				for _, a := range agents {
					help = append(help, a.AgentName)
				}
			}
			inBubble(t, o, func(tc *test) {
				tt.make(tc)
				got := tc.reg.lookup("demo")
				if _, err := got.do(context.Background(), func(s *state) {
					r := s.settings
					if r.EmptyTimeout != tt.want.EmptyTimeout || r.DepartureTimeout != tt.want.DepartureTimeout ||
						r.MaxParticipants != tt.want.MaxParticipants || r.Metadata != tt.want.Metadata {
						t.Errorf("settings %v", r)
					}
					if !maps.Equal(s.tags, tt.tags) || s.syncStreams != (tt.tags != nil) {
						t.Errorf("tags %v, in step: %v", s.tags, s.syncStreams)
					}
				}); err != nil {
					t.Fatal(err)
				}
				if len(help) != len(tt.help) || len(help) > 0 && help[0] != tt.help[0] {
					t.Errorf("agents %q, want %q", help, tt.help)
				}
			})
		})
	}
}

func (tc *test) create(req *livekit.CreateRoomRequest) {
	tc.t.Helper()
	if _, err := tc.reg.Create(context.Background(), req); err != nil {
		tc.t.Fatal(err)
	}
}

func TestPresetDoesNotChangeARoomThatIsThere(t *testing.T) {
	inBubble(t, classroom(), func(tc *test) {
		tc.create(&livekit.CreateRoomRequest{Name: "demo", MaxParticipants: 2})
		r, err := tc.reg.Create(context.Background(), &livekit.CreateRoomRequest{Name: "demo", RoomPreset: "class", Metadata: "m"})
		if err != nil || r.MaxParticipants != 2 || r.Metadata != "m" || r.EmptyTimeout != 300 {
			t.Errorf("%v, %v", r, err)
		}
	})
}

func TestUnknownPresetAndEgressAreRefused(t *testing.T) {
	ctx := context.Background()
	inBubble(t, classroom(), func(tc *test) {
		_, err := tc.reg.Create(ctx, &livekit.CreateRoomRequest{Name: "demo", RoomPreset: "clas"})
		wantRefusal(t, "unknown preset", err, InvalidArgument)
		join := joinOf("demo", "ana")
		join.RoomPreset = "clas"
		wantRefusal(t, "unknown preset of a token", tc.reg.CanJoin(ctx, join), InvalidArgument)
		_, err = tc.reg.Join(ctx, join, &recorder{})
		wantRefusal(t, "unknown preset of a token", err, InvalidArgument)

		join = joinOf("demo", "ana")
		join.RoomConfig = &livekit.RoomConfiguration{Egress: &livekit.RoomEgress{Tracks: &livekit.AutoTrackEgress{}}}
		wantRefusal(t, "egress", tc.reg.CanJoin(ctx, join), Unimplemented)
		_, err = tc.reg.Join(ctx, join, &recorder{})
		wantRefusal(t, "egress", err, Unimplemented)
		tc.enter("demo", "ben")
		tc.accept(join) // the room is there, so that it is not asked for
		join.RoomConfig = &livekit.RoomConfiguration{Metadata: string(make([]byte, 600<<10))}
		wantRefusal(t, "long metadata", tc.reg.CanJoin(ctx, join), InvalidArgument)
	})
}

func TestDuplicateIdentityIsRejectedWhileItIsConnected(t *testing.T) {
	ctx := context.Background()
	inBubble(t, Options{Defaults: Defaults{RejectDuplicates: true}}, func(tc *test) {
		first := tc.enter("demo", "ana")
		wantRefusal(t, "connected", tc.reg.CanJoin(ctx, joinOf("demo", "ana")), AlreadyExists)
		_, err := tc.reg.Join(ctx, joinOf("demo", "ana"), &recorder{})
		wantRefusal(t, "connected", err, AlreadyExists)
		other := tc.enter("attic", "ana")
		wantRefusal(t, "moved there", tc.move(other, "demo"), AlreadyExists)
		first.wantHeard("nothing but its own join", "join others=0")

		// One that has lost its connection does not keep its next session out.
		first.h.SignalLost(first.sink)
		second := tc.enter("demo", "ana")
		second.transport(peer.Disconnected)
		third := tc.enter("demo", "ana")
		second.wantHeard("replaced", "join others=0", "leave DUPLICATE_IDENTITY DISCONNECT")
		third.leave()
	})
}

func TestStreamsInStepShareAStream(t *testing.T) {
	inBubble(t, Options{}, func(tc *test) {
		tc.create(&livekit.CreateRoomRequest{Name: "demo", SyncStreams: true})
		ana := tc.enter("demo", "ana")
		ana.publishCamera()
		ben := tc.enter("demo", "ben")
		fox := joinOf("demo", "fox")
		fox.Client.Browser = "Firefox"
		foxy := tc.accept(fox)
		sid := ana.p().tracks[0].info.Sid
		for who, want := range map[*client]string{ben: "camera", foxy: sid} {
			if got := who.sub().tracks; len(got) != 1 || got[0] != ana.h.SID()+"|"+want {
				t.Errorf("%s gets %q, want the stream %s", who.join.Identity, got, want)
			}
		}
	})
}

func TestPausingIsTheClientsChoiceAndElseTheServers(t *testing.T) {
	yes, no := true, false
	for _, keep := range []bool{false, true} {
		inBubble(t, Options{Defaults: Defaults{KeepVideo: keep}}, func(tc *test) {
			for _, single := range []bool{false, true} {
				for _, tt := range []struct {
					asked *bool
					want  bool
				}{{nil, !keep}, {&yes, true}, {&no, false}} {
					join := joinOf("demo", "ana")
					join.SinglePC, join.AllowPause = single, tt.asked
					c := tc.accept(join)
					got := c.p().outgoing().(*fakePeer).mayPause
					if got != tt.want {
						t.Errorf("server keeps video: %v, client says %v, one connection: %v: may pause: %v", keep, tt.asked, single, got)
					}
				}
			}
		})
	}
}

func TestSoundAndPicturesOfAnEncoderShareAStream(t *testing.T) {
	inBubble(t, Options{}, func(tc *test) {
		ana := joinOf("demo", "ana")
		ana.Kind = livekit.ParticipantInfo_INGRESS
		encoder := tc.accept(ana)
		encoder.transport(peer.Connected)
		encoder.publishCamera()
		ben := tc.enter("demo", "ben")
		if got := ben.sub().tracks; len(got) != 1 || got[0] != encoder.h.SID()+"|camera" {
			t.Errorf("%s gets %q, want the stream camera", ben.join.Identity, got)
		}
	})
}
