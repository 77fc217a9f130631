package httpapi

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/livekit/protocol/livekit"
	"google.golang.org/protobuf/proto"

	"github.com/rollcall-rtc/rollcall/internal/token"
)

// shelf is an Egress with one recording of one file.
type shelf struct {
	Egress
	path string
}

func (s *shelf) Capabilities(context.Context) any { return map[string]any{"jobs": 1} }

func (s *shelf) File(id string, n int) (string, error) {
	if id != "EG_one" || n != 0 {
		return "", notFound("no such file")
	}
	return s.path, nil
}

func (s *shelf) Start(context.Context, string, proto.Message) (*livekit.EgressInfo, error) {
	panic("BUG: nothing is started")
}

func TestRecordingIsServedInRangesToWhoMayRecord(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.webm")
	if err := os.WriteFile(path, []byte("0123456789"), 0o600); err != nil {
		t.Fatal(err)
	}
	a := newAPI(t, func(o *Options) { o.Egress = &shelf{path: path} })
	bearer := mint(t, token.Claims{Video: &token.VideoGrant{RoomRecord: true}})
	reader := mint(t, token.Claims{Rollcall: &token.RollcallGrant{Events: true}})
	get := func(method, at, bearer string, header ...string) (*http.Response, string) {
		t.Helper()
		req, err := http.NewRequest(method, a.URL+at, nil)
		if err != nil {
			t.Fatal(err)
		}
		if bearer != "" {
			req.Header.Set("Authorization", "Bearer "+bearer)
		}
		for i := 0; i < len(header); i += 2 {
			req.Header.Set(header[i], header[i+1])
		}
		resp, err := a.Client().Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		body, _ := io.ReadAll(resp.Body)
		return resp, string(body)
	}
	want := func(status int, text string, resp *http.Response, body string) {
		t.Helper()
		if resp.StatusCode != status || !strings.Contains(body, text) {
			t.Errorf("%s: %d %q, want %d %q", resp.Request.URL, resp.StatusCode, body, status, text)
		}
	}
	const at = "/recordings/EG_one/0"
	resp, body := get("GET", at, bearer)
	want(200, "0123456789", resp, body)
	if resp.Header.Get("Content-Type") != "video/webm" || resp.Header.Get("Accept-Ranges") != "bytes" || resp.Header.Get("X-Content-Type-Options") != "nosniff" {
		t.Errorf("headers %v", resp.Header)
	}
	resp, body = get("GET", at+"?download", bearer, "Range", "bytes=3-5")
	want(206, "345", resp, body)
	if got := resp.Header.Get("Content-Disposition"); got != "attachment; filename*=UTF-8''a.webm" {
		t.Errorf("disposition %q", got)
	}
	for _, tc := range []struct {
		at, bearer string
		status     int
	}{
		{at, "", 401}, {at, reader, 403}, {"/recordings/EG_two/0", bearer, 404}, {"/recordings/EG_one/1", bearer, 404}, {"/recordings/EG_one/x", bearer, 404},
		{"/recordings/EG_one/..%2f..%2fetc%2fpasswd", bearer, 404}, {"/capabilities", "", 401}, {"/capabilities", reader, 403},
	} {
		resp, body := get("GET", tc.at, tc.bearer)
		want(tc.status, "", resp, body)
	}
	resp, body = get("GET", "/capabilities", bearer)
	want(200, `{"jobs":1}`, resp, body)

	resp, body = get("POST", at+"/link", reader)
	want(403, "", resp, body)
	resp, body = get("POST", at+"/link", bearer)
	want(200, "signature", resp, body)
	var link linkJSON
	if err := json.Unmarshal([]byte(body), &link); err != nil {
		t.Fatal(err)
	}
	resp, body = get("GET", link.URL, "", "Range", "bytes=8-")
	want(206, "89", resp, body)
	for _, bad := range []string{
		strings.Replace(link.URL, "EG_one/0", "EG_one/1", 1), strings.Replace(link.URL, "until=1", "until=2", 1),
		strings.Replace(link.URL, "key=front", "key=back", 1), link.URL[:len(link.URL)-70] + "signature=", at + "?signature=",
	} {
		resp, body := get("GET", bad, "")
		want(401, "not valid", resp, body)
	}
	if strings.Contains(a.logs.String(), link.URL[strings.LastIndex(link.URL, "signature="):strings.LastIndex(link.URL, "&until")]) {
		t.Error("the signature is logged")
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	resp, body = get("GET", at, bearer)
	want(404, "not here any more", resp, body)
}
