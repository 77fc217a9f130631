package peer

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/pion/sdp/v3"
	"github.com/pion/webrtc/v4"

	"github.com/rollcall-rtc/rollcall/internal/sfu/stun"
)

// offered is an offer with a section of each sort.
func offered() *description {
	media := newRepertoire(nil, true, subscriberExtensions)
	d := &description{
		session: 1<<62 - 1, version: 7, setup: "actpass", fingerprint: "sha-256 " + colons(make([]byte, 32)),
		own: stun.Credentials{Ufrag: "ufragufragufrag1", Password: strings.Repeat("p", pwdLength)},
		candidates: []string{
			"candidate:1 1 udp 2130706431 192.0.2.1 7882 typ host", "candidate:2 1 tcp 1671430143 192.0.2.1 7881 typ host tcptype passive",
		},
		sections: []section{
			{mid: "0", kind: kindData, protocol: protocolData},
			{mid: "1", kind: kindAudio, protocol: protocolMedia, direction: "sendonly", codecs: media.offered(kindAudio), exts: media.extmaps(kindAudio),
				streamID: "PA_a|TR_a", trackID: "TR_a", ssrc: 4294967295},
			{mid: "2", kind: kindVideo, protocol: protocolMedia, rejected: true},
			{mid: "3", kind: kindVideo, protocol: protocolMedia, direction: "sendonly", codecs: media.offered(kindVideo), exts: media.extmaps(kindVideo),
				streamID: "PA_b|TR_b", trackID: "TR_b", ssrc: 10, rtx: 11},
			{mid: "4", kind: kindVideo, protocol: protocolMedia, direction: "inactive", codecs: media.offered(kindVideo), exts: media.extmaps(kindVideo)},
		},
	}
	return d
}

// parsed reads a description as others do.
func parsed(t *testing.T, text string) *sdp.SessionDescription {
	t.Helper()
	var d sdp.SessionDescription
	if err := d.UnmarshalString(text); err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	return &d
}

// values are those of an attribute, in one part of a description.
func values(attributes []sdp.Attribute, key string) (vs []string) {
	for _, a := range attributes {
		if a.Key == key {
			vs = append(vs, a.Value)
		}
	}
	return vs
}

func TestDescriptionsAreReadByOthers(t *testing.T) {
	text := offered().String()
	for l := range strings.Lines(text) {
		if !strings.HasSuffix(l, "\r\n") || len(strings.TrimSpace(l)) < 3 || l[1] != '=' {
			t.Errorf("line %q", l)
		}
	}
	d := parsed(t, text)
	if d.Origin.SessionID != 1<<62-1 || d.Origin.SessionVersion != 7 || len(d.MediaDescriptions) != 5 {
		t.Errorf("origin %v, %d sections", d.Origin, len(d.MediaDescriptions))
	}
	for i, want := range []struct {
		media string
		of    map[string][]string
		lacks []string
	}{
		{"application 9 UDP/DTLS/SCTP webrtc-datachannel", map[string][]string{
			"mid": {"0"}, "sctp-port": {"5000"}, "max-message-size": {"65536"}, "setup": {"actpass"},
			"candidate":         {"1 1 udp 2130706431 192.0.2.1 7882 typ host", "2 1 tcp 1671430143 192.0.2.1 7881 typ host tcptype passive"},
			"end-of-candidates": {""}, "ice-ufrag": {"ufragufragufrag1"},
		}, []string{"rtcp-mux", "msid"}},
		{"audio 9 UDP/TLS/RTP/SAVPF 111 63 0 8", map[string][]string{
			"mid": {"1"}, "sendonly": {""}, "rtcp-mux": {""}, "setup": {"actpass"}, "msid": {"PA_a|TR_a TR_a"},
			"ssrc":   {"4294967295 cname:PA_a|TR_a", "4294967295 msid:PA_a|TR_a TR_a"},
			"rtpmap": {"111 opus/48000/2", "63 red/48000/2", "0 PCMU/8000", "8 PCMA/8000"}, "fmtp": {"111 minptime=10;useinbandfec=1", "63 111/111"},
			"rtcp-fb": {"111 nack", "0 nack", "8 nack"},
		}, []string{"candidate", "end-of-candidates", "ssrc-group", "rid", "inactive"}},
		{"video 0 UDP/TLS/RTP/SAVPF 0", map[string][]string{"mid": {"2"}, "inactive": {""}}, []string{"setup", "ice-ufrag", "msid", "ssrc", "candidate"}},
		{"video 9 UDP/TLS/RTP/SAVPF 96 97 98 99 100 101 125 126 108 109 102 103 104 105 106 107 39 40 123 124 35 36 116 117", map[string][]string{
			"mid": {"3"}, "sendonly": {""}, "msid": {"PA_b|TR_b TR_b"}, "ssrc-group": {"FID 10 11"},
			"ssrc": {"10 cname:PA_b|TR_b", "10 msid:PA_b|TR_b TR_b", "11 cname:PA_b|TR_b", "11 msid:PA_b|TR_b TR_b"},
		}, []string{"candidate"}},
		{"", map[string][]string{"mid": {"4"}, "inactive": {""}, "setup": {"actpass"}, "rtcp-rsize": {""}}, []string{"msid", "ssrc", "ssrc-group", "sendonly"}},
	} {
		m := d.MediaDescriptions[i]
		if got := m.MediaName.String(); want.media != "" && got != want.media {
			t.Errorf("section %d is %q, want %q", i, got, want.media)
		}
		for key, vs := range want.of {
			if diff := cmp.Diff(vs, values(m.Attributes, key)); diff != "" {
				t.Errorf("section %d, %s: %s", i, key, diff)
			}
		}
		for _, key := range want.lacks {
			if vs := values(m.Attributes, key); vs != nil {
				t.Errorf("section %d has %s: %v", i, key, vs)
			}
		}
	}
	if got := values(d.Attributes, "group"); !slices.Equal(got, []string{"BUNDLE 0 1 3 4"}) {
		t.Errorf("group %v", got)
	}
	if vs := values(d.Attributes, "fingerprint"); len(vs) != 1 || values(d.Attributes, "ice-lite") != nil {
		t.Errorf("fingerprints %v, of a lite agent: %v", vs, values(d.Attributes, "ice-lite"))
	}
}

