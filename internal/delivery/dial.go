package delivery

import (
	"fmt"
	"net"
	"net/netip"
	"time"
)

// GuardedDialer dials, for others than endpoints, what a request named: with the
// same guard, see guard.go. allow are networks that it lets through.
func GuardedDialer(allow []netip.Prefix) *net.Dialer {
	return &net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second, ControlContext: guard{allow}.control}
}

// CheckAddress says as ErrBlockedAddress why the guard would not let an address be
// dialled.
func CheckAddress(addr netip.Addr, allow []netip.Prefix) error {
	if why := (guard{allow}).blocks(addr); why != "" {
		return fmt.Errorf("%w: %s is %s", ErrBlockedAddress, addr, why)
	}
	return nil
}
