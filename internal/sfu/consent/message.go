package consent

import (
	"crypto/subtle"
	"encoding/binary"
	"hash/crc32"
	"net/netip"
)

// The parts of a STUN message, RFC 8489 §5 and §14, and RFC 8445 §16.1.
const (
	headerSize    = 20
	idSize        = 12
	cookie        = 0x2112a442
	integritySize = 20

	typeRequest = 0x0001
	typeSuccess = 0x0101

	attrMapped       = 0x0001
	attrUsername     = 0x0006
	attrIntegrity    = 0x0008
	attrXORMapped    = 0x0020
	attrPriority     = 0x0024
	attrUseCandidate = 0x0025
	attrFingerprint  = 0x8028
	attrControlled   = 0x8029
	attrControlling  = 0x802a

	optional       = 0x8000 // attributes from here on may be ignored
	fingerprintXOR = 0x5354554e
)

// parsed is what of a message matters here. Its slices are of the message.
type parsed struct {
	kind        uint16
	id          []byte
	username    []byte
	integrity   int // offset of the attribute
	controlling bool
	controlled  bool
}

// parse reads a message that has an integrity and ends with a right fingerprint.
// It reports false for any other, and for one with an attribute that must be
// understood and is none of a check's.
func parse(b []byte) (parsed, bool) {
	var m parsed
	if len(b) < headerSize+8 || len(b) > maxMessage || binary.BigEndian.Uint32(b[4:]) != cookie ||
		int(binary.BigEndian.Uint16(b[2:])) != len(b)-headerSize || len(b)%4 != 0 {
		return m, false
	}
	end := len(b) - 8
	if binary.BigEndian.Uint32(b[end:]) != attrFingerprint<<16|4 ||
		binary.BigEndian.Uint32(b[end+4:]) != crc32.ChecksumIEEE(b[:end])^fingerprintXOR {
		return m, false
	}
	m.kind, m.id = binary.BigEndian.Uint16(b), b[8:headerSize]
	for at := headerSize; at < end && m.integrity == 0; {
		kind, n := binary.BigEndian.Uint16(b[at:]), int(binary.BigEndian.Uint16(b[at+2:]))
		value := at + 4
		next := value + (n+3)&^3
		if next > end {
			return m, false
		}
		switch {
		case kind == attrUsername:
			m.username = b[value : value+n]
		case kind == attrIntegrity:
			if n != integritySize {
				return m, false
			}
			m.integrity = at // what comes after it is not authentic
		case kind == attrControlling:
			m.controlling = true
		case kind == attrControlled:
			m.controlled = true
		case kind < optional && !known(kind):
			return m, false
		}
		at = next
	}
	return m, m.integrity > 0
}

// known says whether a check or its answer may have the attribute.
func known(kind uint16) bool {
	switch kind {
	case attrPriority, attrUseCandidate, attrXORMapped, attrMapped:
		return true
	}
	return false
}

// authentic checks the integrity of a parsed message.
func (m *parsed) authentic(b []byte, k *key) bool {
	sum := k.integrity(b[:m.integrity])
	return subtle.ConstantTimeCompare(sum[:], b[m.integrity+4:m.integrity+4+integritySize]) == 1
}

// writer writes a message into a slice that is long enough.
type writer struct {
	b []byte
	n int
}

func (w *writer) begin(kind uint16, id []byte) {
	binary.BigEndian.PutUint16(w.b, kind)
	binary.BigEndian.PutUint32(w.b[4:], cookie)
	copy(w.b[8:headerSize], id)
	w.n = headerSize
}

// attribute returns room for a value of n bytes; the padding is zero.
func (w *writer) attribute(kind uint16, n int) []byte {
	binary.BigEndian.PutUint16(w.b[w.n:], kind)
	binary.BigEndian.PutUint16(w.b[w.n+2:], uint16(n))
	value := w.n + 4
	w.n = value + (n+3)&^3
	clear(w.b[value+n : w.n])
	return w.b[value : value+n]
}

func (w *writer) xorMapped(a netip.AddrPort) {
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
	subtle.XORBytes(v[4:], v[4:], w.b[4:headerSize]) // the cookie and the id
}

// end authenticates the message and returns how long it is.
func (w *writer) end(k *key) int {
	at := w.n
	binary.BigEndian.PutUint16(w.b[2:], uint16(at+4+integritySize-headerSize))
	sum := k.integrity(w.b[:at])
	copy(w.attribute(attrIntegrity, integritySize), sum[:])
	binary.BigEndian.PutUint16(w.b[2:], uint16(w.n+8-headerSize))
	crc := crc32.ChecksumIEEE(w.b[:w.n]) ^ fingerprintXOR
	binary.BigEndian.PutUint32(w.attribute(attrFingerprint, 4), crc)
	return w.n
}
