package transport

import (
	"bytes"
	"encoding/binary"
)

const (
	stunHeader   = 20
	stunCookie   = 0x2112a442
	stunBinding  = 0x0001
	stunUsername = 0x0006
)

// checkedUfrag returns our user name fragment in a connectivity check
// (RFC 8445 §7.2.2), nil if b is none.
func checkedUfrag(b []byte) []byte {
	if len(b) < stunHeader || binary.BigEndian.Uint16(b) != stunBinding || binary.BigEndian.Uint32(b[4:]) != stunCookie {
		return nil
	}
	n := int(binary.BigEndian.Uint16(b[2:]))
	if stunHeader+n > len(b) {
		return nil
	}
	for b = b[stunHeader : stunHeader+n]; len(b) >= 4; {
		kind, n := binary.BigEndian.Uint16(b), int(binary.BigEndian.Uint16(b[2:]))
		b = b[4:]
		if n > len(b) {
			return nil
		}
		if kind == stunUsername {
			ufrag, _, ok := bytes.Cut(b[:n], []byte(":"))
			if !ok {
				return nil
			}
			return ufrag
		}
		b = b[min((n+3)&^3, len(b)):]
	}
	return nil
}
