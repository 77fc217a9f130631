package httpapi

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rollcall-rtc/rollcall/internal/token"
)

func TestAnyOriginMayAsk(t *testing.T) {
	a := newAPI(t)
	for _, path := range []string{"/", "/rtc", "/rtc/validate", "/rtc/v1/validate", "/twirp/livekit.RoomService/ListRooms", "/events", "/nowhere"} {
		resp := a.request(t, "GET", path, "", "Origin", "https://app.example")
		if got := resp.Header.Values("Access-Control-Allow-Origin"); !slices.Equal(got, []string{"*"}) {
			t.Errorf("GET %s (%d): allows origins %q", path, resp.StatusCode, got)
		}
		resp = a.request(t, "OPTIONS", path, "", "Origin", "https://app.example",
			"Access-Control-Request-Method", "POST", "Access-Control-Request-Headers", "authorization,content-type")
		h := resp.Header
		if resp.StatusCode != 204 || h.Get("Access-Control-Allow-Origin") != "*" ||
			h.Get("Access-Control-Allow-Headers") != "authorization,content-type" ||
			h.Get("Access-Control-Allow-Methods") != "OPTIONS, HEAD, GET, POST, PUT, PATCH, DELETE" {
			t.Errorf("preflight of %s: %d %v", path, resp.StatusCode, h)
		}
	}
}

func TestDeveloperToolsAreNotForOtherOrigins(t *testing.T) {
	a := newAPI(t, func(o *Options) { o.DevKey, o.Debug = testKey, true })
	for _, path := range []string{"/dev/token?room=den&identity=ana", "/debug/stats", "//debug/stats"} {
		for _, method := range []string{"GET", "OPTIONS"} {
			resp := a.request(t, method, path, "", "Origin", "https://app.example", "Access-Control-Request-Method", "GET")
			if got := resp.Header.Get("Access-Control-Allow-Origin"); got != "" {
				t.Errorf("%s %s allows origin %q", method, path, got)
			}
		}
	}
}

func TestSignalPaths(t *testing.T) {
	a := newAPI(t)
	for _, path := range []string{"/rtc", "/rtc?access_token=x", "/rtc/validate", "//rtc", "///rtc/validate", "/rtc/v1", "/rtc/v1/validate?join_request=x", "//rtc/v1"} {
		if resp := a.request(t, "GET", path, ""); resp.StatusCode != 200 || text(t, resp) != "signal" {
			t.Errorf("%s: %d", path, resp.StatusCode)
		}
	}
}

func TestPostUnderTwoSlashesIsNotRedirected(t *testing.T) {
	a := newAPI(t)
	list := mint(t, token.Claims{Video: &token.VideoGrant{RoomList: true}})
	resp := a.request(t, "POST", "//twirp/livekit.RoomService/ListRooms", "{}", "Content-Type", "application/json", "Authorization", "Bearer "+list)
	if resp.StatusCode != 200 {
		t.Errorf("got %d %s", resp.StatusCode, text(t, resp))
	}
}

func TestPageFilesAndUnknownPaths(t *testing.T) {
	a := newAPI(t)
	for _, path := range []string{"/assets/index-abc.js", "/favicon.svg"} {
		if resp := a.request(t, "GET", path, ""); resp.StatusCode != 200 || text(t, resp) != "page "+path {
			t.Errorf("%s is not the page's", path)
		}
	}
	// SDKs must not take a page for the answer of an API.
	for _, path := range []string{"/settings/regions", "/agents", "/rtc/v2", "/dev/token", "/debug/stats", "/debug/pprof/", "/a/b.js"} {
		wantError(t, a.request(t, "GET", path, "", "Accept", "text/html"), 404, "not_found", "path")
	}
	bare := newAPI(t, func(o *Options) { o.Page = nil })
	wantError(t, bare.request(t, "GET", "/favicon.svg", ""), 404, "not_found", "path")
	if resp := bare.request(t, "GET", "/", "", "Accept", "text/html"); text(t, resp) != "OK" {
		t.Error("without a page, / is not the health")
	}
}

func TestHealth(t *testing.T) {
	var notReady error
	a := newAPI(t, func(o *Options) { o.Ready = func() error { return notReady } })
	for _, path := range []string{"/", "/healthz", "/readyz"} {
		notReady = nil
		if resp := a.request(t, "GET", path, "", "Accept", "*/*"); resp.StatusCode != 200 || text(t, resp) != "OK" {
			t.Errorf("GET %s: %d", path, resp.StatusCode)
		}
		if resp := a.request(t, "HEAD", path, ""); resp.StatusCode != 200 {
			t.Errorf("HEAD %s: %d", path, resp.StatusCode)
		}
		wantError(t, a.request(t, "POST", path, ""), 405, "invalid_argument", "GET, HEAD")
		notReady = errors.New("draining")
		if resp := a.request(t, "GET", path, ""); resp.StatusCode != 503 || !strings.Contains(text(t, resp), "draining") {
			t.Errorf("GET %s of a draining server: %d", path, resp.StatusCode)
		}
	}
	if resp := a.request(t, "GET", "/", "", "Accept", "text/html,application/xhtml+xml"); text(t, resp) != "page /" {
		t.Error("a browser does not get the page")
	}
}

