package ffmpeg

import (
	"context"
	"net"
	"net/netip"
)

// Guard says what a Pusher may reach. It is asked for the addresses that names have
// when a connection is made: what was looked up before may be another by then.
type Guard struct {
	// Dial connects by TCP; nil dials everything.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// Check says why an address may not be reached by UDP; nil lets all be reached.
	Check func(netip.Addr) error
}

// Find looks up the first address of a host that may be reached, as Check says. known
// says that the host has any; err is why none of them may be, or why none is known.
func (g Guard) Find(ctx context.Context, host string) (found netip.Addr, known bool, err error) {
	addrs, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return found, false, err
	}
	for _, a := range addrs {
		a = a.Unmap()
		if g.Check == nil {
			return a, true, nil
		}
		if err = g.Check(a); err == nil {
			return a, true, nil
		}
	}
	return found, true, err // LookupNetIP finds one, or fails
}
