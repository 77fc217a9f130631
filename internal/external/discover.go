package external

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/pion/stun/v4"
)

// ErrNoAnswer means that no STUN server has answered in time.
var ErrNoAnswer = errors.New("no STUN server has answered")

const (
	// firstRetry is the pause before a request is sent again; it doubles (RFC
	// 8489 §6.2.1).
	firstRetry = 200 * time.Millisecond
	maxAnswer  = 1500 // bytes
)

// Discover returns what each of these local addresses is known as outside; those
// of which no server knows are missing, and the log says why. It takes as long
// as ctx allows if servers do not answer. A server is host:port.
func Discover(ctx context.Context, locals []netip.Addr, servers []string, log *slog.Logger) map[netip.Addr]netip.Addr {
	var mu sync.Mutex
	found := make(map[netip.Addr]netip.Addr, len(locals))
	var asking sync.WaitGroup
	for _, local := range locals {
		asking.Go(func() {
			outside, err := ask(ctx, local, servers)
			if err != nil {
				log.Warn("the external address is not known", "address", local.String(), "error", err)
				return
			}
			log.Info("external address found", "address", local.String(), "external", outside.String())
			mu.Lock()
			defer mu.Unlock()
			found[local] = outside
		})
	}
	asking.Wait()
	return found
}

// ask sends to all servers and believes the first that answers.
func ask(ctx context.Context, local netip.Addr, servers []string) (netip.Addr, error) {
	conn, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(local, 0)))
	if err != nil {
		return netip.Addr{}, err
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { _ = conn.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	at, err := resolve(ctx, servers, local)
	if len(at) == 0 {
		return netip.Addr{}, errors.Join(ErrNoAnswer, err)
	}
	request, err := stun.Build(stun.TransactionID, stun.BindingRequest)
	if err != nil {
		return netip.Addr{}, err
	}
	pause := firstRetry
	buf := make([]byte, maxAnswer)
	for ctx.Err() == nil {
		for server := range at {
			if _, sendErr := conn.WriteToUDPAddrPort(request.Raw, server); sendErr != nil {
				err = sendErr
			}
		}
		_ = conn.SetReadDeadline(time.Now().Add(pause))
		pause *= 2
		for {
			n, from, readErr := conn.ReadFromUDPAddrPort(buf)
			if readErr != nil {
				break // time to ask again
			}
			if !at[netip.AddrPortFrom(from.Addr().Unmap(), from.Port())] {
				continue
			}
			if outside, ok := mapped(buf[:n], request.TransactionID); ok && outside.Is4() == local.Is4() {
				return outside, nil
			}
		}
	}
	return netip.Addr{}, errors.Join(ErrNoAnswer, err)
}

// resolve looks the servers up, as addresses of local's family.
func resolve(ctx context.Context, servers []string, local netip.Addr) (map[netip.AddrPort]bool, error) {
	network := "udp4"
	if local.Is6() {
		network = "udp6"
	}
	at := map[netip.AddrPort]bool{}
	var errs []error
	for _, server := range servers {
		host, port, err := net.SplitHostPort(server)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		number, err := net.DefaultResolver.LookupPort(ctx, network, port)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		addrs, err := net.DefaultResolver.LookupNetIP(ctx, "ip"+network[3:], host)
		if err != nil {
			errs = append(errs, fmt.Errorf("STUN server %s: %w", server, err))
		}
		for _, addr := range addrs {
			at[netip.AddrPortFrom(addr.Unmap(), uint16(number))] = true
		}
	}
	return at, errors.Join(errs...)
}

// mapped reads the answer to our request.
func mapped(raw []byte, id [stun.TransactionIDSize]byte) (netip.Addr, bool) {
	m := &stun.Message{Raw: raw}
	if err := m.Decode(); err != nil || m.Type != stun.BindingSuccess || m.TransactionID != id {
		return netip.Addr{}, false
	}
	var xor stun.XORMappedAddress
	if err := xor.GetFrom(m); err != nil {
		return netip.Addr{}, false
	}
	addr, ok := netip.AddrFromSlice(xor.IP)
	addr = addr.Unmap()
	return addr, ok && addr.IsGlobalUnicast()
}
