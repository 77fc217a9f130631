package whip

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/livekit/protocol/livekit"
	"github.com/pion/webrtc/v4"

	"github.com/rollcall-rtc/rollcall/event"
	"github.com/rollcall-rtc/rollcall/internal/token"
)

func TestOnePostIsAParticipantThatPublishes(t *testing.T) {
	r := newRig(t)
	info := r.create(func(req *livekit.CreateIngressRequest) {
		req.Video = &livekit.IngressVideoOptions{Name: "desk", Source: livekit.TrackSource_SCREEN_SHARE}
		req.Audio = &livekit.IngressAudioOptions{Name: "mixer"}
	})
	if info.Url != r.URL+"/w" {
		t.Errorf("encoders are pointed to %s", info.Url)
	}
	e, _ := r.published(info)
	if !strings.HasPrefix(e.location, "/w/session/") || strings.Contains(e.location, info.StreamKey) || e.etag == "" {
		t.Errorf("Location %q, ETag %q", e.location, e.etag)
	}
	links := strings.Join(e.header.Values("Link"), "\n")
	if want := `<stun:stun.example.com>; rel="ice-server"`; !strings.Contains(links, want) {
		t.Errorf("no %s in %s", want, links)
	}
	if want := `<turn:turn.example.com>; rel="ice-server"; username="u"; credential="c"; credential-type="password"`; !strings.Contains(links, want) {
		t.Errorf("no %s in %s", want, links)
	}
	people := r.people()
	if len(people) != 1 {
		t.Fatal(people)
	}
	p := people[0]
	if p.Kind != livekit.ParticipantInfo_INGRESS || p.Identity != "encoder" || p.Attributes[livekit.AttrIngressID] != info.IngressId || len(p.Tracks) != 2 {
		t.Errorf("participant %v", p)
	}
	for _, track := range p.Tracks {
		switch {
		case track.Type == livekit.TrackType_VIDEO && track.Name == "desk" && track.Source == livekit.TrackSource_SCREEN_SHARE && track.MimeType == "video/VP8":
		case track.Type == livekit.TrackType_AUDIO && track.Name == "mixer" && track.Source == livekit.TrackSource_MICROPHONE:
		default:
			t.Errorf("track %v", track)
		}
		tap, err := r.rooms.Tap(t.Context(), "show", track.Sid, nil)
		if err != nil {
			t.Fatal(err)
		}
		got := new(counter)
		tap.Start(got)
		eventually(t, "packets of "+track.Name, func() bool { return got.count() > 10 })
		tap.Close()
	}
	eventually(t, "figures", func() bool {
		s := r.state(info)
		return s.Video.GetMimeType() == "video/VP8" && s.Video.GetAverageBitrate() > 0 && s.Video.Width == 640 && s.Video.Height == 480 && s.Audio.GetMimeType() != "" && len(s.Tracks) == 2
	})
	if status, text, _ := r.request(http.MethodDelete, e.location, "", "Authorization", info.StreamKey); status != http.StatusOK {
		t.Fatal(status, text)
	}
	r.wantStatus(info, livekit.IngressState_ENDPOINT_INACTIVE)
	if len(r.people()) != 0 {
		t.Error("the participant stays")
	}
	if status, _, _ := r.request(http.MethodDelete, e.location, ""); status != http.StatusNotFound {
		t.Errorf("deleted twice: %d", status)
	}
	if started, ended := r.count(event.IngressStarted), r.count(event.IngressEnded); started != 1 || ended != 1 {
		t.Errorf("%d starts, %d ends", started, ended)
	}
}

func TestKeyInThePathAndCandidatesThatTrickle(t *testing.T) {
	r := newRig(t)
	info := r.create()
	e := r.encoder()
	found := make(chan *webrtc.ICECandidate, 16)
	e.pc.OnICECandidate(func(c *webrtc.ICECandidate) { found <- c })
	if status := e.post("/w/"+info.StreamKey, e.offer(false, nil)); status != http.StatusCreated {
		t.Fatal(status, e.answer)
	}
	if !strings.Contains(e.answer, "a=candidate:") || !strings.Contains(e.answer, "a=end-of-candidates") {
		t.Errorf("the answer has no candidates:\n%s", e.answer)
	}
	ufrag := between(e.pc.LocalDescription().SDP, "a=ice-ufrag:", "\r\n")
	for c := range found {
		if c == nil {
			break
		}
		body := fmt.Sprintf("a=ice-ufrag:%s\r\na=mid:0\r\na=%s\r\n", ufrag, c.ToJSON().Candidate)
		if status, text, _ := r.request(http.MethodPatch, e.location, body, "Content-Type", typeFragment, "If-Match", e.etag); status != http.StatusNoContent {
			t.Fatal(status, text)
		}
	}
	e.send()
	r.wantStatus(info, livekit.IngressState_ENDPOINT_PUBLISHING)
}