func TestLogsHoldNoSecrets(t *testing.T) {
	a := newAPI(t, func(o *Options) { o.DevKey = testKey })
	list := mint(t, token.Claims{Video: &token.VideoGrant{RoomList: true}})
	a.request(t, "GET", "/rtc?sdk=js&access_token="+list+"&join_request=ABCDEFG", "")
	a.request(t, "POST", "/twirp/livekit.RoomService/ListRooms", "{}", "Authorization", "Bearer "+list, "Content-Type", "application/json")
	dev := text(t, a.request(t, "GET", "/dev/token?room=den&identity=ana", ""))
	a.request(t, "GET", "/events?access_token=%zz"+list, "")

	logs := a.logs.await("http request", 4) // written after the response
	for _, want := range []string{"path=/rtc ", "sdk=js", "status=200", "status=401", "method=POST"} {
		if !strings.Contains(logs, want) {
			t.Errorf("the log does not say %q:\n%s", want, logs)
		}
	}
	secrets := []string{list, strings.SplitN(list, ".", 3)[2], "ABCDEFG", testSecret}
	var tokens struct{ Token string }
	if err := json.Unmarshal([]byte(dev), &tokens); err != nil {
		t.Fatal(err)
	}
	for _, secret := range append(secrets, tokens.Token) {
		if strings.Contains(logs, secret) {
			t.Errorf("the log holds %q", secret)
		}
	}
}

func TestPanicIsAnswered500AndKeptToTheLog(t *testing.T) {
	a := newAPI(t, func(o *Options) {
		o.Signal = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Query().Has("late") {
				_, _ = io.WriteString(w, "half of ")
			}
			panic("the cellar is flooded")
		})
		o.Rooms = panicRooms{}
	})
	resp := a.request(t, "GET", "/rtc", "")
	if resp.Header.Get("Access-Control-Allow-Origin") != "*" {
		t.Error("a browser cannot read the 500")
	}
	wantError(t, resp, 500, "internal", "internal error")

	// On a used connection the client would try again.
	fresh := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	late, err := fresh.Get(a.URL + "/rtc?late")
	if err == nil {
		_, err = io.ReadAll(late.Body)
		_ = late.Body.Close()
	}
	if err == nil {
		t.Error("half a response looks like a whole one")
	}

	list := mint(t, token.Claims{Video: &token.VideoGrant{RoomList: true}})
	resp = a.request(t, "POST", "/twirp/livekit.RoomService/ListRooms", "{}", "Content-Type", "application/json", "Authorization", "Bearer "+list)
	if body := text(t, resp); resp.StatusCode != 500 || errorCode(t, []byte(body)) != "internal" || strings.Contains(body, "cellar") {
		t.Errorf("got %d %s", resp.StatusCode, body)
	}
	// The generated server answers before our part hears of the panic.
	if logs := a.logs.await("BUG: http handler panics", 3); strings.Count(logs, "BUG: http handler panics") != 3 || !strings.Contains(logs, "cellar") {
		t.Errorf("the log does not say why:\n%.2000s", logs)
	}
}

// panicRooms panics in every call, as it has none.
type panicRooms struct{ Rooms }

