package room

import (
	"context"
	"slices"
	"testing"

	"github.com/livekit/protocol/livekit"
)

// fakeRelay notes who may relay.
type fakeRelay struct{ admitted, revoked []string }

func (f *fakeRelay) Admit(sid string) []*livekit.ICEServer {
	if !slices.Contains(f.admitted, sid) {
		f.admitted = append(f.admitted, sid)
	}
	return []*livekit.ICEServer{{Urls: []string{"turn:relay"}, Username: sid, Credential: "c"}}
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