func between(s, after, before string) string {
	_, s, _ = strings.Cut(s, after)
	s, _, _ = strings.Cut(s, before)
	return s
}

func TestICERestartKeepsTheParticipant(t *testing.T) {
	r := newRig(t)
	info := r.create()
	e, _ := r.published(info)
	sid := r.people()[0].Sid
	restarted := e.offer(true, &webrtc.OfferOptions{ICERestart: true})
	ufrag, pwd := between(restarted, "a=ice-ufrag:", "\r\n"), between(restarted, "a=ice-pwd:", "\r\n")
	body := fmt.Sprintf("a=ice-ufrag:%s\r\na=ice-pwd:%s\r\na=mid:0\r\n", ufrag, pwd)
	for _, line := range strings.Split(restarted, "\r\n") {
		if strings.HasPrefix(line, "a=candidate:") {
			body += line + "\r\n"
		}
	}
	if status, _, _ := r.request(http.MethodPatch, e.location, body, "Content-Type", typeFragment, "If-Match", `"other"`); status != http.StatusPreconditionFailed {
		t.Errorf("a restart of another ICE session: %d", status)
	}
	status, text, header := r.request(http.MethodPatch, e.location, body, "Content-Type", typeFragment, "If-Match", "*")
	if status != http.StatusOK || header.Get("ETag") == e.etag || header.Get("Content-Type") != typeFragment {
		t.Fatal(status, text, header)
	}
	// The answer may have been lost with the network that is left.
	if status, again, same := r.request(http.MethodPatch, e.location, body, "Content-Type", typeFragment, "If-Match", "*"); status != http.StatusOK || again != text || same.Get("ETag") != header.Get("ETag") {
		t.Errorf("the same restart, asked for again: %d %s", status, again)
	}
	if status, _, _ := r.request(http.MethodPatch, e.location, body, "Content-Type", typeFragment, "If-Match", header.Get("ETag")); status != http.StatusNoContent {
		t.Errorf("candidates of the restart: %d", status)
	}
	// As RFC 9725 §4.3.2 has it, the client puts what is new into the answer that it has.
	fresh := strings.ReplaceAll(e.answer, between(e.answer, "a=ice-ufrag:", "\r\n"), between(text, "a=ice-ufrag:", "\r\n"))
	fresh = strings.ReplaceAll(fresh, between(e.answer, "a=ice-pwd:", "\r\n"), between(text, "a=ice-pwd:", "\r\n"))
	if fresh == e.answer || !strings.Contains(text, "a=candidate:") {
		t.Fatalf("nothing is new in\n%s", text)
	}
	if err := e.pc.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeAnswer, SDP: fresh}); err != nil {
		t.Fatal(err)
	}
	published := r.rooms
	tracks := r.people()[0].Tracks
	tap, err := published.Tap(t.Context(), "show", tracks[0].Sid, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer tap.Close()
	got := new(counter)
	tap.Start(got)
	eventually(t, "the connection after the restart", func() bool {
		return e.pc.ICEConnectionState() == webrtc.ICEConnectionStateConnected && got.count() > 20
	})
	if now := r.people(); len(now) != 1 || now[0].Sid != sid {
		t.Errorf("people %v", now)
	}
}

func TestSilenceIsBufferingAndThePauseIsNobodysEnd(t *testing.T) {
	r := newRig(t)
	info := r.create()
	e, pause := r.published(info)
	sid := r.people()[0].Sid
	pause()
	r.wantStatus(info, livekit.IngressState_ENDPOINT_BUFFERING)
	e.send()
	r.wantStatus(info, livekit.IngressState_ENDPOINT_PUBLISHING)
	if now := r.people(); len(now) != 1 || now[0].Sid != sid {
		t.Errorf("people %v", now)
	}
	if n := r.count(event.IngressStarted); n != 1 {
		t.Errorf("%d starts", n)
	}
}

