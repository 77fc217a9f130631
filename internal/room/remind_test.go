package room

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/livekit/protocol/livekit"

	"github.com/rollcall-rtc/rollcall/internal/sfu/peer"
)

// wantReminders compares how often c's connection has asked for an offer.
func (c *client) wantReminders(why string, n int) {
	c.tc.t.Helper()
	synctest.Wait()
	d := c.duplex()
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.reminders != n {
		c.tc.t.Errorf("%s: reminded %d times, want %d", why, d.reminders, n)
	}
}

func (c *client) sayOffer(sdp string) {
	c.say(&livekit.SignalRequest{Message: &livekit.SignalRequest_Offer{Offer: &livekit.SessionDescription{Type: "offer", Sdp: sdp}}})
}

func TestWhoDoesNotOfferWhatItAnnouncedIsReminded(t *testing.T) {
	inBubble(t, Options{}, func(tc *test) {
		alice := tc.enterSingle("demo", "alice")
		alice.publishCamera()
		time.Sleep(time.Minute)
		alice.wantReminders("all is offered", 0)
		alice.announce("mic", livekit.TrackType_AUDIO, livekit.TrackSource_MICROPHONE)
		time.Sleep(owed[0] / 2)
		alice.wantReminders("there is time", 0)
		time.Sleep(owed[0])
		alice.wantReminders("it is late", 1)
		alice.media("mic", "audio")
		time.Sleep(time.Minute)
		alice.wantReminders("it is offered", 1)
		alice.announce("never", livekit.TrackType_VIDEO, livekit.TrackSource_SCREEN_SHARE)
		time.Sleep(time.Minute)
		alice.wantReminders("it is never offered", 1+len(owed))
		alice.leave()
	})
}

func TestMediaWithAnIdOfItsOwnIsNoReasonToRemind(t *testing.T) {
	inBubble(t, Options{}, func(tc *test) {
		alice := tc.enterSingle("demo", "alice")
		alice.announce("mic", livekit.TrackType_AUDIO, livekit.TrackSource_MICROPHONE)
		sleep(owed[0] / 2)
		alice.media("another id", "audio")
		sleep(time.Minute)
		if n := len(alice.p().tracks); n != 1 {
			t.Errorf("%d tracks are published", n)
		}
		alice.wantReminders("its media is there", 0)
		alice.announce("cam", livekit.TrackType_VIDEO, livekit.TrackSource_CAMERA)
		sleep(owed[0] / 2)
		alice.media("sound of nothing announced", "audio")
		sleep(owed[0])
		alice.wantReminders("other media is there", 1)
		alice.leave()
	})
}

func TestWhatIsOfferedWaitsForTheConnection(t *testing.T) {
	inBubble(t, Options{}, func(tc *test) {
		alice := tc.enterSingle("demo", "alice")
		alice.announce("mic", livekit.TrackType_AUDIO, livekit.TrackSource_MICROPHONE)
		alice.announce("cam", livekit.TrackType_VIDEO, livekit.TrackSource_CAMERA)
		alice.duplexState(peer.Disconnected)
		alice.sayOffer("v=0\r\na=msid:stream mic\r\n")
		sleep(3 * owed[0])
		alice.wantReminders("the connection is down", 0)
		alice.duplexState(peer.Connected)
		alice.media("mic", "audio")
		sleep(owed[0])
		alice.wantReminders("the camera was not offered", 1)
		alice.sayOffer("v=0\r\na=msid:stream cam\r\n")
		sleep(time.Minute)
		alice.wantReminders("all is offered", 1)
		alice.leave()
	})
}

func TestWhatAClientGaveUpReturnsWithNoLaterTrack(t *testing.T) {
	inBubble(t, Options{}, func(tc *test) {
		alice := tc.enterSingle("demo", "alice")
		alice.announce("never", livekit.TrackType_VIDEO, livekit.TrackSource_SCREEN_SHARE)
		sleep(time.Minute)
		alice.wantReminders("it is never offered", len(owed))
		alice.announce("mic", livekit.TrackType_AUDIO, livekit.TrackSource_MICROPHONE)
		alice.media("mic", "audio")
		sleep(time.Minute)
		alice.wantReminders("what came later is", len(owed))
		alice.leave()
	})
}

func TestLaterAnnouncementsPutNoReminderOff(t *testing.T) {
	inBubble(t, Options{}, func(tc *test) {
		alice := tc.enterSingle("demo", "alice")
		alice.announce("mic", livekit.TrackType_AUDIO, livekit.TrackSource_MICROPHONE)
		sleep(owed[0] * 3 / 4)
		alice.announce("cam", livekit.TrackType_VIDEO, livekit.TrackSource_CAMERA)
		sleep(owed[0] / 2)
		alice.wantReminders("of the microphone", 1)
		sleep(owed[0] * 2 / 3)
		alice.wantReminders("there is time to offer what was announced last", 1)
		sleep(owed[0] / 2)
		alice.wantReminders("of the camera", 2)
		alice.leave()
	})
}

func TestWhoResumesIsRemindedAnew(t *testing.T) {
	inBubble(t, Options{}, func(tc *test) {
		alice := tc.enterSingle("demo", "alice")
		alice.announce("mic", livekit.TrackType_AUDIO, livekit.TrackSource_MICROPHONE)
		sleep(owed[0] / 2)
		for i := range 2 {
			join := *alice.join
			again := &client{tc: tc, join: &join, sink: &recorder{}}
			h, err := tc.reg.Resume(context.Background(), again.join, alice.h.SID(), again.sink)
			if err != nil {
				t.Fatal(err)
			}
			alice.h, alice.sink = h, again.sink
			sleep(owed[0] * 3 / 4)
			alice.wantReminders("there is time for the offer that a resume brings", i*len(owed))
			sleep(time.Minute)
			alice.wantReminders("it brought none", (i+1)*len(owed))
		}
		alice.leave()
	})
}
