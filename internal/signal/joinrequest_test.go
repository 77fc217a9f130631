package signal

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/base64"
	"net/url"
	"strings"
	"testing"

	"github.com/coder/websocket"
	"github.com/google/go-cmp/cmp"
	"github.com/livekit/protocol/livekit"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"

	"github.com/rollcall-rtc/rollcall/internal/room"
	"github.com/rollcall-rtc/rollcall/internal/token"
)

// wrap encodes a request as SDKs do.
func wrap(t testing.TB, m *livekit.JoinRequest, compress, padded bool) string {
	t.Helper()
	raw, err := proto.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	wrapped := &livekit.WrappedJoinRequest{JoinRequest: raw}
	if compress {
		wrapped.Compression = livekit.WrappedJoinRequest_GZIP
		wrapped.JoinRequest = zip(t, raw)
	}
	if raw, err = proto.Marshal(wrapped); err != nil {
		t.Fatal(err)
	}
	if padded {
		return base64.URLEncoding.EncodeToString(raw)
	}
	return base64.RawURLEncoding.EncodeToString(raw)
}

func zip(t testing.TB, raw []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := w.Write(raw); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestJoinRequestIsReadInEveryEncoding(t *testing.T) {
	want := &livekit.JoinRequest{
		ClientInfo:         &livekit.ClientInfo{Sdk: livekit.ClientInfo_JS, Protocol: 17},
		ConnectionSettings: &livekit.ConnectionSettings{AutoSubscribe: true},
		PublisherOffer:     &livekit.SessionDescription{Type: "offer", Sdp: strings.Repeat("a=candidate\r\n", 500), Id: 7},
		ParticipantSid:     "PA_x",
	}
	for _, compress := range []bool{false, true} {
		for _, padded := range []bool{false, true} {
			got, err := decodeJoinRequest(wrap(t, want, compress, padded))
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(want, got, protocmp.Transform()); d != "" {
				t.Errorf("compressed %v, padded %v: %s", compress, padded, d)
			}
		}
	}
}

func TestBadJoinRequestsAreNamed(t *testing.T) {
	encode := func(w *livekit.WrappedJoinRequest) string {
		raw, err := proto.Marshal(w)
		if err != nil {
			t.Fatal(err)
		}
		return base64.RawURLEncoding.EncodeToString(raw)
	}
	huge := bytes.Repeat([]byte{0}, maxJoinRequest+1)
	gzipped := livekit.WrappedJoinRequest_GZIP
	good := zip(t, []byte("some text that is long enough to be cut"))
	for name, tt := range map[string]struct{ request, text string }{
		"not base64":      {"%%", "base64url"},
		"not protobuf":    {base64.RawURLEncoding.EncodeToString([]byte{0xff, 0xff}), "WrappedJoinRequest"},
		"not a request":   {encode(&livekit.WrappedJoinRequest{JoinRequest: []byte{0xff}}), "JoinRequest"},
		"not gzip":        {encode(&livekit.WrappedJoinRequest{Compression: gzipped, JoinRequest: []byte("plain")}), "not gzip"},
		"gzip cut short":  {encode(&livekit.WrappedJoinRequest{Compression: gzipped, JoinRequest: good[:len(good)-9]}), "broken gzip"},
		"unknown wrapper": {encode(&livekit.WrappedJoinRequest{Compression: 9}), "unknown compression"},
		"too long":        {encode(&livekit.WrappedJoinRequest{JoinRequest: huge}), "longer than"},
		"a gzip bomb":     {encode(&livekit.WrappedJoinRequest{Compression: gzipped, JoinRequest: zip(t, bytes.Repeat(huge, 2))}), "longer than"},
	} {
		_, err := decodeJoinRequest(tt.request)
		if err == nil || !strings.Contains(err.Error(), tt.text) {
			t.Errorf("%s: %v, want %q", name, err, tt.text)
		}
	}
}

func FuzzJoinRequest(f *testing.F) {
	m := &livekit.JoinRequest{ClientInfo: &livekit.ClientInfo{Sdk: livekit.ClientInfo_GO}, ParticipantAttributes: map[string]string{"a": "b"}}
	for _, s := range []string{wrap(f, m, true, true), wrap(f, m, false, false), "", "AAAA"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, encoded string) {
		req := &request{join: &room.Join{Permission: &livekit.ParticipantPermission{CanUpdateMetadata: true}}}
		if err := req.readWrapped(encoded); err == nil && (req.join.Client == nil || !req.join.SinglePC) {
			t.Error("a request without a client, or of two connections")
		}
	})
}

// connect opens a signal connection with a join request.
func (tc *test) connect(path string, m *livekit.JoinRequest, token string) *client {
	tc.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	tc.Cleanup(cancel)
	query := url.Values{"access_token": {token}, "join_request": {wrap(tc, m, true, true)}}
	conn, resp, err := websocket.Dial(ctx, tc.url+path+"?"+query.Encode(), nil)
	if err != nil {
		tc.Fatalf("dial: %v (%v)", err, resp)
	}
	tc.Cleanup(func() { _ = conn.CloseNow() })
	conn.SetReadLimit(4 << 20)
	return &client{tc, conn, ctx}
}

