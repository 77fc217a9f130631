package stun

import (
	"crypto/subtle"
	"encoding/binary"
	"hash/crc32"
	"net/netip"
)

// Writer writes a message into a slice that is long enough.
type Writer struct {
	b []byte
	n int
}

// Begin starts a message in room.
func (w *Writer) Begin(room []byte, kind uint16, id []byte) {
	w.b = room
	binary.BigEndian.PutUint16(w.b, kind)
	binary.BigEndian.PutUint32(w.b[4:], cookie)
	copy(w.b[8:HeaderSize], id)
	w.n = HeaderSize
}

// ReflexivePriority is what a check tells of a peer-reflexive candidate of one component,
// over UDP and with nothing preferred, RFC 8445 §5.1.2.1.
const ReflexivePriority = 110<<24 | 65535<<8 | 255

// CheckSize is how long a check is, in bytes: with the names of both sides, role, priority
// and what ends it. A flag takes 4 more.
func CheckSize(names string) int {
	return HeaderSize + 4 + (len(names)+3)&^3 + 12 + 8 + IntegritySize + FingerprintSize
}

// BeginCheck starts a check in room, RFC 8445 §7.1.
func (w *Writer) BeginCheck(room []byte, id ID, names string, controlling bool, tieBreaker uint64, priority uint32) {
	w.Begin(room, Request, id[:])
	w.Username(names)
	role := uint16(AttrControlled)
	if controlling {
		role = AttrControlling
	}
	w.Uint64(role, tieBreaker)
	w.Uint32(AttrPriority, priority)
}

// attribute returns room for a value of n bytes; the padding is zero.
func (w *Writer) attribute(kind uint16, n int) []byte {
	binary.BigEndian.PutUint16(w.b[w.n:], kind)
	binary.BigEndian.PutUint16(w.b[w.n+2:], uint16(n))
	value := w.n + 4
	w.n = value + (n+3)&^3
	clear(w.b[value+n : w.n])
	return w.b[value : value+n]
}

// Flag adds an attribute without a value.
func (w *Writer) Flag(kind uint16) { w.attribute(kind, 0) }

// Uint32 adds an attribute.
func (w *Writer) Uint32(kind uint16, v uint32) {
	binary.BigEndian.PutUint32(w.attribute(kind, 4), v)
}

// Uint64 adds an attribute.
func (w *Writer) Uint64(kind uint16, v uint64) {
	binary.BigEndian.PutUint64(w.attribute(kind, 8), v)
}

// Username adds the names of both sides, with a colon between them.
func (w *Writer) Username(names string) { copy(w.attribute(AttrUsername, len(names)), names) }

// ErrorCode adds an error code without a phrase, RFC 8489 §14.8.
func (w *Writer) ErrorCode(code int) {
	v := w.attribute(attrErrorCode, 4)
	v[0], v[1], v[2], v[3] = 0, 0, byte(code/100), byte(code%100)
}

// XORMapped adds the address that a check came from.
func (w *Writer) XORMapped(a netip.AddrPort) {
	size, family := 8, byte(1)
	if !a.Addr().Is4() {
		size, family = 20, 2
	}
	v := w.attribute(attrXORMapped, size)
	v[0], v[1] = 0, family
	binary.BigEndian.PutUint16(v[2:], a.Port()^uint16(cookie>>16))
	if family == 1 {
		ip := a.Addr().As4()
		copy(v[4:], ip[:])
	} else {
		ip := a.Addr().As16()
		copy(v[4:], ip[:])
	}
	subtle.XORBytes(v[4:], v[4:], w.b[4:HeaderSize]) // the cookie and the id
}

// End authenticates the message and returns how long it is.
func (w *Writer) End(k *Key) int {
	at := w.n
	binary.BigEndian.PutUint16(w.b[2:], uint16(at+IntegritySize-HeaderSize))
	sum := k.integrity(w.b[:at])
	copy(w.attribute(attrIntegrity, integritySize), sum[:])
	binary.BigEndian.PutUint16(w.b[2:], uint16(w.n+FingerprintSize-HeaderSize))
	crc := crc32.ChecksumIEEE(w.b[:w.n]) ^ fingerprintXOR
	w.Uint32(attrFingerprint, crc)
	return w.n
}
