package peer

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
)

func TestWhatClientsAreToldOfEachAddress(t *testing.T) {
	addr := netip.MustParseAddr
	locals := []netip.Addr{addr("10.0.0.5"), addr("192.168.1.5"), addr("2001:db8::5")}
	outside := map[netip.Addr]netip.Addr{addr("10.0.0.5"): addr("203.0.113.7")}
	for _, tt := range []struct {
		name string
		opts Options
		want string
	}{
		{"as they are", Options{}, "10.0.0.5>10.0.0.5 192.168.1.5>192.168.1.5 2001:db8::5>2001:db8::5"},
		{"one of a family", Options{NodeIPs: []string{"203.0.113.9"}},
			"10.0.0.5>203.0.113.9 192.168.1.5>203.0.113.9 2001:db8::5>2001:db8::5"},
		{"one of each", Options{NodeIPs: []string{"2001:db8::9", "203.0.113.9"}},
			"10.0.0.5>203.0.113.9 192.168.1.5>203.0.113.9 2001:db8::5>2001:db8::9"},
		{"as known outside", Options{External: outside},
			"10.0.0.5>203.0.113.7 192.168.1.5>192.168.1.5 2001:db8::5>2001:db8::5"},
		{"both", Options{External: outside, AdvertiseInternal: true},
			"10.0.0.5>203.0.113.7,10.0.0.5 192.168.1.5>192.168.1.5 2001:db8::5>2001:db8::5"},
		{"what is configured wins", Options{External: outside, NodeIPs: []string{"203.0.113.9"}},
			"10.0.0.5>203.0.113.9 192.168.1.5>203.0.113.9 2001:db8::5>2001:db8::5"},
	} {
		media, err := advertised(locals, tt.opts)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, m := range media {
			names := strings.Join(strings.Fields(strings.Trim(fmt.Sprint(m.Advertised), "[]")), ",")
			got = append(got, m.Local.String()+">"+names)
		}
		if s := strings.Join(got, " "); s != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, s, tt.want)
		}
	}
}

func TestExternalAndInternalAddressAreAdvertised(t *testing.T) {
	loopback, outside := netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("203.0.113.9")
	for name, both := range map[string]bool{"external": false, "both": true} {
		f := newTestFactory(t, func(o *Options) {
			o.External, o.AdvertiseInternal, o.TCPPort = map[netip.Addr]netip.Addr{loopback: outside}, both, -1
		})
		heard := &candidates{}
		sub, err := f.NewSubscriber(SubscriberOptions{Handler: heard})
		if err != nil {
			t.Fatal(err)
		}
		sub.Negotiate()
		eventually(t, "all candidates", func() bool { return heard.final() })
		sub.Close()
		count := map[string]int{}
		for _, init := range heard.inits {
			count[strings.Fields(init)[4]]++
		}
		// UDP and TCP of each.
		if want := map[bool]int{true: 2}[both]; count["203.0.113.9"] != 2 || count["127.0.0.1"] != want {
			t.Errorf("%s: candidates %v", name, count)
		}
	}
}
