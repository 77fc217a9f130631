package httpapi

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"

	"github.com/rollcall-rtc/rollcall/internal/token"
)

const testPassword = "correct horse battery"

// withLogin lets ana in with testPassword; each X-Test-Address is a client.
func withLogin(t testing.TB) func(*Options) {
	t.Helper()
	hash, err := bcrypt.GenerateFromPassword([]byte(testPassword), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	return func(o *Options) {
		o.Login = Login{
			Users: map[string]string{"ana": string(hash)}, Key: testKey, Secret: testSecret,
			Address: func(r *http.Request) netip.Addr {
				addr, _ := netip.ParseAddr(r.Header.Get("X-Test-Address"))
				return addr
			},
		}
	}
}

func (a *api) logIn(t testing.TB, name, password, address string) *http.Response {
	t.Helper()
	body, err := json.Marshal(map[string]string{"name": name, "password": password})
	if err != nil {
		t.Fatal(err)
	}
	return a.request(t, "POST", "/session", string(body), "Content-Type", "application/json", "X-Test-Address", address)
}

func TestSessionTellsWhatATokenPermits(t *testing.T) {
	a := newAPI(t)
	video := func(g token.VideoGrant) token.Claims { return token.Claims{Video: &g} }
	own := func(g token.RollcallGrant) token.Claims { return token.Claims{Rollcall: &g} }
	for name, tc := range map[string]struct {
		claims token.Claims
		want   bearerJSON
	}{
		"dashboard":          {*dashboardGrants(""), bearerJSON{Rooms: true, Admin: true, Events: true, Endpoints: true}},
		"events":             {eventsGrant(), bearerJSON{Events: true}},
		"events of a room":   {own(token.RollcallGrant{Events: true, Room: "den"}), bearerJSON{Room: "den", Events: true}},
		"admin of a room":    {adminOf("den"), bearerJSON{Room: "den", Admin: true, Events: true}},
		"all of a room":      {own(token.RollcallGrant{Events: true, Admin: true, Room: "den"}), bearerJSON{Room: "den", Admin: true, Events: true}},
		"endpoints":          {own(token.RollcallGrant{Endpoints: true}), bearerJSON{Endpoints: true}},
		"endpoints of none":  {own(token.RollcallGrant{Endpoints: true, Room: "den"}), bearerJSON{Room: "den"}},
		"list":               {video(token.VideoGrant{RoomList: true}), bearerJSON{Rooms: true}},
		"nothing but a join": {video(token.VideoGrant{RoomJoin: true, Room: "den"}), bearerJSON{}},
	} {
		resp := a.request(t, "GET", "/session", "", "Authorization", "Bearer "+mint(t, tc.claims))
		var got struct {
			Login  bool
			Bearer bearerJSON
		}
		if err := json.Unmarshal([]byte(text(t, resp)), &got); err != nil || resp.StatusCode != 200 || resp.Header.Get("Cache-Control") != "no-store" {
			t.Fatalf("%s: %d %v %v", name, resp.StatusCode, resp.Header, err)
		}
		if left := time.Until(got.Bearer.ExpiresAt); left < 50*time.Minute || left > time.Hour || got.Bearer.APIKey != testKey || got.Login {
			t.Errorf("%s: %+v", name, got)
		}
		got.Bearer.APIKey, got.Bearer.ExpiresAt = "", time.Time{}
		if got.Bearer != tc.want {
			t.Errorf("%s: got %+v, want %+v", name, got.Bearer, tc.want)
		}
	}
}

func TestSessionWithoutAValidToken(t *testing.T) {
	a := newAPI(t)
	if resp := a.request(t, "GET", "/session", ""); resp.StatusCode != 200 || strings.TrimSpace(text(t, resp)) != `{"login":false}` {
		t.Errorf("without a token: %d", resp.StatusCode)
	}
	stale, err := token.Mint(testKey, testSecret, dashboardGrants(""), time.Now().Add(-2*time.Hour), time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	forged, err := token.Mint(testKey, "another-secret-of-this-test-that-is", dashboardGrants(""), time.Now(), time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	for raw, says := range map[string]string{stale: "expired", forged: "signature", "nonsense": "malformed", "": ""} {
		wantError(t, a.request(t, "GET", "/session", "", "Authorization", "Bearer "+raw), 401, "unauthenticated", says)
	}
}

func TestPasswordOpensASessionThatAdministers(t *testing.T) {
	a := newAPI(t, withLogin(t))
	resp := a.logIn(t, "ana", testPassword, "192.0.2.1")
	var opened openedJSON
	if err := json.Unmarshal([]byte(text(t, resp)), &opened); err != nil || resp.StatusCode != 200 || resp.Header.Get("Cache-Control") != "no-store" {
		t.Fatalf("%d, %v", resp.StatusCode, err)
	}
	claims, err := token.Verify(opened.Token, token.Keys{testKey: testSecret}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if claims.Name != "ana" || claims.CanAdmin("den") != nil || claims.CanReadEvents("") != nil || claims.CanManageEndpoints() != nil || claims.CanListRooms() != nil {
		t.Errorf("the token permits too little: %+v", claims)
	}
	if _, err := claims.CanJoin("den"); err == nil || claims.CanForget("") == nil || claims.CanBeAgent() == nil {
		t.Errorf("the token permits too much: %+v", claims)
	}
	if !claims.ExpiresAt.Equal(opened.ExpiresAt) {
		t.Errorf("expires at %v, says %v", claims.ExpiresAt, opened.ExpiresAt)
	}
	if cookies := resp.Cookies(); len(cookies) > 0 {
		t.Errorf("sets cookies %v", cookies)
	}
	if logs := a.logs.await("http request", 1); strings.Contains(logs, testPassword) || strings.Contains(logs, opened.Token) {
		t.Error("the log holds a secret")
	}
}

func TestWrongNameAndWrongPasswordAreRefusedAlike(t *testing.T) {
	a := newAPI(t, withLogin(t))
	answers := map[string]bool{}
	for _, try := range [][2]string{{"ana", "wrong"}, {"bob", testPassword}, {"ANA", testPassword}, {"ana", strings.Repeat("x", 100)}} {
		resp := a.logIn(t, try[0], try[1], "192.0.2.1")
		if resp.StatusCode != 401 {
			t.Errorf("%q: %d", try, resp.StatusCode)
		}
		answers[text(t, resp)] = true
	}
	if len(answers) != 1 {
		t.Errorf("the answers tell names from passwords: %v", answers)
	}
	wantError(t, a.logIn(t, "", "x", "192.0.2.1"), 400, "invalid_argument", "name")
	wantError(t, a.request(t, "POST", "/session", "{", "Content-Type", "application/json"), 400, "invalid_argument", "")
	bare := newAPI(t)
	wantError(t, bare.logIn(t, "ana", testPassword, ""), 404, "not_found", "dashboard.users")
}

func TestAttemptsAreLimitedByAddressAndByName(t *testing.T) {
	a := newAPI(t, withLogin(t))
	for range attemptBurst {
		wantError(t, a.logIn(t, "bob", "wrong", "192.0.2.1"), 401, "unauthenticated", "")
	}
	wantError(t, a.logIn(t, "ana", testPassword, "192.0.2.1"), 429, "resource_exhausted", "wait")
	wantError(t, a.logIn(t, "bob", "wrong", "192.0.2.2"), 429, "resource_exhausted", "wait")
	if resp := a.logIn(t, "ana", testPassword, "192.0.2.3"); resp.StatusCode != 200 {
		t.Errorf("another name from another address: %d", resp.StatusCode)
	}
}

// Who is not known costs as much as who is: the comparison is with a hash of the
// same cost, whatever the name.
func TestUnknownNamesAreComparedAtFullCost(t *testing.T) {
	dear, err := bcrypt.GenerateFromPassword([]byte(testPassword), bcrypt.MinCost+2)
	if err != nil {
		t.Fatal(err)
	}
	cheap, err := bcrypt.GenerateFromPassword([]byte(testPassword), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	p := newPasswords(Login{Users: map[string]string{"ana": string(cheap), "ben": string(dear)}})
	if got := cost(p.nobody); got != bcrypt.MinCost+2 {
		t.Errorf("compared at cost %d, want %d", got, bcrypt.MinCost+2)
	}
}

func TestDevelopersDashboardOpensOnThisMachineOnly(t *testing.T) {
	a := newAPI(t, func(o *Options) { o.DevKey = testKey })
	resp := a.request(t, "GET", "/dev/dashboard", "", "Origin", "https://app.example")
	var opened openedJSON
	if err := json.Unmarshal([]byte(text(t, resp)), &opened); err != nil || resp.StatusCode != 200 || resp.Header.Get("Access-Control-Allow-Origin") != "" {
		t.Fatalf("%d %v, %v", resp.StatusCode, resp.Header, err)
	}
	if claims, err := token.Verify(opened.Token, token.Keys{testKey: testSecret}, time.Now()); err != nil || claims.CanAdminAny("") != nil {
		t.Errorf("%+v, %v", claims, err)
	}
	for name, change := range map[string]func(*http.Request){
		"another machine": func(r *http.Request) { r.RemoteAddr = "192.0.2.7:9" },
		"a proxy here":    func(r *http.Request) { r.Header.Set("X-Forwarded-For", "192.0.2.7") },
		"a rebound name":  func(r *http.Request) { r.Host = "evil.example:7880" },
	} {
		r := httptest.NewRequest("GET", "/dev/dashboard", nil)
		r.RemoteAddr, r.Host = "127.0.0.1:9", "localhost:7880"
		change(r)
		w := httptest.NewRecorder()
		a.Config.Handler.ServeHTTP(w, r)
		if w.Code != 403 {
			t.Errorf("%s: %d, want 403", name, w.Code)
		}
	}
	wantError(t, a.request(t, "POST", "/dev/dashboard", ""), 405, "invalid_argument", "GET")
	wantError(t, newAPI(t).request(t, "GET", "/dev/dashboard", ""), 404, "not_found", "path")
}

func TestDashboardPathsAreThePages(t *testing.T) {
	a := newAPI(t)
	for _, path := range []string{"/dashboard", "/dashboard/", "/dashboard/rooms/den"} {
		if resp := a.request(t, "GET", path, ""); resp.StatusCode != 200 || text(t, resp) != "page "+path {
			t.Errorf("%s is not the page's", path)
		}
	}
	bare := newAPI(t, func(o *Options) { o.Page = nil })
	wantError(t, bare.request(t, "GET", "/dashboard", ""), 404, "not_found", "path")
}
