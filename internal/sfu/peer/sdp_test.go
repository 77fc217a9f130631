package peer

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// section is a media section as browsers write it.
const section = "m=video 9 UDP/TLS/RTP/SAVPF 96 97 103 104 0\r\n" +
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

func TestSectionIsReadAsABrowserWritesIt(t *testing.T) {
	lines, err := parseLines(session + section)
	if err != nil {
		t.Fatal(err)
	}
	want := []line{{
		mid: "v", kind: "video", sends: true, streamID: "-", trackID: "camera",
		rids: []string{"q", "h"}, ufrag: "abcd",
		codecs: []lineCodec{
			{pt: 96, rtx: 97, mime: "video/VP8", clockRate: 90000, nack: true},
			{pt: 103, rtx: 104, mime: "video/H264", clockRate: 90000, fmtp: h264(1, "42001f")},
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
		"port 0":              {strings.Replace(section, "m=video 9", "m=video 0", 1), true},
		"port 0, bundle-only": {strings.Replace(section, "m=video 9", "m=video 0", 1) + "a=bundle-only\r\n", false},
		"port 9":              {section, false},
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

// nothing is a connection that sends in no section.
func nothing(string) bool { return false }

// plainly is Opus without parameters.
func plainly(line) string { return "" }

func TestFinishedAnswerAgreesWithItsOffer(t *testing.T) {
	offer := []line{{mid: "a"}, {mid: "b", rejected: true}, {mid: "c"}}
	pion := session +
		"m=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:a\r\na=sendonly\r\n" +
		"m=video 9 UDP/TLS/RTP/SAVPF 96\r\na=mid:b\r\na=recvonly\r\n" +
		"m=video 0 UDP/TLS/RTP/SAVPF 0\r\n"
	answer, err := finishAnswer(pion, offer, nothing, plainly)
	if err != nil {
		t.Fatal(err)
	}
	lines, err := parseLines(answer)
	if err != nil {
		t.Fatal(err)
	}
	var mids []string
	for i, l := range lines {
		mids = append(mids, l.mid)
		if l.sends || l.receives {
			t.Errorf("section %s is active:\n%s", l.mid, answer)
		}
		if want := i > 0; l.rejected != want {
			t.Errorf("section %s: rejected %v", l.mid, l.rejected)
		}
	}
	if !slices.Equal(mids, []string{"a", "b", "c"}) {
		t.Errorf("mids %v", mids)
	}
	if _, err := finishAnswer(pion, offer[:2], nothing, plainly); err == nil {
		t.Error("an answer to other sections passes")
	}
}

func FuzzDescription(f *testing.F) {
	f.Add(session + section)
	f.Add(session + strings.ReplaceAll(section, "a=", "a=:"))
	f.Fuzz(func(t *testing.T, text string) {
		lines, err := parseLines(text)
		if err == nil && len(lines) == 0 {
			t.Error("a description without sections passes")
		}
		_, _ = finishAnswer(text, lines, nothing, plainly)
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
	section := func(formats, rids int) string {
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
		lines, err := parseLines(section(tt.formats, tt.rids))
		if tt.fits && (err != nil || len(lines[0].rids) != tt.rids) || !tt.fits && !errors.Is(err, ErrDescription) {
			t.Errorf("%d formats, %d rids: %v", tt.formats, tt.rids, err)
		}
	}
}
