package egress

import (
	"context"
	"net"
	"net/netip"
	"net/url"
	"time"

	"github.com/rollcall-rtc/rollcall/internal/egress/wire"
)

// lookupPatience bounds finding the address of a destination.
const lookupPatience = 5 * time.Second

// pin looks up where the sockets of a job lead to, and refuses what is not for
// requests to reach. The worker connects to the address that was found, whatever the
// name is by then.
func (s *Service) pin(ctx context.Context, j *job) error {
	if s.opts.CheckAddress == nil {
		return nil
	}
	for _, o := range j.outputs {
		if o.Kind != wire.Socket {
			continue
		}
		d := &o.Destinations[0]
		u, err := url.Parse(d.URL)
		if err != nil {
			return refuse(InvalidArgument, "websocket_url cannot be read")
		}
		port := u.Port()
		if port == "" {
			port = map[string]string{"ws": "80", "wss": "443"}[u.Scheme]
		}
		late, cancel := context.WithTimeout(ctx, lookupPatience)
		addrs, err := net.DefaultResolver.LookupNetIP(late, "ip", u.Hostname())
		cancel()
		if err != nil {
			return refuse(InvalidArgument, "websocket_url leads nowhere: no address of %.253s is known", u.Hostname())
		}
		var addr netip.Addr
		for _, a := range addrs {
			if err = s.opts.CheckAddress(a.Unmap()); err == nil {
				addr = a.Unmap()
				break
			}
		}
		if !addr.IsValid() {
			return refuse(InvalidArgument, "websocket_url leads where requests may not: %v", err)
		}
		d.Address = net.JoinHostPort(addr.String(), port)
	}
	return nil
}
