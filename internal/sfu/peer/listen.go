package peer

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"syscall"

	"github.com/rollcall-rtc/rollcall/internal/sfu/transport"
)

const (
	portTries = 16 // an ephemeral port must be free on every address
)

// localAddresses lists the addresses the options allow listening on.
func localAddresses(o Options) ([]netip.Addr, error) {
	bind, err := parseBind(o.BindAddresses)
	if err != nil {
		return nil, err
	}
	ifaces, err := net.Interfaces()
	if err != nil {
		return nil, fmt.Errorf("list interfaces: %w", err)
	}
	var addrs []netip.Addr
	for _, iface := range ifaces {
		if iface.Flags&net.FlagUp == 0 || (o.KeepInterface != nil && !o.KeepInterface(iface.Name)) {
			continue
		}
		assigned, err := iface.Addrs()
		if err != nil {
			return nil, fmt.Errorf("list addresses of %s: %w", iface.Name, err)
		}
		for _, a := range assigned {
			prefix, err := netip.ParsePrefix(a.String())
			if err != nil {
				continue
			}
			addr := prefix.Addr().Unmap()
			// Link-local IPv6 needs a zone that no client can know.
			if addr.IsLinkLocalUnicast() || addr.IsMulticast() {
				continue
			}
			if !allowed(addr, bind, o) || slices.Contains(addrs, addr) {
				continue
			}
			addrs = append(addrs, addr)
		}
	}
	if len(addrs) == 0 {
		return nil, ErrNoAddress
	}
	return addrs, nil
}

func parseBind(texts []string) ([]netip.Addr, error) {
	var bind []netip.Addr
	for _, text := range texts {
		addr, err := netip.ParseAddr(text)
		if err != nil {
			return nil, fmt.Errorf("bind address: %w", err)
		}
		bind = append(bind, addr.Unmap())
	}
	return bind, nil
}

func allowed(addr netip.Addr, bind []netip.Addr, o Options) bool {
	if o.KeepIP != nil && !o.KeepIP(addr.AsSlice()) {
		return false
	}
	if len(bind) == 0 {
		return o.LoopbackCandidates || !addr.IsLoopback()
	}
	if slices.Contains(bind, addr) {
		return true
	}
	if addr.IsLoopback() && !o.LoopbackCandidates {
		return false
	}
	return slices.ContainsFunc(bind, func(b netip.Addr) bool {
		return b.IsUnspecified() && b.Is4() == addr.Is4()
	})
}

func listenUDP(addrs []netip.Addr, port int) (*transport.Mux, error) {
	mux, err := transport.Listen(addrs, port, transport.Options{})
	var failed *transport.AddrError
	if errors.As(err, &failed) {
		return nil, listenError("udp", failed.Addr.String(), failed.Err)
	}
	return mux, err
}

func listenTCP(addrs []netip.Addr, port int) ([]*net.TCPListener, error) {
	tries := 1
	if port <= 0 {
		port, tries = 0, portTries
	}
	var err error
	for range tries {
		var ls []*net.TCPListener
		if ls, err = listenTCPOnce(addrs, port); err == nil {
			return ls, nil
		}
	}
	return nil, err
}

func listenTCPOnce(addrs []netip.Addr, port int) ([]*net.TCPListener, error) {
	var ls []*net.TCPListener
	for _, addr := range addrs {
		at := netip.AddrPortFrom(addr, uint16(port))
		l, err := net.ListenTCP("tcp", net.TCPAddrFromAddrPort(at))
		if err != nil {
			for _, l := range ls {
				_ = l.Close()
			}
			return nil, listenError("tcp", at.String(), err)
		}
		ls = append(ls, l)
		port = l.Addr().(*net.TCPAddr).Port
	}
	return ls, nil
}

func listenError(network, address string, err error) error {
	if errors.Is(err, syscall.EADDRINUSE) {
		err = ErrPortInUse
	}
	return &ListenError{Network: network, Address: address, Err: err}
}
