package delivery

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/rollcall-rtc/rollcall/internal/eventlog"
	"github.com/rollcall-rtc/rollcall/internal/eventlog/memory"
)

func TestGuardLooksThroughEveryFormOfAnAddress(t *testing.T) {
	private := guard{allow: []netip.Prefix{
		netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128"), netip.MustParsePrefix("fc00::/7"),
		netip.MustParsePrefix("64:ff9b:1::/48"), netip.MustParsePrefix("0.0.0.0/0"), netip.MustParsePrefix("fe80::/10"),
	}}
	for _, tc := range []struct {
		addr          string
		open, allowed bool // to anybody, to who may reach everything there is
	}{
		{"8.8.8.8", true, true}, {"2606:4700::1111", true, true}, {"::ffff:8.8.8.8", true, true}, {"64:ff9b::8.8.8.8", true, true},
		{"2002:808:808::1", true, true},
		{"10.1.2.3", false, true}, {"172.16.0.1", false, true}, {"172.32.0.1", true, true}, {"192.168.1.1", false, true}, {"100.64.0.1", false, true},
		{"127.0.0.1", false, true}, {"127.255.255.254", false, true}, {"::1", false, true}, {"fd12::1", false, true}, {"fc00::1", false, true},
		{"198.18.0.1", false, true}, {"192.0.2.1", false, true},
		{"::ffff:10.1.2.3", false, true}, {"::ffff:127.0.0.1", false, true}, {"64:ff9b::10.1.2.3", false, true}, {"2002:0a01:0203::1", false, true},
		{"::10.1.2.3", false, true}, {"::ffff:0:10.1.2.3", false, true}, {"2001:0:0808:0808::f5fe:fdfc", false, true}, // Teredo to 10.1.2.3
		{"64:ff9b:1::10.1.2.3", false, true}, {"64:ff9b:1:808:8:800::", false, true},
		{"0.0.0.0", false, false}, {"0.1.2.3", false, false}, {"::", false, false}, {"255.255.255.255", false, false}, {"240.0.0.1", false, false},
		{"224.0.0.1", false, false}, {"ff02::1", false, false},
		{"169.254.169.254", false, false}, {"169.254.170.2", false, false}, {"100.100.100.200", false, false}, {"168.63.129.16", false, false},
		{"192.0.0.192", false, false}, {"fd00:ec2::254", false, false}, {"fd00:ec2::23", false, false}, {"fe80::1", false, false}, {"fe80::1%eth0", false, false},
		{"::ffff:169.254.169.254", false, false}, {"64:ff9b::169.254.169.254", false, false}, {"64:ff9b:1::169.254.169.254", false, false},
		{"64:ff9b:1:a9fe:a9:fe00::", false, false}, {"64:ff9b:1:a9:fe:a9fe::", false, false},
		{"2002:a9fe:a9fe::", false, false}, {"2001:0:a9fe:a9fe::f7f7:f7f7", false, false}, {"2001:0:808:808::5601:5601", false, false},
		{"::169.254.169.254", false, false}, {"::ffff:0:169.254.169.254", false, false}, {"::5efe:169.254.169.254", false, false},
	} {
		addr := netip.MustParseAddr(tc.addr)
		if why := (guard{}).blocks(addr); (why == "") != tc.open {
			t.Errorf("%s: blocked because %q", tc.addr, why)
		}
		if why := private.blocks(addr); (why == "") != tc.allowed {
			t.Errorf("%s, all networks allowed: blocked because %q", tc.addr, why)
		}
	}
}

// What an IPv6 address leads to is judged as the IPv4 address is.
func FuzzGuardAgreesOnAllFormsOfAnIPv4Address(f *testing.F) {
	for _, s := range []string{"169.254.169.254", "127.0.0.1", "8.8.8.8", "10.0.0.1", "0.0.0.0", "100.100.100.200"} {
		f.Add(netip.MustParseAddr(s).AsSlice())
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) < 4 {
			return
		}
		v4 := netip.AddrFrom4([4]byte(b[:4]))
		if (guard{}).blocks(v4) == "" {
			return
		}
		form := func(prefix string, at int, mask byte) netip.Addr {
			a := netip.MustParseAddr(prefix).As16()
			for i := range 4 {
				a[at+i] = b[i] ^ mask
			}
			return netip.AddrFrom16(a)
		}
		for _, addr := range []netip.Addr{
			form("::ffff:0:0", 12, 0), form("64:ff9b::", 12, 0), form("2002::", 2, 0), form("2001::", 12, 0xff), form("2001::", 4, 0),
			form("::", 12, 0), form("::ffff:0:0:0", 12, 0),
		} {
			if (guard{}).blocks(addr) == "" {
				t.Errorf("%s leads to %s and is let through", addr, v4)
			}
		}
	})
}

func FuzzGuardTakesAnyAddress(f *testing.F) {
	f.Add("[::1%lo]:80")
	f.Add("169.254.169.254:80")
	f.Add("localhost:http")
	f.Fuzz(func(t *testing.T, address string) {
		err := (guard{}).control(nil, "tcp", address, nil)
		if ap, perr := netip.ParseAddrPort(address); err == nil && (perr != nil || ap.Addr().IsLoopback() || ap.Addr().IsPrivate() || ap.Addr().IsLinkLocalUnicast()) {
			t.Errorf("%s is let through", address)
		}
	})
}

func TestGuardStandsAtTheDialAfterDNSAndNotBeforeTheConfig(t *testing.T) {
	var hits atomic.Int64
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { hits.Add(1) }))
	defer srv.Close()
	byName := strings.Replace(srv.URL, "127.0.0.1", "localhost", 1)
	log, err := eventlog.Open(eventlog.Options{Store: memory.New()})
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close(bg)
	start := func(allow ...netip.Prefix) *Engine {
		eng, err := Start(Options{Log: log, Cursors: log, Keys: map[string]string{"k": "s"}, AllowNetworks: allow,
			Endpoints: []Endpoint{{ID: "config", URL: srv.URL, APIKey: "k"}}})
		if err != nil {
			t.Fatal(err)
		}
		return eng
	}
	eng := start()
	for _, u := range []string{srv.URL, byName} {
		if _, err := eng.Put(bg, Endpoint{ID: "api", URL: u, APIKey: "k"}); err != nil {
			t.Fatal(err)
		}
		a, err := eng.Test(bg, "api")
		if err != nil || a.Status != 0 || !strings.Contains(a.Error, "loopback") || hits.Load() != 0 {
			t.Errorf("%s: %+v, %v, %d requests", u, a, err, hits.Load())
		}
	}
	if a, err := eng.Test(bg, "config"); err != nil || !a.Delivered() {
		t.Errorf("the config's own: %+v, %v", a, err)
	}
	log.Append(roomEvent("blue"))
	if _, err := eng.Recover(bg, RecoverRequest{Endpoint: "config", ToURL: "ftp://x"}); !errors.Is(err, ErrRecover) {
		t.Errorf("recover to ftp: %v", err)
	}
	if err := eng.Close(bg); err != nil {
		t.Fatal(err)
	}
	eng = start(netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128"))
	defer eng.Close(bg)
	if a, err := eng.Test(bg, "api"); err != nil || !a.Delivered() {
		t.Errorf("allowed: %+v, %v", a, err)
	}
}
