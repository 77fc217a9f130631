package peer

import (
	"testing"

	"github.com/pion/webrtc/v4"
)

func TestAnswerKeepsTheOffersPreference(t *testing.T) {
	f := newTestFactory(t, nil)
	for _, mime := range []string{webrtc.MimeTypeVP9, webrtc.MimeTypeH264, webrtc.MimeTypeAV1, webrtc.MimeTypeVP8} {
		c := newPubClient(t, f, clientOptions{})
		c.dataChannels()
		c.publish(webrtc.MimeTypeOpus, "stream", "mic")
		c.publish(webrtc.MimeTypeVP8, "stream", "camera")
		preferred := c.pc.GetTransceivers()[1]
		var first, rest []webrtc.RTPCodecParameters
		for _, codec := range preferred.Sender().GetParameters().Codecs {
			if codec.MimeType == mime {
				first = append(first, codec)
			} else {
				rest = append(rest, codec)
			}
		}
		if err := preferred.SetCodecPreferences(append(first, rest...)); err != nil {
			t.Fatal(err)
		}
		answer := c.negotiate(nil)
		lines, err := parseLines(answer)
		if err != nil {
			t.Fatal(err)
		}
		if got := lines[1].codecs[0].mime; got != mime {
			t.Errorf("answered %s first, want %s", got, mime)
		}
		eventually(t, "announced", func() bool { return c.track("camera") != nil })
		if got := c.track("camera").MimeType(); got != mime {
			t.Errorf("announced %s, want %s", got, mime)
		}
	}
}

func TestPreferredCodecIsAnsweredFirst(t *testing.T) {
	f := newTestFactory(t, nil)
	c := newPubClient(t, f, clientOptions{})
	c.dataChannels()
	// One section, used by tracks in different codecs in turn.
	for i, mime := range []string{webrtc.MimeTypeH264, webrtc.MimeTypeVP9, webrtc.MimeTypeAV1, webrtc.MimeTypeVP8} {
		id := trackName(i)
		c.pub.Prefer(id, Preference{MimeType: mime})
		_, sender := c.publish(mime, "stream", id)
		answer := c.negotiate(nil)
		lines, err := parseLines(answer)
		if err != nil {
			t.Fatal(err)
		}
		for _, l := range lines {
			if l.kind == "video" && (l.codecs[0].mime != mime || l.codecs[0].rtx == 0 || len(l.codecs) < 4) {
				t.Errorf("answered %+v, want %s first and the others after it", l.codecs, mime)
			}
		}
		eventually(t, "announced", func() bool { return c.track(id) != nil })
		if got := c.track(id).MimeType(); got != mime {
			t.Errorf("announced %s, want %s", got, mime)
		}
		if err := c.pc.RemoveTrack(sender); err != nil {
			t.Fatal(err)
		}
		c.negotiate(nil)
		eventually(t, "ended", func() bool { return c.track(id) == nil })
	}
	// What the client does not have changes nothing.
	c.pub.Prefer("odd", Preference{MimeType: "video/odd"})
	c.publish(webrtc.MimeTypeVP8, "stream", "odd")
	c.negotiate(nil)
	eventually(t, "announced", func() bool { return c.track("odd") != nil })
}
