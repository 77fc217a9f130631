package room

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rollcall-rtc/rollcall/event"
	"github.com/rollcall-rtc/rollcall/internal/sfu/peer"
)

// resumes gives the client a new signal connection.
func (c *client) resumes() {
	c.tc.t.Helper()
	c.sink = &recorder{}
	if _, err := c.tc.reg.Resume(context.Background(), c.join, c.h.SID(), c.sink); err != nil {
		c.tc.t.Fatal(err)
	}
	synctest.Wait()
}

// The five seconds are for coming back, not for what comes after that.
func TestWhoResumedInTimeHasTimeForItsTransport(t *testing.T) {
	for name, tt := range map[string]struct {
		before, then func(ana *client)
		stays        bool
	}{
		"only the other connection was down": {func(*client) {}, func(*client) {}, true},
		"it is restarted slowly": {func(*client) {}, func(ana *client) {
			ana.transport(peer.Connecting)
			sleep(20 * time.Second)
			ana.transport(peer.Connected)
		}, true},
		"it connects slowly": {func(ana *client) { ana.transport(peer.Disconnected) }, func(ana *client) {
			sleep(20 * time.Second)
			ana.transport(peer.Connected)
		}, true},
		"it does not connect": {func(ana *client) { ana.transport(peer.Disconnected) }, func(*client) {}, false},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, Options{}, func(tc *test) {
				ana, ben := tc.enter("demo", "ana"), tc.enter("demo", "ben")
				ana.conn().PublisherState(peer.Connected)
				ana.conn().PublisherState(peer.Failed)
				tt.before(ana)
				sleep(time.Second)
				ana.resumes()
				tt.then(ana)
				sleep(30 * time.Second)
				if e := ana.left(); e != nil {
					t.Errorf("gone within half a minute: %s", e.Reason)
				}
				sleep(2 * time.Minute)
				if tt.stays {
					ana.leave()
					ana.wantLeft("of itself", event.ActorClient, "client_initiated")
				} else {
					ana.wantLeft("for good", event.ActorServer, "connection_timeout")
				}
				ben.leave()
			})
		})
	}
}
