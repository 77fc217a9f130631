package peer

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// browserSection is a media section as browsers write it.
const browserSection = "m=video 9 UDP/TLS/RTP/SAVPF 96 97 103 104 0\r\n" +
	"c=IN IP4 0.0.0.0\r\na=rtcp:9 IN IP4 0.0.0.0\r\na=ice-ufrag:abcd\r\na=ice-pwd:0123456789012345678901\r\n" +
	"a=fingerprint:sha-256 AA:BB\r\na=setup:actpass\r\na=mid:v\r\n" +
	"a=extmap:14 urn:ietf:params:rtp-hdrext:toffset\r\n" +
	"a=extmap:4/sendonly urn:ietf:params:rtp-hdrext:sdes:mid\r\n" +
	"a=sendonly\r\na=msid:- camera\r\na=rtcp-mux\r\na=rtcp-rsize\r\n" +
	"a=rtpmap:96 vp8/90000\r\na=rtcp-fb:96 goog-remb\r\na=rtcp-fb:96 nack\r\na=rtcp-fb:96 nack pli\r\n" +
	"a=rtpmap:97 rtx/90000\r\na=fmtp:97 apt=96\r\n" +
	"a=rtpmap:103 H264/90000\r\na=rtcp-fb:103 nack pli\r\n" +
	"a=fmtp:103 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42001f\r\n" +
	"a=rtpmap:104 rtx/90000\r\na=fmtp:104 apt=103;rtx-time=3000\r\n" +
	"a=rid:q send\r\na=rid:h send\r\na=rid:r recv\r\na=simulcast:send q;~h\r\n"

const session = "v=0\r\no=- 4611731400430051336 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n" +
	"a=group:BUNDLE v\r\na=extmap-allow-mixed\r\na=msid-semantic: WMS\r\n"

// parseLines reads the media sections of a description.
func parseLines(text string) ([]line, error) {
	r, err := parseRemote(text)
	return r.lines, err
}

func TestSectionIsReadAsABrowserWritesIt(t *testing.T) {
	lines, err := parseLines(session + browserSection)
	if err != nil {
		t.Fatal(err)
	}
	want := []line{{
		mid: "v", kind: "video", protocol: "UDP/TLS/RTP/SAVPF", sends: true, streamID: "-", trackID: "camera",
		rids: []string{"q", "h"}, ufrag: "abcd",
		codecs: []lineCodec{
			{pt: 96, rtx: 97, mime: "video/VP8", clockRate: 90000, nack: true, feedback: []string{"goog-remb", "nack", "nack pli"}},
			{pt: 103, rtx: 104, mime: "video/H264", clockRate: 90000, fmtp: h264(1, "42001f"), written: h264(1, "42001f"), feedback: []string{"nack pli"}},
			{pt: 0, mime: "audio/PCMU", clockRate: 8000},
		},
		exts: map[string]uint8{"urn:ietf:params:rtp-hdrext:toffset": 14, extMID: 4},
	}}
	if diff := cmp.Diff(want, lines, cmp.AllowUnexported(line{}, lineCodec{})); diff != "" {
		t.Error(diff)
	}
}

func TestRejectedSections(t *testing.T) {
	for name, c := range map[string]struct {
		section  string
		rejected bool
	}{
		"port 0":              {strings.Replace(browserSection, "m=video 9", "m=video 0", 1), true},
		"port 0, bundle-only": {strings.Replace(browserSection, "m=video 9", "m=video 0", 1) + "a=bundle-only\r\n", false},
		"port 9":              {browserSection, false},
	} {
		lines, err := parseLines(session + c.section)
		if err != nil {
			t.Fatal(err)
		}
		if lines[0].rejected != c.rejected {
			t.Errorf("%s: rejected %v", name, lines[0].rejected)
		}
	}
}

// answerTo is the answer of a connection that sends nothing.
func answerTo(offer remote) string {
	p := &Publisher{}
	p.factory = &Factory{publishers: map[string]*repertoire{}}
	d := description{session: 1, version: 2, setup: answeringSetup(offer.setup), fingerprint: "sha-256 AA", sections: p.answerSections(offer.lines)}
	return d.String()
}

