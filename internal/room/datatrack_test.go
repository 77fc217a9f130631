package room

import (
	"slices"
	"testing"
	"testing/synctest"

	"github.com/livekit/protocol/livekit"

	"github.com/rollcall-rtc/rollcall/internal/sfu/peer"
)

func (c *client) publishData(handle uint32, name string) {
	c.say(&livekit.SignalRequest{Message: &livekit.SignalRequest_PublishDataTrackRequest{
		PublishDataTrackRequest: &livekit.PublishDataTrackRequest{PubHandle: handle, Name: name}}})
}

func (c *client) unpublishData(handle uint32) {
	c.say(&livekit.SignalRequest{Message: &livekit.SignalRequest_UnpublishDataTrackRequest{
		UnpublishDataTrackRequest: &livekit.UnpublishDataTrackRequest{PubHandle: handle}}})
}

func (c *client) subscribeData(sid string, on bool) {
	c.say(&livekit.SignalRequest{Message: &livekit.SignalRequest_UpdateDataSubscription{
		UpdateDataSubscription: &livekit.UpdateDataSubscription{
			Updates: []*livekit.UpdateDataSubscription_Update{{TrackSid: sid, Subscribe: on}}}}})
}

// frame is a packet of a data track.
func frame(handle uint16, text string) []byte {
	return append([]byte{0x18, 0, byte(handle >> 8), byte(handle), 0, 1, 0, 1, 0, 0, 0, 0}, text...)
}

func (c *client) sendFrame(b []byte) {
	c.conn().Data(peer.DataTrack, "_data_track", b)
	synctest.Wait()
}

// frames returns and forgets the packets of data tracks that c was sent.
func (c *client) frames() (got []string) {
	f := c.sub()
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, b := range f.frames {
		got = append(got, string(b))
	}
	f.frames = nil
	return got
}

func TestDataTracksGoToThoseWhoAskForThem(t *testing.T) {
	inBubble(t, Options{}, func(tc *test) {
		alice, bob, carol := tc.enter("demo", "alice"), tc.enter("demo", "bob"), tc.enter("demo", "carol")
		alice.publishData(7, "pose")
		alice.publishData(8, "map")
		infos := bob.p().state.participants["alice"].info().DataTracks
		if len(infos) != 2 || infos[0].Name != "pose" || infos[0].Sid[:4] != "DTR_" {
			t.Fatalf("alice has %v", infos)
		}
		alice.sendFrame(frame(7, "nobody"))
		bob.subscribeData(infos[1].Sid, true)
		bob.subscribeData(infos[0].Sid, true)
		bob.subscribeData("DTR_none", true)
		alice.subscribeData(infos[0].Sid, true) // its own
		alice.sendFrame(frame(7, "one"))
		alice.sendFrame(frame(8, "two"))
		alice.sendFrame(frame(9, "unknown"))
		alice.sendFrame([]byte("short"))
		alice.sendFrame(append([]byte{0xff}, frame(7, "of another version")[1:]...))
		if got, want := bob.frames(), []string{string(frame(2, "one")), string(frame(1, "two"))}; !slices.Equal(got, want) {
			t.Errorf("bob got %q, want %q", got, want)
		}
		for _, c := range []*client{alice, carol} {
			if got := c.frames(); len(got) != 0 {
				t.Errorf("%s got %q", c.join.Identity, got)
			}
		}
		bob.subscribeData(infos[0].Sid, false)
		alice.unpublishData(8)
		alice.sendFrame(frame(7, "one"))
		alice.sendFrame(frame(8, "two"))
		if got := bob.frames(); len(got) != 0 {
			t.Errorf("bob still got %q", got)
		}
		bob.subscribeData(infos[0].Sid, true)
		alice.leave()
		if n := len(bob.p().dataHandles); n != 0 {
			t.Errorf("%d handles of who has left", n)
		}
	})
}

func TestDataTracksOfNoUseAreRefused(t *testing.T) {
	inBubble(t, Options{}, func(tc *test) {
		alice := tc.enter("demo", "alice")
		mute := joinOf("demo", "mute")
		mute.Permission.CanPublishData = false
		silent := tc.accept(mute)
		silent.transport(peer.Connected)
		alice.publishData(1, "one")
		for _, c := range []struct {
			who    *client
			handle uint32
			name   string
			want   string
		}{
			{silent, 1, "one", "NOT_ALLOWED"},
			{alice, 0, "zero", "INVALID_HANDLE"},
			{alice, 1 << 16, "large", "INVALID_HANDLE"},
			{alice, 2, "", "INVALID_NAME"},
			{alice, 2, string(make([]byte, 300)), "INVALID_NAME"},
			{alice, 1, "other", "DUPLICATE_HANDLE"},
			{alice, 2, "one", "DUPLICATE_NAME"},
		} {
			c.who.heard()
			c.who.publishData(c.handle, c.name)
			if got := c.who.heard(); !slices.Contains(got, "response "+c.want) {
				t.Errorf("handle %d, name %.10q: heard %q, want %s", c.handle, c.name, got, c.want)
			}
		}
		alice.unpublishData(5)
		if got := alice.heard(); !slices.Contains(got, "response NOT_FOUND") {
			t.Errorf("heard %q", got)
		}
	})
}
