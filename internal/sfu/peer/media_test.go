package peer

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/pion/webrtc/v4"
)

// offeredBy reads a section of a client.
func offeredBy(t *testing.T, kind, formats string, attributes ...string) line {
	t.Helper()
	lines, err := parseLines("v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\nm=" + kind + " 9 UDP/TLS/RTP/SAVPF " + formats +
		"\r\na=mid:0\r\na=" + strings.Join(attributes, "\r\na=") + "\r\n")
	if err != nil {
		t.Fatal(err)
	}
	return lines[0]
}

// brief says of codecs what the rules are about: payload type, that of rtx, and name.
func brief(codecs []lineCodec) (texts []string) {
	for _, c := range codecs {
		texts = append(texts, fmt.Sprintf("%d/%d %s", c.pt, c.rtx, c.mime))
	}
	return texts
}

func TestCodecsOfAClientThatWeTake(t *testing.T) {
	h264of := func(pt int, profile string) []string {
		return []string{fmt.Sprintf("rtpmap:%d H264/90000", pt), fmt.Sprintf("fmtp:%d %s", pt, h264(1, profile))}
	}
	rtx := func(pt, apt int) []string {
		return []string{fmt.Sprintf("rtpmap:%d rtx/90000", pt), fmt.Sprintf("fmtp:%d apt=%d", pt, apt)}
	}
	for name, tt := range map[string]struct {
		kind, formats string
		attributes    []string
		enabled       []string
		want          []string
	}{
		"in the client's order, with its numbers": {"video", "45 120 33",
			[]string{"rtpmap:33 VP8/90000", "rtpmap:120 vp9/90000", "rtpmap:45 AV1/90000"}, nil,
			[]string{"45/0 video/AV1", "120/0 video/VP9", "33/0 video/VP8"}},
		"rtx goes with its codec": {"video", "50 51 52 53 54 55",
			slices.Concat([]string{"rtpmap:50 VP8/90000", "rtpmap:52 theora/90000", "rtpmap:54 VP9/90000"}, rtx(51, 50), rtx(53, 52), rtx(55, 99)), nil,
			[]string{"50/51 video/VP8", "54/0 video/VP9"}},
		"of a codec with profiles those that we know": {"video", "1 2 3 4",
			slices.Concat(h264of(1, "f4001f"), h264of(2, "42e034"), []string{"rtpmap:3 VP9/90000", "fmtp:3 profile-id=2", "rtpmap:4 VP8/90000"}), nil,
			[]string{"2/0 video/H264", "4/0 video/VP8"}},
		"or any, if that is all there is": {"video", "1 2",
			slices.Concat(h264of(1, "f4001f"), []string{"rtpmap:2 VP9/90000", "fmtp:2 profile-id=3"}), nil,
			[]string{"1/0 video/H264", "2/0 video/VP9"}},
		"what is enabled": {"video", "1 2", []string{"rtpmap:1 VP8/90000", "rtpmap:2 VP9/90000"}, []string{"VIDEO/vp9"},
			[]string{"2/0 video/VP9"}},
		"of the right rate": {"video", "1 2", []string{"rtpmap:1 VP8/48000", "rtpmap:2 VP9/90000"}, nil, []string{"2/0 video/VP9"}},
		"of its kind":       {"audio", "1 2", []string{"rtpmap:1 VP8/90000", "rtpmap:2 opus/48000/2"}, nil, []string{"2/0 audio/opus"}},
		"redundancy with what is inside": {"audio", "63 111 9",
			[]string{"rtpmap:63 red/48000/2", "fmtp:63 111/111", "rtpmap:111 opus/48000/2", "rtpmap:9 G722/8000"}, nil,
			[]string{"63/0 audio/red", "111/0 audio/opus"}},
		"and not without": {"audio", "63 0 8", []string{"rtpmap:63 red/48000/2", "fmtp:63 111/111"}, nil,
			[]string{"0/0 audio/PCMU", "8/0 audio/PCMA"}},
		"nor with another inside": {"audio", "63 9 111", []string{"rtpmap:63 red/48000/2", "fmtp:63 9/9", "rtpmap:9 L16/48000/2", "rtpmap:111 opus/48000/2"}, nil,
			[]string{"111/0 audio/opus"}},
		"nor if that is not enabled": {"audio", "63 111 0",
			[]string{"rtpmap:63 red/48000/2", "fmtp:63 111/111", "rtpmap:111 opus/48000/2"}, []string{mimeRED, mimePCMU},
			[]string{"0/0 audio/PCMU"}},
		"nothing": {"video", "1", []string{"rtpmap:1 theora/90000"}, nil, nil},
	} {
		r := newRepertoire(tt.enabled, true, nil)
		l := offeredBy(t, tt.kind, tt.formats, tt.attributes...)
		if diff := cmp.Diff(tt.want, brief(r.accepted(tt.kind, l.codecs))); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

// What is agreed to is what both know, RFC 4585 §4.2.
func TestFeedbackIsWhatBothKnow(t *testing.T) {
	for _, remb := range []bool{true, false} {
		r := newRepertoire(nil, remb, nil)
		l := offeredBy(t, "video", "96 97", "rtpmap:96 VP8/90000", "rtpmap:97 VP9/90000",
			"rtcp-fb:96 nack", "rtcp-fb:96 nack sli", "rtcp-fb:96 goog-remb", "rtcp-fb:96 ccm tmmbr", "rtcp-fb:* ccm fir", "rtcp-fb:97 nack pli")
		before := slices.Clone(l.codecs[0].feedback)
		got := r.accepted("video", l.codecs)
		want := []string{"nack", "goog-remb", "ccm fir"}
		if !remb {
			want = []string{"nack", "ccm fir"}
		}
		if !slices.Equal(got[0].feedback, want) || !got[0].nack {
			t.Errorf("feedback %v, nack %v", got[0].feedback, got[0].nack)
		}
		if !slices.Equal(got[1].feedback, []string{"nack pli", "ccm fir"}) || got[1].nack {
			t.Errorf("feedback %v, nack %v", got[1].feedback, got[1].nack)
		}
		if !slices.Equal(l.codecs[0].feedback, before) {
			t.Errorf("the offer is another: %v", l.codecs[0].feedback)
		}
	}
	audio := offeredBy(t, "audio", "63 111", "rtpmap:63 red/48000/2", "fmtp:63 111/111", "rtpmap:111 opus/48000/2", "rtcp-fb:* nack", "rtcp-fb:* transport-cc")
	for _, c := range newRepertoire(nil, true, nil).accepted("audio", audio.codecs) {
		if want := map[string]int{mimeOpus: 1, mimeRED: 0}[c.mime]; len(c.feedback) != want {
			t.Errorf("%s: %v", c.mime, c.feedback)
		}
	}
}

func TestExtensionsHaveTheClientsNumbers(t *testing.T) {
	r := newRepertoire(nil, true, publisherExtensions)
	l := offeredBy(t, "video", "96", "rtpmap:96 VP8/90000",
		"extmap:9 "+extMID, "extmap:2/sendonly "+extRID, "extmap:3 "+extAudioLevel, "extmap:4 urn:else", "extmap:200 "+extTransportCC, "extmap:0 "+extAbsCaptureTime)
	want := []extmap{{9, extMID}, {2, extRID}, {200, extTransportCC}}
	if got := r.acceptedExts(l); !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

func TestOffersAreConsistent(t *testing.T) {
	for name, r := range map[string]*repertoire{
		"to subscribers": newRepertoire(nil, true, subscriberExtensions), "of all": newRepertoire(nil, true, publisherExtensions),
	} {
		ids, uris := map[string]uint8{}, map[uint8]string{}
		numbers := map[uint8]string{}
		for _, kind := range kinds {
			for _, e := range r.extmaps(kind) {
				if id := ids[e.uri]; id != 0 && id != e.id || uris[e.id] != "" && uris[e.id] != e.uri || e.id == 0 || e.id > 14 {
					t.Errorf("%s: %s is %d here, and %d there; %d is %s", name, e.uri, e.id, id, e.id, uris[e.id])
				}
				ids[e.uri], uris[e.id] = e.id, e.uri
			}
			for _, c := range r.offered(kind) {
				for _, pt := range []uint8{c.pt, c.rtx} {
					if other := numbers[pt]; other != "" && pt != 0 || pt > 127 || pt >= 64 && pt < 96 { // RFC 5761 §4
						t.Errorf("%s: %d is %s, and %s", name, pt, c.mime, other)
					}
					numbers[pt] = c.mime + " " + c.fmtp
				}
				if c.rtx != 0 != (kind == kindVideo) {
					t.Errorf("%s: %s with rtx %d", name, c.mime, c.rtx)
				}
			}
		}
		if len(ids) < 4 {
			t.Errorf("%s: extensions %v", name, ids)
		}
	}
}

// codecsOf is what is offered of each kind, in sections that are not rejected.
func codecsOf(t *testing.T, sdp string) map[string][]string {
	t.Helper()
	lines, err := parseLines(sdp)
	if err != nil {
		t.Fatal(err)
	}
	codecs := map[string][]string{}
	for _, l := range lines {
		if !l.rejected {
			codecs[l.kind] = brief(l.codecs)
		}
	}
	return codecs
}

func TestLaterOffersOfASectionHaveWhatTheClientTakes(t *testing.T) {
	f := newTestFactory(t, nil)
	p, mic, camera := publishBoth(t, f)
	c := newSubClient(t, f, clientOptions{media: func(m *webrtc.MediaEngine) error {
		opus := webrtc.RTPCodecCapability{MimeType: webrtc.MimeTypeOpus, ClockRate: 48000, Channels: 2}
		if err := m.RegisterCodec(webrtc.RTPCodecParameters{PayloadType: 109, RTPCodecCapability: opus}, webrtc.RTPCodecTypeAudio); err != nil {
			return err
		}
		return onlyVP8(m)
	}})
	c.sub.Negotiate()
	c.connected()
	add := func(id, of string) {
		t.Helper()
		before := len(c.lastOffer().mids)
		if _, err := c.sub.AddTrack("PA_x|"+id, id, p.track(of).UpTrack()); err != nil {
			t.Fatal(err)
		}
		eventually(t, id+" is offered", func() bool { return len(c.lastOffer().mids) == before+1 })
		c.settled()
	}
	all := func(kind string) []string { return brief(newRepertoire(nil, true, nil).offered(kind)) }
	only := func(codec string) []string { return []string{codec} }
	add("TR_mic", "mic")
	if codecs := codecsOf(t, c.lastOffer().sdp); !slices.Equal(codecs["audio"], all("audio")) {
		t.Errorf("first offered: %v", codecs)
	}
	add("TR_camera", "camera")
	if codecs := codecsOf(t, c.lastOffer().sdp); !slices.Equal(codecs["audio"], only("111/0 audio/opus")) || !slices.Equal(codecs["video"], all("video")) {
		t.Errorf("then offered: %v", codecs)
	}
	add("TR_more", "camera")
	lines, err := parseLines(c.lastOffer().sdp)
	if err != nil {
		t.Fatal(err)
	}
	// What is sent in a new section it may take by now.
	if first, second := brief(lines[2].codecs), brief(lines[3].codecs); !slices.Equal(first, only("96/97 video/VP8")) || !slices.Equal(second, all("video")) {
		t.Errorf("last offered: %v and %v", first, second)
	}
	sendOpus(t, mic, "audio", func() bool { return c.packets("TR_mic") > 5 })
	sendVP8(t, camera, "video", func() bool { return c.packets("TR_camera") > 5 && c.packets("TR_more") > 5 })
	if err := c.failure(); err != nil {
		t.Error(err)
	}
}
