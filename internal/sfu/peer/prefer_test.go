package peer

import (
	"fmt"
	"strings"
	"testing"

	"github.com/pion/webrtc/v4"
)

// Who stays for long and shares its screen again and again announces many tracks.
func TestPreferencesOfTheLastTracksAndOfThoseThatAreSentAreKept(t *testing.T) {
	f := newTestFactory(t, nil)
	c := newPubClient(t, f, clientOptions{})
	others := 0
	announce := func() {
		for range maxPreferred {
			c.pub.Prefer(fmt.Sprint("other", others), Preference{MimeType: "video/VP8"})
			others++
		}
	}
	stereo := func(why string, want int) {
		t.Helper()
		c.negotiate(nil)
		if n := strings.Count(c.pc.RemoteDescription().SDP, "stereo=1"); n != want {
			t.Errorf("%s: stereo for %d tracks, want %d", why, n, want)
		}
	}
	announce()
	c.pub.Prefer("mic", Preference{MimeType: "audio/opus", Stereo: true})
	c.publish(webrtc.MimeTypeOpus, "stream", "mic")
	stereo("the last", 1)
	announce()
	c.pub.Prefer("music", Preference{MimeType: "audio/opus", Stereo: true})
	c.publish(webrtc.MimeTypeOpus, "stream", "music")
	stereo("the last, and the one that is sent", 2)
	if len(c.pub.preferred) != maxPreferred || len(c.pub.announced) != maxPreferred {
		t.Errorf("%d and %d are kept", len(c.pub.preferred), len(c.pub.announced))
	}
}