// sameLines checks that a description of ours is taken as it would be read.
func sameLines(t *testing.T, d *description, read []line) {
	t.Helper()
	var taken []line
	for i := range d.sections {
		taken = append(taken, d.sections[i].line())
		if read[i].rejected {
			read[i].codecs = nil // the format that has to be there, and says nothing
		}
	}
	only := cmpopts.IgnoreFields(line{}, "streamID", "trackID", "ssrcs", "repairs", "ufrag")
	if diff := cmp.Diff(read, taken, only, cmp.AllowUnexported(line{}, lineCodec{}), cmpopts.EquateEmpty()); diff != "" {
		t.Error(diff)
	}
}

func TestAnswersAreTakenAsTheyAreRead(t *testing.T) {
	audio := "m=audio 9 UDP/TLS/RTP/SAVPF 63 111 9\r\na=mid:a\r\na=msid:- mic\r\na=sendrecv\r\n" +
		"a=rtpmap:111 OPUS/48000/2\r\na=fmtp:111 minptime=10;useinbandfec=1\r\na=rtcp-fb:* nack\r\n" +
		"a=rtpmap:63 red/48000/2\r\na=fmtp:63 111/111\r\na=extmap:3 " + extAudioLevel + "\r\n"
	gone := strings.NewReplacer("a=mid:v", "a=mid:w", "m=video 9", "m=video 0").Replace(browserSection)
	odd := "m=video 9 UDP/TLS/RTP/SAVPF 120\r\na=mid:x\r\na=rtpmap:120 theora/90000\r\n"
	data := "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\na=mid:d\r\n"
	offer, err := parseLines(session + browserSection + audio + gone + odd + data)
	if err != nil {
		t.Fatal(err)
	}
	p := Publisher{preferred: map[string]Preference{"mic": {Stereo: true, DTX: true}}}
	p.factory = newTestFactory(t, nil)
	d := &description{sections: p.answerSections(offer)}
	read, err := parseLines(d.String())
	if err != nil {
		t.Fatal(err)
	}
	sameLines(t, d, read)
	if l := read[1]; len(l.codecs) != 2 || !strings.Contains(l.codecs[0].fmtp, "stereo=1") || l.codecs[0].primary != 111 || !l.codecs[1].nack {
		t.Errorf("%+v", l)
	}
	if !read[2].rejected || !read[3].rejected || !read[4].receives || !read[0].receives || read[0].sends {
		t.Errorf("%+v", read)
	}
}

