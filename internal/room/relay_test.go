package room

import (
	"context"
	"slices"
	"testing"

	"github.com/livekit/protocol/livekit"
)

// fakeRelay notes who may relay.
type fakeRelay struct {
	admitted, revoked []string
	urls              []string // none: one of a kind
}

func (f *fakeRelay) Admit(sid string) []*livekit.ICEServer {
	if !slices.Contains(f.admitted, sid) {
		f.admitted = append(f.admitted, sid)
	}
	urls := f.urls
	if len(urls) == 0 {
		urls = []string{"turn:relay"}
	}
	return []*livekit.ICEServer{{Urls: urls, Username: sid, Credential: "c"}}
}

func (f *fakeRelay) Revoke(sid string) { f.revoked = append(f.revoked, sid) }

func TestRelayIsOpenToASessionForItsLife(t *testing.T) {
	relay := &fakeRelay{}
	stun := &livekit.ICEServer{Urls: []string{"stun:configured"}}
	inBubble(t, Options{Relay: relay, ICEServers: []*livekit.ICEServer{stun}}, func(tc *test) {
		wantServers := func(why string, got []*livekit.ICEServer, sid string) {
			t.Helper()
			if len(got) != 2 || got[0].Urls[0] != "stun:configured" || got[1].Username != sid || got[1].Credential != "c" {
				t.Errorf("%s: ICE servers %v", why, got)
			}
		}
		alice := tc.enter("demo", "alice")
		wantServers("join", alice.sink.messages[0].GetJoin().GetIceServers(), alice.h.SID())

		alice.h.SignalLost(alice.sink)
		again := &recorder{}
		if _, err := tc.reg.Resume(context.Background(), alice.join, alice.h.SID(), again); err != nil {
			t.Fatal(err)
		}
		wantServers("resume", again.messages[0].GetReconnect().GetIceServers(), alice.h.SID())
		if len(relay.revoked) != 0 {
			t.Errorf("revoked %q of a session that goes on", relay.revoked)
		}

		// A duplicate identity ends the session, and with it the credentials.
		second := tc.enter("demo", "alice")
		if !slices.Equal(relay.revoked, []string{alice.h.SID()}) {
			t.Errorf("revoked %q, want the replaced session", relay.revoked)
		}
		second.leave()
		aborted := tc.accept(joinOf("demo", "bob"))
		aborted.h.SignalLost(aborted.sink)
		aborted.heard()
		if want := []string{alice.h.SID(), second.h.SID(), aborted.h.SID()}; !slices.Equal(relay.revoked, want) || !slices.Equal(relay.admitted, want) {
			t.Errorf("admitted %q, revoked %q, want %q both", relay.admitted, relay.revoked, want)
		}
	})
}

// An SDK that asks for TLS starts over, and takes what it is told then.
func TestWhoAsksForTLSIsRelayedByNothingElse(t *testing.T) {
	for name, tt := range map[string]struct {
		urls []string
		want []string // of the relay; nil: there is none by TLS
	}{
		"a relay over TLS":         {[]string{"turn:relay", "turns:relay?transport=tcp"}, []string{"turns:relay?transport=tcp"}},
		"none that speaks TLS":     {[]string{"turn:relay"}, nil},
		"two of which one has TLS": {[]string{"turns:relay", "stun:relay"}, []string{"turns:relay"}},
	} {
		t.Run(name, func(t *testing.T) {
			stun := &livekit.ICEServer{Urls: []string{"stun:configured"}}
			inBubble(t, Options{Relay: &fakeRelay{urls: tt.urls}, ICEServers: []*livekit.ICEServer{stun}}, func(tc *test) {
				alice := tc.enter("demo", "alice")
				if c := alice.sink.messages[0].GetJoin().GetClientConfiguration(); c != nil {
					t.Errorf("before: %v", c)
				}
				alice.simulates(&livekit.SimulateScenario{Scenario: &livekit.SimulateScenario_SwitchCandidateProtocol{
					SwitchCandidateProtocol: livekit.CandidateProtocol_TLS,
				}})
				again := tc.enter("demo", "alice")
				join := again.sink.messages[0].GetJoin()
				check := func(why string, config *livekit.ClientConfiguration, servers []*livekit.ICEServer) {
					t.Helper()
					relayed := config.GetForceRelay() == livekit.ClientConfigSetting_ENABLED
					if tt.want == nil {
						if relayed || len(servers) != 2 || again.p().way != livekit.CandidateProtocol_TCP {
							t.Errorf("%s: %v by %v of %v, want TCP with all of them", why, config, again.p().way, servers)
						}
						return
					}
					if !relayed || len(servers) != 1 || !slices.Equal(servers[0].Urls, tt.want) ||
						servers[0].Username != again.h.SID() || servers[0].Credential != "c" {
						t.Errorf("%s: %v of %v, want %q and no other way", why, config, servers, tt.want)
					}
				}
				check("join", join.GetClientConfiguration(), join.GetIceServers())
				resumed := again.resume(nil)
				back := resumed.sink.messages[0].GetReconnect()
				check("resume", back.GetClientConfiguration(), back.GetIceServers())
				// It is for that session.
				third := tc.enter("demo", "alice").sink.messages[0].GetJoin()
				if third.GetClientConfiguration() != nil || len(third.GetIceServers()) != 2 {
					t.Errorf("afterwards: %v, %v", third.GetClientConfiguration(), third.GetIceServers())
				}
			})
		})
	}
}