func TestAnswerAgreesWithItsOffer(t *testing.T) {
	offer, err := parseRemote(session +
		"m=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:a\r\na=recvonly\r\na=rtpmap:111 opus/48000/2\r\n" +
		"m=video 0 UDP/TLS/RTP/SAVPF 96\r\na=mid:b\r\na=sendonly\r\na=rtpmap:96 VP8/90000\r\n" +
		"m=video 9 UDP/TLS/RTP/SAVPF 33\r\na=mid:c\r\na=sendonly\r\na=rtpmap:33 theora/90000\r\n" +
		browserSection +
		"m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\na=mid:d\r\n")
	if err != nil {
		t.Fatal(err)
	}
	answer := answerTo(offer)
	lines, err := parseLines(answer)
	if err != nil {
		t.Fatalf("%v in\n%s", err, answer)
	}
	var got []string
	for _, l := range lines {
		got = append(got, fmt.Sprint(l.mid, " ", l.kind, " ", l.protocol, " ", brief(l.codecs), " rejected ", l.rejected, " sends ", l.sends, " receives ", l.receives))
	}
	want := []string{
		"a audio UDP/TLS/RTP/SAVPF [111/0 audio/opus] rejected false sends false receives false",
		"b video UDP/TLS/RTP/SAVPF [0/0 audio/PCMU] rejected true sends false receives false",
		"c video UDP/TLS/RTP/SAVPF [0/0 audio/PCMU] rejected true sends false receives false",
		"v video UDP/TLS/RTP/SAVPF [96/97 video/VP8 103/104 video/H264] rejected false sends false receives true",
		"d application UDP/DTLS/SCTP [] rejected false sends true receives true",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s in\n%s", diff, answer)
	}
	for name, values := range map[string][]string{
		"group":     {"BUNDLE a v d"},
		"rid":       {"q recv", "h recv"},
		"simulcast": {"recv q;h"},
		"setup":     {"passive"},
		"rtcp-fb":   {"96 nack", "96 nack pli", "103 nack pli"},
		"extmap":    {"4 " + extMID},
		"fmtp":      {"97 apt=96", "103 " + h264(1, "42001f"), "104 apt=103"},
	} {
		if diff := cmp.Diff(values, attribute(answer, name)); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

// Whoever can be the server of the handshake is.
func TestRoleInTheHandshakeIsTheOtherOne(t *testing.T) {
	for theirs, ours := range map[string]string{"actpass": "passive", "active": "passive", "passive": "active", "": "passive"} {
		if got := answeringSetup(theirs); got != ours {
			t.Errorf("to %q we are %q", theirs, got)
		}
	}
}

func TestWhatIsSaidOfTheConnectionIsOfTheFirstSectionThatIsTaken(t *testing.T) {
	data := "m=application %s UDP/DTLS/SCTP webrtc-datachannel\r\na=mid:%s\r\na=ice-ufrag:%[2]s\r\na=ice-pwd:secret\r\na=setup:active\r\na=candidate:1 1 udp 1 192.0.2.1 9 typ host\r\n"
	r, err := parseRemote(session + "a=fingerprint:sha-256 CC\r\na=ice-lite\r\n" + fmt.Sprintf(data, "0", "x") + fmt.Sprintf(data, "9", "y") + fmt.Sprintf(data, "9", "z"))
	if err != nil {
		t.Fatal(err)
	}
	if r.own.Ufrag != "y" || r.setup != "active" || !slices.Equal(r.fingerprints, []string{"sha-256 CC"}) || !r.lite || len(r.candidates) != 3 || r.complete() != nil {
		t.Errorf("%+v, %v", r, r.complete())
	}
}

func FuzzDescription(f *testing.F) {
	f.Add(session + browserSection)
	f.Add(session + strings.ReplaceAll(browserSection, "a=", "a=:"))
	f.Fuzz(func(t *testing.T, text string) {
		r, err := parseRemote(text)
		if err != nil || r.complete() != nil {
			return
		}
		answer := answerTo(r)
		lines, err := parseLines(answer)
		if err != nil || len(lines) != len(r.lines) {
			t.Errorf("%d sections answered by %d, %v:\n%s", len(r.lines), len(lines), err, answer)
		}
	})
}

func TestCodecsMatchByProfile(t *testing.T) {
	codecs := []lineCodec{
		{pt: 98, mime: "video/VP9", fmtp: "profile-id=2"},
		{pt: 99, mime: "video/VP9", fmtp: "profile-id=0"},
		{pt: 108, mime: "video/H264", fmtp: h264(0, "42e01f")},
		{pt: 125, mime: "video/H264", fmtp: h264(1, "42e01f")},
		{pt: 35, mime: "video/AV1", fmtp: "level-idx=5;profile=0;tier=0"},
	}
	for _, c := range []struct {
		mime, fmtp string
		pt         uint8 // 0 for none
	}{
		{"video/VP9", "profile-id=0", 99},
		{"video/vp9", "", 99},
		{"video/H264", h264(1, "42e034"), 125},
		{"video/H264", h264(1, "640032"), 108}, // another profile is better than nothing
		{"video/AV1", "", 35},
		{"video/VP8", "", 0},
	} {
		want := lineCodec{mime: c.mime, fmtp: c.fmtp}
		if got, _ := matchCodec(codecs, want.describe()); got.pt != c.pt {
			t.Errorf("%s %q: payload type %d, want %d", c.mime, c.fmtp, got.pt, c.pt)
		}
	}
}

func TestDescriptionsAreBoundedInEachSection(t *testing.T) {
	text := func(formats, rids int) string {
		var b strings.Builder
		b.WriteString("v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\nm=video 9 UDP/TLS/RTP/SAVPF 96")
		for range formats - 1 {
			b.WriteString(" 97")
		}
		b.WriteString("\r\nc=IN IP4 0.0.0.0\r\na=mid:0\r\na=sendonly\r\na=rtpmap:96 VP8/90000\r\n")
		for i := range rids {
			fmt.Fprintf(&b, "a=rid:%d send\r\n", i)
		}
		return b.String()
	}
	for _, tt := range []struct {
		formats, rids int
		fits          bool
	}{{1, 3, true}, {maxFormats, maxRIDs, true}, {1, maxRIDs + 1, false}, {1, 50_000, false}, {maxFormats + 1, 3, false}, {200_000, 0, false}} {
		lines, err := parseLines(text(tt.formats, tt.rids))
		if tt.fits && (err != nil || len(lines[0].rids) != tt.rids) || !tt.fits && !errors.Is(err, ErrDescription) {
			t.Errorf("%d formats, %d rids: %v", tt.formats, tt.rids, err)
		}
	}
}