// What was not offered is not answered: a group (RFC 9143 §7.3.1), and header extensions
// of both sizes (RFC 8285 §6).
func TestAnswersHaveNothingThatWasNotOffered(t *testing.T) {
	for offered, want := range map[string]int{"": 0, "a=group:BUNDLE v\r\na=extmap-allow-mixed\r\n": 1} {
		f := newTestFactory(t, nil)
		c := newPubClient(t, f, clientOptions{})
		text := "v=0\r\no=- 4611731400430051336 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n" + offered + browserSection
		c.pub.Offer(text, 0)
		d := parsed(t, <-c.answerc)
		if groups, mixed := values(d.Attributes, "group"), values(d.Attributes, "extmap-allow-mixed"); len(groups) != want || len(mixed) != want {
			t.Errorf("to %q: groups %q, mixed %q", offered, groups, mixed)
		}
	}
}

// What we write is what we would understand by it.
func TestDescriptionsMeanWhatTheySay(t *testing.T) {
	d := offered()
	d.lite = true
	r, err := parseRemote(d.String())
	if err != nil || r.complete() != nil {
		t.Fatal(err, r.complete())
	}
	if r.own != d.own || !r.lite || r.setup != d.setup || !slices.Equal(r.fingerprints, []string{d.fingerprint}) ||
		len(r.candidates) != 2 || !slices.Equal(r.bundle, []string{"0", "1", "3", "4"}) {
		t.Errorf("%+v", r)
	}
	sameLines(t, d, r.lines)
	for i, l := range r.lines {
		s := d.sections[i]
		if l.mid != s.mid || l.kind != s.kind || l.protocol != s.protocol || l.rejected != s.rejected ||
			l.streamID != s.streamID || l.trackID != s.trackID || s.ssrc != 0 && (!slices.Equal(l.ssrcs, []uint32{s.ssrc}) || s.rtx != 0 && l.repairs[s.rtx] != s.ssrc) {
			t.Errorf("%+v is read as %+v", s, l)
		}
		if s.rejected || s.kind == kindData {
			continue
		}
		if diff := cmp.Diff(brief(s.codecs), brief(l.codecs)); diff != "" {
			t.Errorf("section %s: %s", s.mid, diff)
		}
		for j, c := range l.codecs {
			if want := s.codecs[j]; c.written != want.written || c.clockRate != want.clockRate || c.channels != want.channels || !slices.Equal(c.feedback, want.feedback) {
				t.Errorf("section %s: %+v is read as %+v", s.mid, want, c)
			}
		}
		for _, e := range s.exts {
			if l.exts[e.uri] != e.id {
				t.Errorf("section %s: %s is %d, and read as %d", s.mid, e.uri, e.id, l.exts[e.uri])
			}
		}
	}
}

func TestDescriptionsAreTakenByPion(t *testing.T) {
	pc := newClientPC(t, clientOptions{})
	if err := pc.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeOffer, SDP: offered().String()}); err != nil {
		t.Fatal(err)
	}
	answer, err := pc.CreateAnswer(nil)
	if err != nil {
		t.Fatal(err)
	}
	lines, err := parseLines(answer.SDP)
	if err != nil || len(lines) != 5 {
		t.Fatalf("%d sections, %v in\n%s", len(lines), err, answer.SDP)
	}
	for i, l := range lines {
		if want := i == 2; l.rejected != want || l.receives != (i == 0 || i == 1 || i == 3) {
			t.Errorf("section %s: rejected %v, receives %v", l.mid, l.rejected, l.receives)
		}
	}
}

func TestGroupHasTheSectionsThatAreTaken(t *testing.T) {
	not := func(mids ...string) func(string) bool {
		return func(mid string) bool { return !slices.Contains(mids, mid) }
	}
	for name, tt := range map[string]struct {
		rejected []string
		bundled  func(string) bool
		group    []string
		first    string // the section with candidates
	}{
		"all":                            {nil, nil, []string{"BUNDLE 0 1 2 3 4"}, "0"},
		"without those that are not":     {[]string{"0", "2"}, nil, []string{"BUNDLE 1 3 4"}, "1"},
		"nor those that were not in one": {[]string{"3"}, not("1", "4"), []string{"BUNDLE 0 2"}, "0"},
		"none":                           {[]string{"0", "1", "2", "3", "4"}, nil, nil, ""},
		"none of those":                  {[]string{"0", "1", "2"}, not("3", "4"), nil, "3"},
	} {
		d := offered()
		d.bundled = tt.bundled
		for i := range d.sections {
			s := &d.sections[i]
			s.rejected = slices.Contains(tt.rejected, s.mid)
		}
		got := parsed(t, d.String())
		if group := values(got.Attributes, "group"); !slices.Equal(group, tt.group) {
			t.Errorf("%s: group %v", name, group)
		}
		for _, m := range got.MediaDescriptions {
			mid := values(m.Attributes, "mid")
			if n := len(values(m.Attributes, "candidate")); n != 2 && mid[0] == tt.first || n != 0 && mid[0] != tt.first {
				t.Errorf("%s: section %v has %d candidates", name, mid, n)
			}
		}
	}
}

