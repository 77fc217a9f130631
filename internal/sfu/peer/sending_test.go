package peer

import (
	"strings"
	"testing"

	"github.com/rollcall-rtc/rollcall/internal/sfu/uptrack"
)

// The name of a stream is the publisher's, and in the descriptions of others.
func TestStreamsNameWritesNoDescription(t *testing.T) {
	f := newTestFactory(t, nil)
	c := newSubClient(t, f, clientOptions{})
	up := uptrack.New(uptrack.Options{Codec: uptrack.Codec{MimeType: mimeVP8, ClockRate: 90000}})
	stream := "PA_x|my screen\r\na=candidate:1 1 udp 1 192.0.2.1 9 typ host\n"
	if _, err := c.sub.AddTrack(stream, "TR_1", up); err != nil {
		t.Fatal(err)
	}
	c.sub.Negotiate()
	c.connected()
	sdp := c.lastOffer().sdp
	if strings.Contains(sdp, "192.0.2.1 ") || strings.Contains(sdp, "\n\n") {
		t.Errorf("a line of the publisher's:\n%s", sdp)
	}
	if !strings.Contains(sdp, "\r\na=msid:PA_x|my_screen__a_candidate_1_1_udp_1_192.0.2.1_9_typ_host_ TR_1\r\n") {
		t.Errorf("offer:\n%s", sdp)
	}
}

func TestTokensAreKept(t *testing.T) {
	for text, want := range map[string]string{
		"": "", "PA_x|TR-1": "PA_x|TR-1", "{a.b+c!}": "{a.b+c!}", "a b\tc": "a_b_c", "a\r\nb": "a__b", "a:b/c": "a_b_c", "Bild\u00e4\U0001f3a5": "Bild__", "\x00\x7f": "__",
	} {
		if got := token(text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}