func TestSecondEncoderTakesOverFromASilentOne(t *testing.T) {
	r := newRig(t)
	info := r.create()
	_, pause := r.published(info)
	second := r.encoder()
	offer := second.offer(true, nil)
	if status := second.post("/w", offer, "Authorization", info.StreamKey); status != http.StatusConflict || !strings.Contains(second.answer, "live") {
		t.Errorf("beside a live one: %d %s", status, second.answer)
	}
	pause()
	eventually(t, "the second let in", func() bool {
		return second.post("/w", offer, "Authorization", info.StreamKey) == http.StatusCreated
	})
	second.send()
	eventually(t, "a second start", func() bool { return r.count(event.IngressStarted) == 2 })
	if n := r.count(event.IngressEnded); n != 1 {
		t.Errorf("%d ends", n)
	}
	if now := r.people(); len(now) != 1 {
		t.Errorf("people %v", now)
	}
}

func TestEncoderThatVanishesEndsItsSession(t *testing.T) {
	r := newRig(t)
	info := r.create()
	e, _ := r.published(info)
	e.close()
	eventually(t, "the end", func() bool { return r.count(event.IngressEnded) == 1 })
	if state := r.state(info); state.Status != livekit.IngressState_ENDPOINT_ERROR || !strings.Contains(state.Error, "connection") {
		t.Errorf("state %v", state)
	}
	eventually(t, "no session", func() bool {
		r.handler.mu.Lock()
		defer r.handler.mu.Unlock()
		return len(r.handler.sessions) == 0
	})
}

func TestConnectionThatNeverComesUpEndsItsSession(t *testing.T) {
	r := newRig(t)
	info := r.create()
	e := r.encoder()
	status, text, _ := r.request(http.MethodPost, "/w", e.offer(true, nil), "Content-Type", typeSDP, "Authorization", info.StreamKey)
	if status != http.StatusCreated {
		t.Fatal(status, text)
	}
	r.wantStatus(info, livekit.IngressState_ENDPOINT_ERROR)
	if got := r.state(info).Error; !strings.Contains(got, "no connection") {
		t.Error(got)
	}
	// The state is known before its event and the participant's are.
	eventually(t, "the ends are told", func() bool {
		return r.count(event.IngressEnded) == 1 && r.count(event.ParticipantConnectionAborted) == 1
	})
}