func TestSessionsHaveTheirOwnIDs(t *testing.T) {
	ids := map[uint64]bool{}
	for range 100 {
		id := newSession()
		if id == 0 || id > 1<<63-1 || ids[id] { // RFC 9429 §5.2.1
			t.Errorf("id %d", id)
		}
		ids[id] = true
	}
}

// reject answers that a section is rejected.
func reject(mid string) func(string) string {
	return func(answer string) string {
		parts := strings.Split(answer, "m=")
		for i, p := range parts {
			if strings.Contains(p, "a=mid:"+mid+"\r\n") {
				kind, rest, _ := strings.Cut(p, " ")
				_, rest, _ = strings.Cut(rest, " ")
				parts[i] = kind + " 0 " + rest
			}
		}
		return strings.Join(parts, "m=")
	}
}

// What a client has rejected stays so, and neither it nor its codecs stand in the way of
// others.
func TestARejectedSectionStaysRejected(t *testing.T) {
	f := newTestFactory(t, nil)
	p, _, camera := publishBoth(t, f)
	c := newSubClient(t, f, clientOptions{})
	c.sub.Negotiate()
	c.connected()
	c.settled()
	add := func(id string) *Sender {
		t.Helper()
		before := c.lastOffer().id
		s, err := c.sub.AddTrack("PA_x|"+id, id, p.track("camera").UpTrack())
		if err != nil {
			t.Fatal(err)
		}
		eventually(t, id+" is offered", func() bool { return c.lastOffer().id > before })
		c.settled()
		return s
	}
	c.munge = reject("1")
	bad := add("TR_bad")
	refused := func() (n int) { c.with(func() { n = len(c.senders) }); return n }
	eventually(t, "told that it cannot be sent", func() bool { return refused() == 1 })
	c.sub.RemoveTrack(bad)
	c.settled()
	for _, id := range []string{"TR_a", "TR_b"} {
		add(id)
		lines, err := parseLines(c.lastOffer().sdp)
		if err != nil {
			t.Fatal(err)
		}
		if !lines[1].rejected || lines[1].mid != "1" || slices.Contains(strings.Fields(attribute(c.lastOffer().sdp, "group")[0]), "1") {
			t.Errorf("offered again:\n%s", c.lastOffer().sdp)
		}
		if all := newRepertoire(nil, true, nil).offered("video"); id == "TR_a" && len(lines[2].codecs) != len(all) {
			t.Errorf("%d of %d codecs are offered after a section was rejected", len(lines[2].codecs), len(all))
		}
		if mids := c.lastOffer().mids; mids["1"] != "" {
			t.Errorf("tracks in %v", mids)
		}
	}
	sendVP8(t, camera, "video", func() bool { return c.packets("TR_a") > 5 && c.packets("TR_b") > 5 })
	if n := refused(); n != 1 {
		t.Errorf("%d tracks were refused", n)
	}
	if err := c.failure(); err != nil {
		t.Error(err)
	}
}

func TestASectionStaysOfItsKind(t *testing.T) {
	f := newTestFactory(t, nil)
	good := offerSDP(t)
	lines, err := parseLines(good)
	if err != nil {
		t.Fatal(err)
	}
	mid := func(kind string) string {
		return lines[slices.IndexFunc(lines, func(l line) bool { return l.kind == kind })].mid
	}
	swapped := strings.NewReplacer("a=mid:"+mid("audio")+"\r", "a=mid:"+mid("video")+"\r", "a=mid:"+mid("video")+"\r", "a=mid:"+mid("audio")+"\r").Replace(good)
	c := newPubClient(t, f, clientOptions{})
	for range 2 { // the same again is fine
		c.with(func() { c.nextID++ })
		c.pub.Offer(good, c.nextID)
		<-c.answerc
	}
	if err := c.failure(); err != nil {
		t.Fatal(err)
	}
	c.pub.Offer(swapped, 3)
	eventually(t, "failure", func() bool { return errors.Is(c.failure(), ErrDescription) })
}
