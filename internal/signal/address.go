package signal

import (
	"net/http"
	"net/netip"
	"strings"
)

// clientAddress is where a request comes from: the other end of the connection or,
// if that is a proxy that is trusted to say, the last address in X-Forwarded-For
// that is no such proxy's. Invalid if there is none.
func clientAddress(r *http.Request, trusted []netip.Prefix) netip.Addr {
	here, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	addr := here.Addr().Unmap().WithZone("")
	if !contains(trusted, addr) {
		return addr
	}
	// Several header lines are one list (RFC 9110 §5.3).
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for i := len(hops) - 1; i >= 0 && contains(trusted, addr); i-- {
		next, err := parseHop(strings.TrimSpace(hops[i]))
		if err != nil {
			break // whoever wrote that is not to be believed about what is before it
		}
		addr = next
	}
	return addr
}

// parseHop reads an address as proxies write it, some with a port.
func parseHop(text string) (netip.Addr, error) {
	if addr, err := netip.ParseAddr(text); err == nil {
		return addr.Unmap().WithZone(""), nil
	}
	with, err := netip.ParseAddrPort(text)
	return with.Addr().Unmap().WithZone(""), err
}

func contains(prefixes []netip.Prefix, addr netip.Addr) bool {
	for _, p := range prefixes {
		if p.Contains(addr) {
			return true
		}
	}
	return false
}

// ClientSite is where a request comes from, by what trusted proxies say: an IPv4
// address or the first one of an IPv6 /64. Invalid if there is none.
func ClientSite(r *http.Request, trusted []netip.Prefix) netip.Addr {
	return site(clientAddress(r, trusted))
}

// site is what counts as one address: an IPv6 /64 is one customer's.
func site(addr netip.Addr) netip.Addr {
	if addr.Is6() {
		if p, err := addr.Prefix(64); err == nil {
			return p.Addr()
		}
	}
	return addr
}
