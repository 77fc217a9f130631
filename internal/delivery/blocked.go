package delivery

import (
	"fmt"
	"net/netip"
)

// Blocked says what is wrong with sending to an address that a request named, by the
// rules for endpoints; nil if nothing is. allow are the private networks that may be
// reached. The error is ErrBlockedAddress.
func Blocked(allow []netip.Prefix, addr netip.Addr) error {
	if why := (guard{allow: allow}).blocks(addr); why != "" {
		return fmt.Errorf("%w: %s is %s", ErrBlockedAddress, addr, why)
	}
	return nil
}
