package egress

import (
	"context"
	"net"
	"net/netip"
	"net/url"
	"sync"
	"time"

	"github.com/rollcall-rtc/rollcall/internal/egress/ffmpeg"
	"github.com/rollcall-rtc/rollcall/internal/egress/wire"
)

// lookupPatience bounds finding the address of a destination.
const lookupPatience = 5 * time.Second

// pin looks up where the destinations of a job lead to, and refuses what is not for
// requests to reach. To a WebSocket the worker connects at the address that was found,
// whatever the name is by then; streams are looked up again each time, under the same
// guard, because their servers move while they run.
func (s *Service) pin(ctx context.Context, j *job) error {
	for _, o := range j.outputs {
		switch o.Kind {
		case wire.Socket:
			if err := s.pinSocket(ctx, &o.Destinations[0]); err != nil {
				return err
			}
		case wire.Stream:
			if err := s.checkStreams(ctx, o.Destinations); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *Service) pinSocket(ctx context.Context, d *wire.Destination) error {
	if s.opts.CheckAddress == nil {
		return nil
	}
	u, err := url.Parse(d.URL)
	if err != nil {
		return refuse(InvalidArgument, "websocket_url cannot be read")
	}
	port := u.Port()
	if port == "" {
		port = map[string]string{"ws": "80", "wss": "443"}[u.Scheme]
	}
	addr, known, err := s.find(ctx, u.Hostname())
	switch {
	case !known:
		return refuse(InvalidArgument, "websocket_url leads nowhere: no address of %.253s is known", u.Hostname())
	case err != nil:
		return refuse(InvalidArgument, "websocket_url leads where requests may not: %v", err)
	}
	d.Address = net.JoinHostPort(addr.String(), port)
	return nil
}

// checkStreams refuses destinations that lead where requests may not. One of which no
// address is known is tried, for it may get one.
func (s *Service) checkStreams(ctx context.Context, all []wire.Destination) error {
	if s.opts.CheckAddress == nil {
		return nil
	}
	problems := make([]error, len(all))
	var looking sync.WaitGroup
	for i, d := range all {
		looking.Go(func() {
			host, _, err := ffmpeg.Host(d.URL)
			if err != nil {
				problems[i] = refuse(InvalidArgument, "urls have one that leads nowhere: %v", err)
			} else if _, known, err := s.find(ctx, host); known && err != nil {
				problems[i] = refuse(InvalidArgument, "urls have one that leads where requests may not: %v", err)
			}
		})
	}
	looking.Wait()
	for _, err := range problems {
		if err != nil {
			return err
		}
	}
	return nil
}

// find looks up the first address of a host that requests may reach, as ffmpeg.Guard
// finds it, within lookupPatience.
func (s *Service) find(ctx context.Context, host string) (found netip.Addr, known bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, lookupPatience)
	defer cancel()
	return ffmpeg.Guard{Check: s.opts.CheckAddress}.Find(ctx, host)
}
