package peer

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"testing"
)

func TestCandidateAttributes(t *testing.T) {
	const (
		of      = iota // use
		nothing        // of use to us
		wrong
	)
	for _, tt := range []struct {
		text string
		is   int
		want remoteCandidate
	}{
		{"1 1 udp 2113937151 192.0.2.1 50000 typ host", of, remoteCandidate{netip.MustParseAddrPort("192.0.2.1:50000"), 2113937151, "host", ""}},
		{"1 1 UDP 4294967295 192.0.2.1 1 typ srflx raddr 10.0.0.1 rport 9 generation 0 ufrag abcd network-cost 10", of,
			remoteCandidate{netip.MustParseAddrPort("192.0.2.1:1"), 4294967295, "srflx", "abcd"}},
		{"842163049 1 udp 1 2001:db8::1 65535 typ relay raddr :: rport 0", of, remoteCandidate{netip.MustParseAddrPort("[2001:db8::1]:65535"), 1, "relay", ""}},
		{"a/b+ 1 udp 1 fe80::1%eth0 9 typ prflx", of, remoteCandidate{netip.MustParseAddrPort("[fe80::1]:9"), 1, "prflx", ""}},
		{"1 1 udp 1 ::ffff:192.0.2.1 9 typ host", of, remoteCandidate{netip.MustParseAddrPort("192.0.2.1:9"), 1, "host", ""}},
		{"  1  1 udp\t1 192.0.2.1 9 typ host ufrag", of, remoteCandidate{netip.MustParseAddrPort("192.0.2.1:9"), 1, "host", ""}}, // a name without a value

		{"", nothing, remoteCandidate{}},
		{"1 2 udp 1 192.0.2.1 9 typ host", nothing, remoteCandidate{}}, // RTCP, which we have with RTP
		{"1 1 tcp 1 192.0.2.1 9 typ host tcptype active", nothing, remoteCandidate{}},
		{"1 1 sctp 1 192.0.2.1 9 typ host", nothing, remoteCandidate{}},
		{"1 1 udp 1 6f3b1c9e.local 9 typ host", nothing, remoteCandidate{}},
		{"1 1 udp 1 6F3B1C9E.LOCAL 9 typ host", nothing, remoteCandidate{}},
		{"1 1 udp 1 192.0.2.1 0 typ host", nothing, remoteCandidate{}},
		{"1 1 udp 1 0.0.0.0 9 typ host", nothing, remoteCandidate{}},
		{"1 1 udp 1 :: 9 typ host", nothing, remoteCandidate{}},
		{"1 1 udp 1 ::%eth0 9 typ host", nothing, remoteCandidate{}},
		{"1 1 udp 1 ::ffff:0.0.0.0 9 typ host", nothing, remoteCandidate{}},
		{"1 1 udp 1 224.0.0.1 9 typ host", nothing, remoteCandidate{}},
		{"1 1 udp 1 ff02::1%eth0 9 typ host", nothing, remoteCandidate{}},
		{"1 1 udp 1 ::ffff:224.0.0.1 9 typ host", nothing, remoteCandidate{}},

		{"1 1 udp 1 192.0.2.1 9 typ", wrong, remoteCandidate{}},
		{"1 1 udp 1 192.0.2.1 9 type host", wrong, remoteCandidate{}},
		{"1 1 udp 1 192.0.2.1 9 typ best", wrong, remoteCandidate{}},
		{"1 one udp 1 192.0.2.1 9 typ host", wrong, remoteCandidate{}},
		{"1 -1 udp 1 192.0.2.1 9 typ host", wrong, remoteCandidate{}},
		{"1 1 udp high 192.0.2.1 9 typ host", wrong, remoteCandidate{}},
		{"1 1 udp 4294967296 192.0.2.1 9 typ host", wrong, remoteCandidate{}},
		{"1 1 udp 1 192.0.2.1 65536 typ host", wrong, remoteCandidate{}},
		{"1 1 udp 1 192.0.2.1 +9 typ host", wrong, remoteCandidate{}},
		{"1 1 udp 1 192.0.2.256 9 typ host", wrong, remoteCandidate{}},
		{"1 1 udp 1 [2001:db8::1] 9 typ host", wrong, remoteCandidate{}},
		{"1 1 udp 1 example.org 9 typ host", wrong, remoteCandidate{}},
	} {
		c, ok, err := parseCandidate(tt.text)
		switch {
		case errors.Is(err, ErrCandidate) != (tt.is == wrong) || ok != (tt.is == of):
			t.Errorf("%q: of use %v, %v", tt.text, ok, err)
		case ok && c != tt.want:
			t.Errorf("%q: %+v, want %+v", tt.text, c, tt.want)
		}
	}
}

func TestCandidateInit(t *testing.T) {
	const text = "1 1 udp 7 192.0.2.1 9 typ host ufrag "
	for init, ufrag := range map[string]string{
		`{"candidate":"candidate:` + text + `abcd","sdpMid":"0"}`:                          "abcd",
		`{"candidate":"a=candidate:` + text + `abcd\r\n"}`:                                 "abcd",
		`{"candidate":"` + text + `abcd","usernameFragment":"efgh"}`:                       "efgh",
		`{"candidate":"candidate:` + text + `abcd","usernameFragment":null,"sdpMid":null}`: "abcd",
	} {
		if c, ok, err := parseCandidateInit(init); !ok || err != nil || c.ufrag != ufrag || c.priority != 7 {
			t.Errorf("%s: %+v, %v, %v", init, c, ok, err)
		}
	}
}

