package client_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/livekit/protocol/livekit"

	"github.com/rollcall-rtc/rollcall/client"
	"github.com/rollcall-rtc/rollcall/internal/token"
)

// Who was let in, and whose connection is not up yet, has what is sent from then on.
func TestSlowJoinMissesNoReliableData(t *testing.T) {
	no := false
	for name, c := range map[string]struct {
		mode  func(*client.Options)
		claim func(*token.Claims)
	}{
		"dual":     {func(*client.Options) {}, func(*token.Claims) {}},
		"single":   {single, func(*token.Claims) {}},
		"no media": {func(*client.Options) {}, func(c *token.Claims) { c.Video.CanSubscribe = &no }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := rollcall(t)
			alice := s.join("alice")
			far := newCable(t, 1)
			far.set(weather{delay: 250 * time.Millisecond})
			got, on := recording(t)
			raw := s.token("bob", c.claim)
			joined := make(chan *client.Room, 1)
			failed := make(chan error, 1)
			go func() {
				o := client.Options{}
				for _, change := range []func(*client.Options){c.mode, on, far.through} {
					change(&o)
				}
				bob, err := client.Connect(s.context(), s.url, raw, o)
				joined <- bob
				failed <- err
			}()
			api, ctx := s.api()
			for in := false; !in; {
				list, err := api.ListParticipants(ctx, &livekit.ListParticipantsRequest{Room: t.Name()})
				if err != nil {
					t.Fatal(err)
				}
				in = slices.ContainsFunc(list.Participants, func(p *livekit.ParticipantInfo) bool { return p.Identity == "bob" })
			}
			for i := range 20 {
				if err := alice.Local().PublishData(s.context(), fmt.Append(nil, i), client.DataOptions{}); err != nil {
					t.Fatal(err)
				}
			}
			bob := <-joined
			if err := <-failed; err != nil {
				t.Fatal(err)
			}
			wantNumbers(got, "bob", 20)
			leave(t, bob)
		})
	}
}
