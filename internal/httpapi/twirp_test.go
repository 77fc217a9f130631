package httpapi

import (
	"bytes"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/livekit/protocol/livekit"
	"google.golang.org/protobuf/proto"

	"github.com/rollcall-rtc/rollcall/internal/token"
)

func discard() *slog.Logger { return slog.New(slog.DiscardHandler) }

// everything is a token that permits all on room den.
func everything(t testing.TB) string {
	return mint(t, token.Claims{Video: &token.VideoGrant{RoomCreate: true, RoomList: true, RoomAdmin: true, Room: "den", DestinationRoom: "attic"}})
}

func TestMalformedRequestsAreToldWhatIsWrong(t *testing.T) {
	a := newAPI(t)
	const create = "/twirp/livekit.RoomService/CreateRoom"
	for _, tc := range []struct {
		name, method, path, contentType, body string
		status                                int
		code, says                            string
	}{
		{"JSON that is none", "POST", create, "application/json", "{", 400, "malformed", "json"},
		{"no JSON", "POST", create, "application/json", "", 400, "malformed", "json"},
		{"JSON of another shape", "POST", create, "application/json", "[1]", 400, "malformed", "json"},
		{"JSON of another type", "POST", create, "application/json", `{"name":7}`, 400, "malformed", "json"},
		{"protobuf that is none", "POST", create, "application/protobuf", "\xff\xff\xff", 400, "malformed", "protobuf"},
		{"name that is not UTF-8", "POST", create, "application/protobuf", "\x0a\x01\xff", 400, "malformed", "protobuf"},
		{"no content type", "POST", create, "", "{}", 404, "bad_route", "Content-Type"},
		{"form", "POST", create, "application/x-www-form-urlencoded", "name=den", 404, "bad_route", "Content-Type"},
		{"GET", "GET", create, "application/json", "", 404, "bad_route", "POST"},
		{"unknown method", "POST", "/twirp/livekit.RoomService/Explode", "application/json", "{}", 404, "bad_route", "Explode"},
		{"no method", "POST", "/twirp/livekit.RoomService", "application/json", "{}", 404, "bad_route", ""},
		{"unknown service", "POST", "/twirp/livekit.Teleport/Go", "application/json", "{}", 404, "bad_route", "Teleport"},
		{"no service", "POST", "/twirp/", "application/json", "{}", 404, "bad_route", ""},
		{"ingress without its grant", "POST", "/twirp/livekit.Ingress/CreateIngress", "application/json", "{}", 401, "unauthenticated", "ingressAdmin"},
		{"SIP", "POST", "/twirp/livekit.SIP/ListSIPTrunk", "application/protobuf", "", 501, "unimplemented", "SIP"},
		{"agent dispatch", "POST", "/twirp/livekit.AgentDispatchService/Explode", "application/json", "{}", 404, "bad_route", "Explode"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			resp := a.request(t, tc.method, tc.path, tc.body, "Content-Type", tc.contentType, "Authorization", "Bearer "+everything(t))
			wantError(t, resp, tc.status, tc.code, tc.says)
		})
	}
}

func TestBodyOverTheLimitIsTooLarge(t *testing.T) {
	a := newAPI(t)
	auth := "Bearer " + everything(t)
	const path = "/twirp/livekit.RoomService/UpdateRoomMetadata"

	t.Run("announced", func(t *testing.T) {
		// Only the announcement is sent: the answer must not wait for the body.
		conn, err := net.Dial("tcp", a.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = conn.Close() }()
		_, err = fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: a\r\nAuthorization: %s\r\nContent-Length: %d\r\n\r\n", path, auth, maxBody+1)
		if err != nil {
			t.Fatal(err)
		}
		var got bytes.Buffer
		if _, err := got.ReadFrom(conn); err != nil { // the server closes
			t.Fatal(err)
		}
		if !strings.HasPrefix(got.String(), "HTTP/1.1 413 ") || !strings.Contains(got.String(), `"msg"`) {
			t.Errorf("got %q, want 413", got.String())
		}
	})
	t.Run("not announced", func(t *testing.T) {
		w := httptest.NewRecorder()
		r := httptest.NewRequest("POST", path, bytes.NewReader(make([]byte, maxBody+1)))
		r.ContentLength = -1
		r.Header.Set("Authorization", auth)
		a.Config.Handler.ServeHTTP(w, r)
		resp := w.Result()
		resp.Request = r
		wantError(t, resp, http.StatusRequestEntityTooLarge, "resource_exhausted", "10 MiB")
	})
	t.Run("at the limit", func(t *testing.T) {
		a.rooms.join("den", "ana")
		req := &livekit.UpdateRoomMetadataRequest{Room: "den"}
		req.Metadata = strings.Repeat("m", maxBody-proto.Size(req)-5) // tag and length
		body, err := proto.Marshal(req)
		if err != nil || len(body) != maxBody {
			t.Fatalf("body of %d bytes, %v; want %d", len(body), err, maxBody)
		}
		resp := a.request(t, "POST", path, string(body), "Content-Type", "application/protobuf", "Authorization", auth)
		if resp.StatusCode != http.StatusOK {
			t.Errorf("got %d %s", resp.StatusCode, text(t, resp))
		}
	})
}

// FuzzTwirp: no body of any method, in either encoding, panics or is taken for a
// fault of the server; what is refused says so in Twirp's shape.
func FuzzTwirp(f *testing.F) {
	for i, c := range calls {
		f.Add(i, true, []byte(`{"room":"den","identity":"ana","name":"den"}`))
		f.Add(i, false, []byte("\x0a\x03den\x12\x03ana"))
		f.Add(i, len(c.name)%2 == 0, []byte("{\"room\":\"\xff\"}"))
	}
	f.Add(0, true, []byte(`{"name":"den","egress":{"room":{"fileOutputs":[{"s3":{}}]}},"tags":{"a":null}}`))
	f.Add(4, true, []byte(`{"room":"den","data":"!","nonce":"AAAA"}`))
	rooms := newMemRooms()
	rooms.join("den", "ana")
	logs := new(syncBuffer)
	h := NewHandler(Options{
		Keys: token.Keys{testKey: testSecret}, Rooms: rooms, Participants: rooms, Log: newMemLog(),
		Signal: http.NotFoundHandler(), Agents: new(memAgents), Logger: slog.New(slog.NewTextHandler(logs, nil)),
	})
	auth := "Bearer " + everything(f)
	f.Fuzz(func(t *testing.T, method int, asJSON bool, body []byte) {
		name := calls[uint(method)%uint(len(calls))].name
		r := httptest.NewRequest("POST", "/twirp/livekit.RoomService/"+name, bytes.NewReader(body))
		r.Header.Set("Authorization", auth)
		r.Header.Set("Content-Type", "application/protobuf")
		if asJSON {
			r.Header.Set("Content-Type", "application/json")
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		switch {
		case w.Code == http.StatusNotImplemented && name == "CreateRoom":
		case w.Code >= 500 || logs.String() != "":
			t.Fatalf("%s: %d %s; log: %s", name, w.Code, w.Body, logs)
		}
		if w.Code != http.StatusOK {
			resp := w.Result()
			resp.Request = r
			wantError(t, resp, w.Code, errorCode(t, w.Body.Bytes()), "")
		}
	})
}