func FuzzCandidateAttribute(f *testing.F) {
	f.Add("1 1 udp 2113937151 192.0.2.1 50000 typ host generation 0 ufrag abcd")
	f.Add("1 1 udp 1 ::ffff:0.0.0.0 9 typ host")
	f.Add("1 1 udp 1 fe80::1%eth0 9 typ srflx raddr :: rport 0")
	f.Add("1 1 tcp 1 a.local 9 typ relay tcptype active")
	f.Fuzz(func(t *testing.T, text string) {
		c, ok, err := parseCandidate(text)
		if err != nil && (ok || !errors.Is(err, ErrCandidate)) {
			t.Errorf("ok %v, error %v", ok, err)
		}
		if a := c.addr.Addr(); ok && (c.addr.Port() == 0 || a.IsUnspecified() || a.IsMulticast() || a.Is4In6() || a.Zone() != "") {
			t.Errorf("a candidate at %v is of use", c.addr)
		}
	})
}

// ourCandidate is one of ours as clients read it.
type ourCandidate struct {
	foundation, transport, address, rest string
	priority                             int
}

func ours(t *testing.T, attributes []string) (cs []ourCandidate) {
	t.Helper()
	for _, a := range attributes {
		text, _ := strings.CutPrefix(a, "candidate:")
		f := strings.Fields(text)
		if text == a || len(f) < 8 || f[1] != "1" || f[6] != "typ" || f[7] != "host" {
			t.Fatalf("candidate %q", a)
		}
		priority, err := strconv.Atoi(f[3])
		if err != nil {
			t.Fatal(err)
		}
		cs = append(cs, ourCandidate{f[0], f[2], f[4] + " " + f[5], strings.Join(f[8:], " "), priority})
	}
	return cs
}

func TestOurCandidatesPreferUDPAndTheOrderOfAddresses(t *testing.T) {
	addr := netip.MustParseAddr
	addrs := []MediaAddr{
		{Local: addr("10.0.0.1"), Advertised: []netip.Addr{addr("203.0.113.1"), addr("10.0.0.1")}},
		{Local: addr("2001:db8::1"), Advertised: []netip.Addr{addr("2001:db8::1")}},
	}
	for _, tt := range []struct {
		udp, tcp uint16
		want     []string
	}{
		{7882, 0, []string{"udp 203.0.113.1 7882", "udp 10.0.0.1 7882", "udp 2001:db8::1 7882"}},
		{0, 7881, []string{"tcp 203.0.113.1 7881", "tcp 10.0.0.1 7881", "tcp 2001:db8::1 7881"}},
		{7882, 7881, []string{
			"udp 203.0.113.1 7882", "udp 10.0.0.1 7882", "udp 2001:db8::1 7882",
			"tcp 203.0.113.1 7881", "tcp 10.0.0.1 7881", "tcp 2001:db8::1 7881",
		}},
		{0, 0, nil},
	} {
		cs := ours(t, candidateAttributes(addrs, tt.udp, tt.tcp))
		slices.SortFunc(cs, func(a, b ourCandidate) int { return b.priority - a.priority })
		var order []string
		foundations, priorities := map[string]bool{}, map[int]bool{}
		for _, c := range cs {
			order = append(order, c.transport+" "+c.address)
			foundations[c.foundation], priorities[c.priority] = true, true
			if rest := map[string]string{"udp": "", "tcp": "tcptype passive"}[c.transport]; c.rest != rest {
				t.Errorf("%v ends with %q", c, c.rest)
			}
		}
		if !slices.Equal(order, tt.want) || len(foundations) != len(cs) || len(priorities) != len(cs) {
			t.Errorf("ports %d and %d: %v", tt.udp, tt.tcp, cs)
		}
	}
}

// RFC 8445 §5.1.2.1, RFC 6544 §4.2: 2^24 types, 2^8 local preferences, component 1.
func TestPrioritiesOfOurCandidates(t *testing.T) {
	a := netip.MustParseAddr("192.0.2.1")
	cs := ours(t, candidateAttributes([]MediaAddr{{Local: a, Advertised: []netip.Addr{a}}}, 1, 2))
	udp := 126*1<<24 + 65535*1<<8 + (256 - 1)
	tcp := 99*1<<24 + (4*1<<13+8191)*1<<8 + (256 - 1) // passive
	if cs[0].priority != udp || cs[1].priority != tcp {
		t.Errorf("%v, want %d and %d", cs, udp, tcp)
	}
}

// Behind one outside address there may be several local ones, RFC 8445 §5.1.3.
func TestNoCandidateOfOursIsThereTwice(t *testing.T) {
	var addrs []MediaAddr
	outside := netip.MustParseAddr("203.0.113.1")
	for i := range 3 {
		local := netip.MustParseAddr(fmt.Sprintf("10.0.0.%d", i+1))
		addrs = append(addrs, MediaAddr{Local: local, Advertised: []netip.Addr{outside, local}})
	}
	seen := map[string]int{}
	for _, c := range ours(t, candidateAttributes(addrs, 1, 2)) {
		seen[c.transport+" "+c.address]++
	}
	if len(seen) != 8 {
		t.Errorf("candidates %v", seen)
	}
	for c, n := range seen {
		if n > 1 {
			t.Errorf("%s is there %d times", c, n)
		}
	}
}
