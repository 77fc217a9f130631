package delivery

import (
	"context"
	"fmt"
	"net/netip"
	"syscall"
)

// guard keeps requests to URLs that the operator did not write away from where
// they have no business: metadata services and link-local addresses always,
// private networks unless they are allowed. It sees the address that is being
// dialled, after DNS, so a name that changes its mind gains nothing.
type guard struct {
	allow []netip.Prefix
}

// control is a net.Dialer's ControlContext.
func (g guard) control(_ context.Context, network, address string, _ syscall.RawConn) error {
	ap, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("%w: %s", ErrBlockedAddress, address)
	}
	switch network {
	case "tcp", "tcp4", "tcp6":
	default:
		return fmt.Errorf("%w: network %s", ErrBlockedAddress, network)
	}
	if why := g.blocks(ap.Addr()); why != "" {
		return fmt.Errorf("%w: %s is %s", ErrBlockedAddress, ap.Addr(), why)
	}
	return nil
}

// never is what no allow-list opens.
var never = prefixes(map[string]string{
	"0.0.0.0/8":          "unspecified",
	"169.254.0.0/16":     "link-local, where metadata services are",
	"100.100.100.200/32": "a metadata service",
	"168.63.129.16/32":   "a metadata service",
	"192.0.0.192/32":     "a metadata service",
	"224.0.0.0/4":        "multicast",
	"240.0.0.0/4":        "reserved or broadcast",
	"::/128":             "unspecified",
	"fe80::/10":          "link-local",
	"fec0::/10":          "site-local",
	"ff00::/8":           "multicast",
	"fd00:ec2::/32":      "a metadata service",
	"fd20:ce::254/128":   "a metadata service",
})

// unlessAllowed is what the allow-list opens.
var unlessAllowed = prefixes(map[string]string{
	"127.0.0.0/8":     "loopback",
	"10.0.0.0/8":      "private",
	"172.16.0.0/12":   "private",
	"192.168.0.0/16":  "private",
	"100.64.0.0/10":   "shared address space",
	"192.0.0.0/24":    "reserved for protocols",
	"192.0.2.0/24":    "for documentation",
	"198.18.0.0/15":   "for benchmarks",
	"198.51.100.0/24": "for documentation",
	"203.0.113.0/24":  "for documentation",
	"::1/128":         "loopback",
	"fc00::/7":        "private",
	"100::/64":        "discarded",
	"2001:db8::/32":   "for documentation",
	"3fff::/20":       "for documentation",
	"5f00::/16":       "for segment routing",
})

// embedding are IPv6 networks whose addresses hold an IPv4 address, at which
// byte, and how it is masked: what they lead to counts.
var embedding = []struct {
	netip.Prefix
	at   int
	mask byte
}{
	{netip.MustParsePrefix("::/96"), 12, 0},                 // IPv4-compatible, RFC 4291 §2.5.5.1
	{netip.MustParsePrefix("::ffff:0:0:0/96"), 12, 0},       // IPv4-translated, RFC 2765 §2.1
	{netip.MustParsePrefix("64:ff9b::/96"), 12, 0},          // NAT64, RFC 6052 §2.1
	{netip.MustParsePrefix("2002::/16"), 2, 0},              // 6to4, RFC 3056 §2
	{netip.MustParsePrefix("2001::/32"), 12, 0xff},          // Teredo, RFC 4380 §4: the client
	{netip.MustParsePrefix("2001::/32"), 4, 0},              // and its server
	{netip.MustParsePrefix("::200:5efe:0:0/96"), 12, 0},     // ISATAP without a network, RFC 5214 §6.1
	{netip.MustParsePrefix("::5efe:0:0/96"), 12, 0},         // likewise, private
	{netip.MustParsePrefix("64:ff9b:1:fffe::/64"), 12, 0},   // local NAT64 at /96, RFC 8215
	{netip.MustParsePrefix("fe80::5efe:0:0/96"), 12, 0},     // ISATAP
	{netip.MustParsePrefix("fe80::200:5efe:0:0/96"), 12, 0}, // ISATAP
}

// localNAT64 is RFC 8215's: where in it the IPv4 address stands depends on the
// length of the operator's prefix, so it is private as a whole.
var localNAT64 = netip.MustParsePrefix("64:ff9b:1::/48")

type network struct {
	netip.Prefix
	what string
}

func prefixes(table map[string]string) []network {
	list := make([]network, 0, len(table))
	for p, what := range table {
		list = append(list, network{netip.MustParsePrefix(p), what})
	}
	return list
}

// blocks returns what is wrong with addr, "" if nothing is.
func (g guard) blocks(addr netip.Addr) string {
	addr = addr.WithZone("").Unmap()
	if !addr.IsValid() {
		return "no address"
	}
	for _, n := range never {
		if n.Contains(addr) {
			return n.what
		}
	}
	if addr.Is6() && addr != netip.IPv6Loopback() {
		b := addr.As16()
		for _, e := range embedding {
			if !e.Contains(addr) {
				continue
			}
			inner := netip.AddrFrom4([4]byte{b[e.at] ^ e.mask, b[e.at+1] ^ e.mask, b[e.at+2] ^ e.mask, b[e.at+3] ^ e.mask})
			if why := g.blocks(inner); why != "" {
				return "a form of " + inner.String() + ", which is " + why
			}
		}
		if localNAT64.Contains(addr) && nat64Hides(b) {
			return "a form of an address that is never reached"
		}
	}
	for _, p := range g.allow {
		if p.Contains(addr) || addr.Is4() && p.Addr().Is4In6() && p.Contains(netip.AddrFrom16(addr.As16())) {
			return ""
		}
	}
	for _, n := range unlessAllowed {
		if n.Contains(addr) {
			return n.what + " and not in the list of allowed networks"
		}
	}
	if localNAT64.Contains(addr) {
		return "translated locally and not in the list of allowed networks"
	}
	return ""
}

// nat64Hides says whether an IPv4 address that is never reached stands in b at
// any place that RFC 6052 §2.2 knows: after 48, 56, 64 or 96 bits, around the
// byte of zeros at bit 64.
func nat64Hides(b [16]byte) bool {
	for _, v4 := range [][4]byte{
		{b[6], b[7], b[9], b[10]},
		{b[7], b[9], b[10], b[11]},
		{b[9], b[10], b[11], b[12]},
		{b[12], b[13], b[14], b[15]},
	} {
		addr := netip.AddrFrom4(v4)
		for _, n := range never {
			// Zeros are what stands elsewhere in an address of another length.
			if n.Contains(addr) && v4[0] != 0 {
				return true
			}
		}
	}
	return false
}
