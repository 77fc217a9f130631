package signal

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/rollcall-rtc/rollcall/internal/room"
	"github.com/rollcall-rtc/rollcall/internal/token"
)

func TestClientsAddressIsWhatTrustedProxiesSay(t *testing.T) {
	trusted := []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("::1/128")}
	for _, tt := range []struct {
		remote    string
		forwarded []string
		want      string
	}{
		{"203.0.113.7:1", nil, "203.0.113.7"},
		{"203.0.113.7:1", []string{"198.51.100.1"}, "203.0.113.7"},                   // no proxy of ours
		{"127.0.0.1:1", nil, "127.0.0.1"},                                            // speaks for nobody
		{"127.0.0.1:1", []string{"198.51.100.1"}, "198.51.100.1"},                    // one proxy
		{"[::ffff:127.0.0.1]:1", []string{"198.51.100.1"}, "198.51.100.1"},           // the same, mapped
		{"127.0.0.1:1", []string{"1.2.3.4, 198.51.100.1, 10.1.2.3"}, "198.51.100.1"}, // two, and a lie before them
		{"127.0.0.1:1", []string{"1.2.3.4", "198.51.100.1,10.1.2.3"}, "198.51.100.1"},
		{"127.0.0.1:1", []string{"198.51.100.1:4711"}, "198.51.100.1"},
		{"[::1]:1", []string{"2001:db8::7"}, "2001:db8::7"},
		{"[::1]:1", []string{"[2001:db8::7]:4711"}, "2001:db8::7"},
		{"127.0.0.1:1", []string{"unknown"}, "127.0.0.1"},
		{"127.0.0.1:1", []string{"198.51.100.1, , 10.1.2.3"}, "10.1.2.3"},
		{"pipe", []string{"198.51.100.1"}, ""},
	} {
		r := httptest.NewRequest("GET", "/rtc", nil)
		r.RemoteAddr, r.Header["X-Forwarded-For"] = tt.remote, tt.forwarded
		got := clientAddress(r, trusted)
		if got.IsValid() != (tt.want != "") || got.IsValid() && got.String() != tt.want {
			t.Errorf("%s, %q: got %v, want %s", tt.remote, tt.forwarded, got, tt.want)
		}
	}
}

func FuzzClientAddress(f *testing.F) {
	f.Add("127.0.0.1:1", "1.2.3.4, [::1]:2")
	f.Add("[fe80::1%eth0]:1", ",,")
	trusted := []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0"), netip.MustParsePrefix("::/0")}
	f.Fuzz(func(t *testing.T, remote, forwarded string) {
		r := &http.Request{RemoteAddr: remote, Header: http.Header{"X-Forwarded-For": {forwarded}}}
		if addr := clientAddress(r, trusted); addr.IsValid() && addr.Zone() != "" {
			t.Errorf("%v has a zone", addr)
		}
	})
}

func TestNetworkOfAnIPv6CustomerIsOneAddress(t *testing.T) {
	now := time.Unix(0, 0)
	g := newGate(Limits{JoinsPerAddress: 1, ConnectionsPerAddress: 1}.withDefaults())
	one, two, other := netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("2001:db8::2:0:0:1"), netip.MustParseAddr("2001:db8:0:1::1")
	for range joinBurst {
		if err := g.address(one, now); err != nil {
			t.Fatal(err)
		}
	}
	if g.address(two, now) == nil || g.address(other, now) != nil {
		t.Error("a neighbour is not limited, or a stranger is")
	}
	if err := g.address(netip.Addr{}, now); err != nil {
		t.Error("who has no address is limited:", err)
	}
	if g.enter(one) != nil || g.enter(two) == nil || g.enter(other) != nil {
		t.Error("connections are not counted by network")
	}
	g.leave(one)
	if g.enter(two) != nil {
		t.Error("a connection that ended is still counted")
	}
	g.leave(two)
	g.leave(other)
	if len(g.open) != 0 {
		t.Errorf("still counted: %v", g.open)
	}
}

// refused asks for a connection and returns the answer.
func (tc *test) refused(raw, from string) (int, string) {
	tc.Helper()
	r, err := http.NewRequest("GET", tc.url+"/rtc/validate?access_token="+raw, nil)
	if err != nil {
		tc.Fatal(err)
	}
	r.Header.Set("X-Forwarded-For", from)
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		tc.Fatal(err)
	}
	defer resp.Body.Close()
	body, _ := io.ReadAll(resp.Body)
	if limited := resp.StatusCode == http.StatusTooManyRequests; limited != (resp.Header.Get("Retry-After") != "") {
		tc.Errorf("%d without Retry-After", resp.StatusCode)
	}
	return resp.StatusCode, string(body)
}

func TestWhoJoinsTooOftenIsRefusedAndToldWhy(t *testing.T) {
	tc := newTest(t, room.Defaults{})
	tc.handler.opts.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	tc.handler.gate = newGate(Limits{JoinsPerAddress: 2, JoinsPerKey: 3}.withDefaults())
	raw := mint(t, "alice", nil)
	statuses := make(map[int]int)
	last := ""
	for range 30 {
		status, body := tc.refused(raw, "198.51.100.1")
		statuses[status]++
		if status != http.StatusOK {
			last = body
		}
	}
	// Time goes by: a few more may have been let in.
	if n := statuses[http.StatusOK]; n < 20 || statuses[http.StatusTooManyRequests] == 0 || !strings.Contains(last, "address 198.51.100.1") {
		t.Errorf("statuses %v, the last said %q", statuses, last)
	}
	for range 20 {
		if status, body := tc.refused(raw, ""); status != http.StatusOK {
			last = body
		}
	}
	if !strings.Contains(last, "API key") {
		t.Errorf("of all addresses together the last said %q", last)
	}
	if s := tc.handler.Stats(); s.Limited == 0 || s.Refused < s.Limited {
		t.Errorf("counted %+v", s)
	}
}