func TestTokenPublishesToo(t *testing.T) {
	r := newRig(t)
	mint := func(grant *token.VideoGrant) string {
		raw, err := token.Mint(apiKey, apiSecret, &token.Claims{Identity: "camera-1", Video: grant}, time.Now(), time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		return "Bearer " + raw
	}
	e := r.encoder()
	offer := e.offer(true, nil)
	no := false
	for _, c := range []struct {
		header string
		want   int
	}{
		{"", 401}, {"Bearer nonsense", 401}, {mint(&token.VideoGrant{Room: "show"}), 401},
		{mint(&token.VideoGrant{RoomJoin: true}), 400}, {mint(&token.VideoGrant{RoomJoin: true, Room: "show", CanPublish: &no}), 403},
	} {
		if status := e.post("/whip/v1", offer, "Authorization", c.header); status != c.want {
			t.Errorf("%.20q: %d %s, want %d", c.header, status, e.answer, c.want)
		}
	}
	if status := e.post("/whip/v1", offer, "Authorization", mint(&token.VideoGrant{RoomJoin: true, Room: "show"})); status != http.StatusCreated {
		t.Fatal(status, e.answer)
	}
	e.send()
	eventually(t, "two tracks", func() bool { p := r.people(); return len(p) == 1 && len(p[0].Tracks) == 2 })
	if p := r.people()[0]; p.Identity != "camera-1" || p.Kind != livekit.ParticipantInfo_STANDARD || p.Permission.CanSubscribe {
		t.Errorf("participant %v", p)
	}
	if status, _, _ := r.request(http.MethodDelete, e.location, "", "Authorization", "Bearer other"); status != http.StatusUnauthorized {
		t.Errorf("another's goodbye: %d", status)
	}
	if status, _, _ := r.request(http.MethodDelete, e.location, ""); status != http.StatusOK {
		t.Errorf("its own: %d", status)
	}
	if len(r.people()) != 0 {
		t.Error("it stays")
	}
}

func TestWhatIsNoWHIPIsRefusedAndChangesNothing(t *testing.T) {
	r := newRig(t)
	info := r.create()
	disabled := r.create(func(req *livekit.CreateIngressRequest) { req.Enabled = new(bool); req.ParticipantIdentity = "other" })
	offer := r.encoder().offer(true, nil)
	key := "Bearer " + info.StreamKey
	for name, c := range map[string]struct {
		method, path, body, contentType, auth string
		want                                  int
		says                                  string
	}{
		"no key":       {"POST", "/w", offer, typeSDP, "", 401, "key is required"},
		"wrong key":    {"POST", "/w", offer, typeSDP, "Bearer wrong", 401, "no ingress"},
		"disabled":     {"POST", "/w", offer, typeSDP, disabled.StreamKey, 403, "disabled"},
		"no SDP":       {"POST", "/w", "hello", typeSDP, key, 400, "no SDP"},
		"empty":        {"POST", "/w", "", typeSDP, key, 400, ""},
		"JSON":         {"POST", "/w", "{}", "application/json", key, 415, typeSDP},
		"no sections":  {"POST", "/w", "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n", typeSDP, key, 400, "no media sections"},
		"nothing sent": {"POST", "/w", strings.ReplaceAll(offer, "a=sendonly", "a=recvonly"), typeSDP, key, 400, "no section that sends"},
		"no ICE":       {"POST", "/w", strings.ReplaceAll(offer, "a=ice-ufrag", "a=x-frag"), typeSDP, key, 400, "ice-ufrag"},
		"no text":      {"POST", "/w", strings.ReplaceAll(offer, "a=msid:", "a=msid:\xff\xfe "), typeSDP, key, 400, "UTF-8"},
		"too long":     {"POST", "/w", offer + strings.Repeat("a=x\r\n", maxOffer/4), typeSDP, key, 413, "longer"},
		"GET":          {"GET", "/w", "", "", key, 405, ""},
		"no session":   {"PATCH", "/w/session/none", "a=x", typeFragment, key, 404, "no such session"},
	} {
		status, text, _ := r.request(c.method, c.path, c.body, "Content-Type", c.contentType, "Authorization", c.auth)
		if status != c.want || !strings.Contains(text, c.says) {
			t.Errorf("%s: %d %s, want %d %s", name, status, text, c.want, c.says)
		}
	}
	if len(r.people()) != 0 || r.state(info).Status != livekit.IngressState_ENDPOINT_INACTIVE || r.count(event.IngressEnded) != 0 {
		t.Errorf("people %v, state %v", r.people(), r.state(info))
	}
	// Only a codec that rooms do not know is found out by the room, and told.
	foreign := strings.NewReplacer("VP8/90000", "XY8/90000", "opus/48000/2", "xpus/48000/2", "rtx/90000", "xtx/90000", "VP9/90000", "XY9/90000",
		"H264/90000", "XY4/90000", "H265/90000", "XY5/90000", "AV1/90000", "XY1/90000", "G722/8000", "X722/8000", "PCMU/8000", "XCMU/8000", "PCMA/8000", "XCMA/8000").Replace(offer)
	status, text, _ := r.request("POST", "/w", foreign, "Content-Type", typeSDP, "Authorization", key)
	if status == http.StatusCreated && !strings.Contains(text, "m=video 0") {
		t.Errorf("foreign codecs: %d %s", status, text)
	}
	for range 1000 {
		status, text, _ = r.request("POST", "/w", offer, "Content-Type", typeSDP, "Authorization", "Bearer wrong")
		if status == http.StatusTooManyRequests {
			break
		}
	}
	if status != http.StatusTooManyRequests {
		t.Errorf("wrong keys without end: %d %s", status, text)
	}
}

func TestBadFragmentsAreRefused(t *testing.T) {
	r := newRig(t)
	e, _ := r.published(r.create())
	for name, c := range map[string]struct {
		body, contentType string
		want              int
	}{
		"empty":          {"", typeFragment, 400},
		"other type":     {"a=end-of-candidates", typeSDP, 415},
		"no lines":       {"hello", typeFragment, 400},
		"short password": {"a=ice-ufrag:abcd\r\na=ice-pwd:short\r\n", typeFragment, 400},
		"no password":    {"a=ice-ufrag:abcdefgh\r\n", typeFragment, 400},
		"too many":       {strings.Repeat("a=candidate:1 1 udp 1 127.0.0.1 9 typ host\r\n", maxCandidates+1), typeFragment, 400},
		"too long":       {strings.Repeat("a=x\r\n", maxFragment), typeFragment, 413},
		"nonsense":       {"a=candidate:nonsense\r\n", typeFragment, 204},
		"the end":        {"a=end-of-candidates\r\n", typeFragment, 204},
	} {
		if status, text, _ := r.request("PATCH", e.location, c.body, "Content-Type", c.contentType); status != c.want {
			t.Errorf("%s: %d %s, want %d", name, status, text, c.want)
		}
	}
	status, _, header := r.request("OPTIONS", "/w", "")
	if status != 204 || header.Get("Accept-Post") != typeSDP {
		t.Errorf("OPTIONS: %d %v", status, header)
	}
}