// offer is what a client without any media of its own would offer.
const offer = "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n" +
	"a=fingerprint:sha-256 0F:74:31:25:CB:A2:13:EC:28:6F:6D:2C:61:FF:5D:C2:BC:B9:DB:3D:98:14:8D:1A:BB:EA:33:0C:A4:60:A8:8E\r\n" +
	"a=group:BUNDLE 0\r\nm=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\nc=IN IP4 0.0.0.0\r\na=setup:actpass\r\n" +
	"a=mid:0\r\na=sctp-port:5000\r\na=ice-ufrag:someufrag\r\na=ice-pwd:somepasswordthatislongenough\r\n"

func TestOfferInTheJoinRequestIsAnsweredOnEitherPath(t *testing.T) {
	for _, path := range []string{"/rtc/v1", "/rtc"} {
		tc := newTest(t, room.Defaults{})
		c := tc.connect(path, &livekit.JoinRequest{
			ClientInfo:            &livekit.ClientInfo{Sdk: livekit.ClientInfo_JS, Protocol: 17, ClientProtocol: 2},
			ConnectionSettings:    &livekit.ConnectionSettings{AutoSubscribe: true},
			Metadata:              "from the request",
			ParticipantAttributes: map[string]string{"seat": "7", "team": ""},
			PublisherOffer:        &livekit.SessionDescription{Type: "offer", Sdp: offer, Id: 41},
			AddTrackRequests:      []*livekit.AddTrackRequest{{Cid: "mic", Type: livekit.TrackType_AUDIO, Source: livekit.TrackSource_MICROPHONE}},
		}, mint(t, "alice", func(c *token.Claims) {
			yes := true
			c.Metadata, c.Attributes, c.Video.CanUpdateOwnMetadata = "from the token", map[string]string{"team": "red"}, &yes
		}))
		m, _ := c.next()
		join := m.GetJoin()
		if p := join.GetParticipant(); join.GetSubscriberPrimary() || p.GetMetadata() != "from the request" ||
			p.GetAttributes()["seat"] != "7" || p.GetAttributes()["team"] != "red" || p.GetClientProtocol() != 2 {
			t.Fatalf("%s: first message %v", path, m)
		}
		published := until(c, func(m *livekit.SignalResponse) (*livekit.TrackPublishedResponse, bool) {
			if m.GetOffer() != nil {
				t.Errorf("%s: the server offers", path)
			}
			p := m.GetTrackPublished()
			return p, p != nil
		})
		if published.Cid != "mic" {
			t.Errorf("%s: published %v", path, published)
		}
		answer := until(c, func(m *livekit.SignalResponse) (*livekit.SessionDescription, bool) {
			a := m.GetAnswer()
			return a, a != nil
		})
		if answer.Id != 41 || answer.Type != "answer" || !strings.Contains(answer.Sdp, "webrtc-datachannel") {
			t.Errorf("%s: answer %v", path, answer)
		}
	}
}

func TestPathOfTheSingleConnectionNeedsItsRequest(t *testing.T) {
	for path, want := range map[string]bool{
		"/rtc/v1": true, "/rtc/v1/": true, "/rtc/v1/validate": true, "/rtc": false, "/rtc/validate": false,
	} {
		if singlePath(path) != want {
			t.Errorf("%s: %v", path, !want)
		}
	}
}

func TestPausingIsLeftOpenUnlessTheClientSays(t *testing.T) {
	yes, no := true, false
	for query, want := range map[string]*bool{"": nil, "1": &yes, "true": &yes, "0": &no, "false": &no} {
		req := &request{join: &room.Join{Permission: &livekit.ParticipantPermission{}}}
		if err := req.readParameters(url.Values{"subscriber_allow_pause": {query}}); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, req.join.AllowPause); diff != "" {
			t.Errorf("%q (-want +got):\n%s", query, diff)
		}
		wrapped := &request{join: &room.Join{Permission: &livekit.ParticipantPermission{}}}
		message, err := proto.Marshal(&livekit.JoinRequest{ConnectionSettings: &livekit.ConnectionSettings{SubscriberAllowPause: want}})
		if err != nil {
			t.Fatal(err)
		}
		raw, err := proto.Marshal(&livekit.WrappedJoinRequest{JoinRequest: message})
		if err != nil {
			t.Fatal(err)
		}
		if err := wrapped.readWrapped(base64.URLEncoding.EncodeToString(raw)); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, wrapped.join.AllowPause); diff != "" {
			t.Errorf("join_request that says %q (-want +got):\n%s", query, diff)
		}
	}
}

func TestClientSaysInEitherHandshakeThatItWantsAllDataTracks(t *testing.T) {
	for query, want := range map[string]bool{"": false, "1": true, "true": true, "0": false, "false": false} {
		byQuery := &request{join: &room.Join{Permission: &livekit.ParticipantPermission{}}}
		if err := byQuery.readParameters(url.Values{"auto_subscribe_data_track": {query}}); err != nil {
			t.Fatal(err)
		}
		settings := &livekit.ConnectionSettings{AutoSubscribe: true}
		if query != "" {
			settings.AutoSubscribeDataTrack = &want
		}
		byRequest := &request{join: &room.Join{Permission: &livekit.ParticipantPermission{}}}
		if err := byRequest.readWrapped(wrap(t, &livekit.JoinRequest{ConnectionSettings: settings}, false, true)); err != nil {
			t.Fatal(err)
		}
		if byQuery.join.AutoSubscribeData != want || byRequest.join.AutoSubscribeData != want {
			t.Errorf("%q: by query %v, by request %v", query, byQuery.join.AutoSubscribeData, byRequest.join.AutoSubscribeData)
		}
	}
}
