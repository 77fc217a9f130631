package peer

import (
	"fmt"
	"net/netip"
	"slices"
)

// MediaAddr is a local address that media is received on, and what clients are
// told of it.
type MediaAddr struct {
	Local      netip.Addr
	Advertised []netip.Addr // never empty
}

// LocalAddresses lists the addresses that a factory with these options listens
// on.
func LocalAddresses(o Options) ([]netip.Addr, error) { return localAddresses(o) }

// MediaAddrs returns the addresses that media is received on.
func (f *Factory) MediaAddrs() []MediaAddr { return slices.Clone(f.addrs) }

// MediaPorts returns the first and the last UDP port of media.
func (f *Factory) MediaPorts() [2]uint16 {
	if addr := f.UDPAddr(); addr != nil {
		port := addr.AddrPort().Port()
		return [2]uint16{port, port}
	}
	return f.opts.UDPPortRange
}

// advertised says what clients are told of each local address: NodeIPs, or else
// what is known from outside, or else the address itself.
func advertised(locals []netip.Addr, o Options) ([]MediaAddr, error) {
	var nodes []netip.Addr
	for _, text := range o.NodeIPs {
		addr, err := netip.ParseAddr(text)
		if err != nil {
			return nil, fmt.Errorf("node address: %w", err)
		}
		nodes = append(nodes, addr.Unmap())
	}
	media := make([]MediaAddr, 0, len(locals))
	for _, local := range locals {
		m := MediaAddr{Local: local}
		if i := slices.IndexFunc(nodes, func(n netip.Addr) bool { return n.Is4() == local.Is4() }); i >= 0 {
			m.Advertised = append(m.Advertised, nodes[i])
		} else if outside, ok := o.External[local]; ok {
			m.Advertised = append(m.Advertised, outside)
		}
		if len(m.Advertised) == 0 || o.AdvertiseInternal && m.Advertised[0] != local {
			m.Advertised = append(m.Advertised, local)
		}
		media = append(media, m)
	}
	return media, nil
}
