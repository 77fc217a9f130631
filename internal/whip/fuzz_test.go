package whip

import (
	"strings"
	"testing"
)

const sampleOffer = "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0 1\r\n" +
	"m=audio 9 UDP/TLS/RTP/SAVPF 111\r\nc=IN IP4 0.0.0.0\r\na=mid:0\r\na=sendonly\r\na=ice-ufrag:abcd\r\na=ice-pwd:0123456789012345678901\r\n" +
	"a=rtpmap:111 opus/48000/2\r\na=fmtp:111 minptime=10;stereo=1\r\na=msid:- sound\r\n" +
	"m=video 9 UDP/TLS/RTP/SAVPF 96\r\nc=IN IP4 0.0.0.0\r\na=mid:1\r\na=sendonly\r\na=ice-ufrag:abcd\r\na=ice-pwd:0123456789012345678901\r\n" +
	"a=rtpmap:96 VP8/90000\r\na=rid:q send\r\na=rid:h send\r\na=rid:f send\r\na=simulcast:send q;h;f\r\n"

func TestOfferSaysWhatIsPublished(t *testing.T) {
	o, err := parseOffer(sampleOffer, naming{videoName: "desk"})
	if err != nil {
		t.Fatal(err)
	}
	if len(o.tracks) != 2 || o.ufrag != "abcd" || o.tracks[0].Cid != "sound" || !o.tracks[0].Stereo || o.tracks[1].Cid != "whip-1" || //nolint:staticcheck // clients read it
		o.tracks[1].Name != "desk" || len(o.tracks[1].Layers) != 3 || o.tracks[1].Layers[2].Rid != "f" { //nolint:staticcheck // as above
		t.Errorf("%v", o.tracks)
	}
	if !strings.Contains(o.text, "a=msid:- whip-1\r\n") {
		t.Errorf("a section has no track id:\n%s", o.text)
	}
	again, err := o.restarted("wxyz", "9876543210987654321098")
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(again.text, "abcd") || strings.Count(again.text, "a=ice-ufrag:wxyz") != 2 {
		t.Errorf("restarted:\n%s", again.text)
	}
}

func FuzzOffer(f *testing.F) {
	f.Add(sampleOffer)
	for i := range len(sampleOffer) {
		if i%37 == 0 {
			f.Add(sampleOffer[:i])
		}
	}
	f.Fuzz(func(t *testing.T, body string) {
		o, err := parseOffer(body, naming{})
		if err != nil {
			return
		}
		if len(o.tracks) == 0 || len(o.tracks) > maxSections || o.ufrag == "" {
			t.Fatalf("accepted %+v", o)
		}
		for _, track := range o.tracks {
			if track.Cid == "" || len(track.Cid) > 128 {
				t.Fatalf("track id %q", track.Cid)
			}
		}
		// What is handed on can be read again, and be restarted.
		if _, err := parseOffer(o.text, naming{}); err != nil {
			t.Fatalf("%v of\n%s", err, o.text)
		}
		if _, err := o.restarted("wxyz", "9876543210987654321098"); err != nil {
			t.Fatal(err)
		}
	})
}

func FuzzFragment(f *testing.F) {
	f.Add("a=ice-ufrag:abcd\r\na=ice-pwd:0123456789012345678901\r\nm=audio 9 x 0\r\na=mid:0\r\na=candidate:1 1 udp 1 127.0.0.1 9 typ host\r\na=end-of-candidates\r\n")
	f.Fuzz(func(t *testing.T, body string) {
		got, err := parseFragment(body)
		if err != nil {
			return
		}
		if len(got.candidates) > maxCandidates {
			t.Fatal(len(got.candidates))
		}
		for _, c := range got.candidates {
			if strings.ContainsAny(c.line, "\r\n") {
				t.Fatalf("line %q", c.line)
			}
		}
		if strings.ContainsAny(got.ufrag+got.pwd, "\r\n: ") {
			t.Fatalf("credentials %q %q", got.ufrag, got.pwd)
		}
	})
}