// tryDial is dial that may fail.
func (tc *test) tryDial(raw string) (*websocket.Conn, *http.Response, error) {
	ctx, cancel := context.WithTimeout(tc.Context(), patience)
	defer cancel()
	return websocket.Dial(ctx, tc.url+"/rtc?protocol=16&access_token="+raw, nil)
}

func TestTooManyConnectionsOfAnAddressAreRefused(t *testing.T) {
	tc := newTest(t, room.Defaults{})
	tc.handler.gate = newGate(Limits{ConnectionsPerAddress: 1}.withDefaults())
	c := tc.dial(url.Values{}, mint(t, "alice", nil))
	c.next()
	_, resp, err := tc.tryDial(mint(t, "bob", nil))
	if err == nil || resp == nil || resp.StatusCode != http.StatusTooManyRequests {
		t.Fatalf("a second connection: %v, %v", resp, err)
	}
	_ = c.conn.CloseNow()
	deadline := time.Now().Add(patience)
	for {
		conn, _, err := tc.tryDial(mint(t, "bob", nil))
		if err == nil {
			_ = conn.CloseNow()
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the first has gone, and still:", err)
		}
		time.Sleep(5 * time.Millisecond)
	}
	var often *limited
	if !errors.As(tooMany("x"), &often) || statusOf(often) != http.StatusTooManyRequests {
		t.Error("not 429")
	}
}

// A browser's SDK asks for the reason of a refusal that it could not see.
func TestReasonThatThereAreTooManyConnectionsCanBeAsked(t *testing.T) {
	tc := newTest(t, room.Defaults{})
	tc.handler.opts.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	tc.handler.gate = newGate(Limits{ConnectionsPerAddress: 1}.withDefaults())
	raw, here := mint(t, "alice", nil), netip.MustParseAddr("198.51.100.1")
	if status, body := tc.refused(raw, here.String()); status != http.StatusOK {
		t.Fatalf("the first: %d %s", status, body)
	}
	if err := tc.handler.gate.enter(here); err != nil {
		t.Fatal(err)
	}
	if status, body := tc.refused(raw, here.String()); status != http.StatusTooManyRequests || !strings.Contains(body, "too many connections") {
		t.Errorf("beyond the limit: %d %s", status, body)
	}
	tc.handler.gate.leave(here)
	if status, body := tc.refused(raw, here.String()); status != http.StatusOK {
		t.Errorf("asking is counted: %d %s", status, body)
	}
}

func TestOthersWebSocketsAreGuardedAsThoseOfClients(t *testing.T) {
	handler := func(l Limits) *Handler {
		return NewHandler(Options{Keys: token.Keys{key: secret}, Limits: l, TrustedProxies: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}})
	}
	ask := func(h http.Handler, from, raw string) int {
		r := httptest.NewRequest("GET", "/agent?access_token="+raw, nil)
		r.RemoteAddr = from + ":1"
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		return w.Code
	}
	raw := mint(t, "worker", nil)
	at := func(i int) string { return fmt.Sprintf("198.51.100.%d", i%250) }
	for name, c := range map[string]struct {
		limits Limits
		from   func(int) string
		raw    string
		most   int // of 100 that are let through; 0: all
	}{
		"of an address":                  {Limits{JoinsPerAddress: 1}, func(int) string { return at(1) }, "none", joinBurst},
		"of a key":                       {Limits{JoinsPerKey: 1}, at, raw, joinBurst},
		"of no key that is known":        {Limits{JoinsPerKey: 1}, at, "none", 0},
		"of a proxy, who is not limited": {Limits{JoinsPerAddress: 1}, func(int) string { return "127.0.0.1" }, "none", 0},
	} {
		t.Run(name, func(t *testing.T) {
			passed := 0
			h := handler(c.limits).Guard(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { passed++ }))
			var last int
			for i := range 100 {
				last = ask(h, c.from(i), c.raw)
			}
			switch {
			case c.most == 0 && passed != 100:
				t.Errorf("%d passed", passed)
			case c.most > 0 && (passed < c.most || passed > 2*c.most || last != http.StatusTooManyRequests):
				t.Errorf("%d passed, and the last one had %d", passed, last)
			}
		})
	}

	release, entered := make(chan struct{}), make(chan struct{})
	h := handler(Limits{ConnectionsPerAddress: 1}).Guard(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		entered <- struct{}{}
		<-release
	}))
	done := make(chan int)
	open := func() { done <- ask(h, at(1), raw) }
	go open()
	<-entered
	if status := ask(h, at(1), raw); status != http.StatusTooManyRequests {
		t.Errorf("the second connection of an address has %d", status)
	}
	release <- struct{}{}
	<-done
	go open() // the first one is not counted any more
	<-entered
	release <- struct{}{}
	if status := <-done; status != http.StatusOK {
		t.Errorf("the next one has %d", status)
	}
}