func TestSignalCanTakeOverTheConnection(t *testing.T) {
	a := newAPI(t, func(o *Options) {
		o.Signal = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusSwitchingProtocols)
			conn, rw, err := http.NewResponseController(w).Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			defer func() { _ = conn.Close() }()
			line, err := rw.ReadString('\n')
			if err != nil {
				t.Error(err)
			}
			_, _ = fmt.Fprintf(conn, "echo %s", line)
		})
	})
	conn, err := net.Dial("tcp", a.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	_, _ = io.WriteString(conn, "GET /rtc HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
	r := bufio.NewReader(conn)
	resp, err := http.ReadResponse(r, nil)
	if err != nil || resp.StatusCode != 101 {
		t.Fatalf("got %v, %v", resp, err)
	}
	_, _ = io.WriteString(conn, "hello\n")
	if got, err := r.ReadString('\n'); got != "echo hello\n" {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestDevTokensPermitJoiningAndReading(t *testing.T) {
	a := newAPI(t, func(o *Options) { o.DevKey = testKey })
	resp := a.request(t, "GET", "/dev/token?room=den&identity=ana&name=Ana%20Lovelace", "")
	if resp.StatusCode != 200 || resp.Header.Get("Cache-Control") != "no-store" {
		t.Fatalf("got %d %v", resp.StatusCode, resp.Header)
	}
	var tokens struct{ Token, EventsToken string }
	if err := json.Unmarshal([]byte(text(t, resp)), &tokens); err != nil {
		t.Fatal(err)
	}
	keys := token.Keys{testKey: testSecret}
	join, err := token.Verify(tokens.Token, keys, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if room, err := join.CanJoin(""); room != "den" || err != nil || join.Identity != "ana" || join.Name != "Ana Lovelace" {
		t.Errorf("the token joins %q as %q (%q), %v", room, join.Identity, join.Name, err)
	}
	if p := join.Permission(); !p.GetCanUpdateMetadata() {
		t.Error("whoever joins by it may not raise a hand")
	}
	if join.CanAdmin("den") == nil || join.CanCreateRoom() == nil || join.CanReadEvents("den") == nil {
		t.Error("the token permits more than joining")
	}
	read, err := token.Verify(tokens.EventsToken, keys, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if err := read.CanReadEvents("den"); err != nil {
		t.Error(err)
	}
	if _, err := read.CanJoin("den"); err == nil || read.CanAdmin("den") == nil {
		t.Error("the events token permits more than reading")
	}
}

func TestDevTokenRefusesWhatNoRoomWouldAccept(t *testing.T) {
	a := newAPI(t, func(o *Options) { o.DevKey = testKey })
	long := strings.Repeat("x", 257)
	for query, says := range map[string]string{
		"identity=ana":                       "room is required",
		"room=den":                           "identity is required",
		"room=" + long + "&identity=ana":     "room is longer",
		"room=den&identity=" + long:          "identity is longer",
		"room=den&identity=ana&name=" + long: "name is longer",
		"room=den&identity=%ff":              "identity is not UTF-8",
	} {
		resp := a.request(t, "GET", "/dev/token?"+query, "")
		if body := text(t, resp); resp.StatusCode != 400 || !strings.Contains(body, says) {
			t.Errorf("%.40s: %d %q, want 400 saying %q", query, resp.StatusCode, body, says)
		}
	}
	wantError(t, a.request(t, "POST", "/dev/token?room=den&identity=ana", ""), 405, "invalid_argument", "GET")
}

func TestDebugShowsFiguresToThisMachineOnly(t *testing.T) {
	a := newAPI(t, func(o *Options) {
		o.Debug = true
		o.Stats = func() any { return map[string]int{"rooms": 3} }
	})
	resp := a.request(t, "GET", "/debug/stats?gc=1", "")
	var stats struct {
		Goroutines int
		HeapBytes  uint64
		Mallocs    uint64
		Server     struct{ Rooms int }
	}
	if err := json.Unmarshal([]byte(text(t, resp)), &stats); err != nil {
		t.Fatal(err)
	}
	if stats.Goroutines < 2 || stats.HeapBytes == 0 || stats.Mallocs == 0 || stats.Server.Rooms != 3 {
		t.Errorf("stats are %+v", stats)
	}
	if resp := a.request(t, "GET", "/debug/pprof/goroutine?debug=1", ""); resp.StatusCode != 200 || !strings.Contains(text(t, resp), "goroutine profile") {
		t.Errorf("profile: %d", resp.StatusCode)
	}

	for _, tc := range []struct {
		name, remote, host, header string
		status                     int
	}{
		{"this machine", "127.0.0.1:9", "localhost:7880", "", 200},
		{"this machine, IPv6", "[::1]:9", "[::1]", "", 200},
		{"another machine", "192.0.2.7:9", "localhost:7880", "", 403},
		{"a proxy here", "127.0.0.1:9", "localhost:7880", "X-Forwarded-For", 403},
		{"a rebound name", "127.0.0.1:9", "evil.example:7880", "", 403},
	} {
		r := httptest.NewRequest("GET", "/debug/stats", nil)
		r.RemoteAddr, r.Host = tc.remote, tc.host
		if tc.header != "" {
			r.Header.Set(tc.header, "192.0.2.7")
		}
		w := httptest.NewRecorder()
		a.Config.Handler.ServeHTTP(w, r)
		if w.Code != tc.status {
			t.Errorf("%s: %d, want %d", tc.name, w.Code, tc.status)
		}
	}
}

func TestStreamKeysAreNotLoggedHoweverTheyAreWritten(t *testing.T) {
	for _, path := range []string{"/w/KEY", "//w/KEY", "///w//KEY", "/x/../w/KEY", "/whip/v1/KEY", "//whip/v1/KEY"} {
		if got := publicPath(&url.URL{Path: path}); strings.Contains(got, "KEY") {
			t.Errorf("%s is logged as %s", path, got)
		}
	}
	if got := publicPath(&url.URL{Path: "/rooms/w/state"}); got != "/rooms/w/state" {
		t.Errorf("another path is logged as %s", got)
	}
}
