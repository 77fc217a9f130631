package stun

import (
	"bytes"
	"crypto/subtle"
	"encoding/binary"
	"hash/crc32"
)

// Credentials are one side's user name fragment and password.
type Credentials struct{ Ufrag, Password string }

// Kinds of messages, RFC 8489 §5.
const (
	Request = 0x0001
	Success = 0x0101
	Error   = 0x0111
)

// Attributes, RFC 8489 §14, RFC 8445 §16.1 and draft-thatcher-ice-renomination §3.
const (
	AttrUsername     = 0x0006
	AttrPriority     = 0x0024
	AttrUseCandidate = 0x0025
	AttrControlled   = 0x8029
	AttrControlling  = 0x802a
	AttrNomination   = 0xc001

	attrMapped      = 0x0001
	attrIntegrity   = 0x0008
	attrErrorCode   = 0x0009
	attrXORMapped   = 0x0020
	attrFingerprint = 0x8028

	optional = 0x8000 // attributes from here on may be ignored
)

// RoleConflict is the error code of RFC 8445 §16.2.
const RoleConflict = 487

// Lengths in bytes.
const (
	HeaderSize      = 20
	IDSize          = 12
	IntegritySize   = 4 + integritySize // the attribute
	FingerprintSize = 4 + 4             // the attribute

	// MaxMessage is the longest message that is read. Names have up to 256
	// characters each (RFC 8839 §5.4), and browsers put the first datagrams of the
	// handshake into checks, of up to what the path carries.
	MaxMessage = 1500

	// MaxReply is the longest answer to a check: with an IPv6 address.
	MaxReply = HeaderSize + 24 + IntegritySize + FingerprintSize

	integritySize = 20
)

const (
	cookie         = 0x2112a442
	fingerprintXOR = 0x5354554e
)

// ID names a transaction.
type ID [IDSize]byte

// Message is what of a message matters to ICE. Its slices are of the message.
type Message struct {
	Kind uint16 // Request, Success, Error or another

	UseCandidate bool
	Controlling  bool
	Controlled   bool
	Nominates    bool // there is a Nomination

	Priority   uint32
	Nomination uint32 // of browsers that renominate: the highest counts
	ErrorCode  int    // 0 if there is none
	TieBreaker uint64 // of Controlling or Controlled

	ID       []byte
	Username []byte

	integrity int // offset of the attribute, 0 if there is none
}

// Parse reads a message that has an integrity and ends with a right fingerprint.
// Errors may lack both: some clients' do, and those are known by their ID. It
// reports false for any other, and for one with an attribute that must be
// understood and is none of a check's.
func Parse(b []byte) (Message, bool) {
	var m Message
	if len(b) < HeaderSize+8 || len(b) > MaxMessage || binary.BigEndian.Uint32(b[4:]) != cookie ||
		int(binary.BigEndian.Uint16(b[2:])) != len(b)-HeaderSize || len(b)%4 != 0 {
		return m, false
	}
	m.Kind, m.ID = binary.BigEndian.Uint16(b), b[8:HeaderSize]
	end := len(b) - FingerprintSize
	switch {
	case binary.BigEndian.Uint32(b[end:]) == attrFingerprint<<16|4:
		if binary.BigEndian.Uint32(b[end+4:]) != crc32.ChecksumIEEE(b[:end])^fingerprintXOR {
			return m, false
		}
	case m.Kind == Error:
		end = len(b)
	default:
		return m, false
	}
	for at := HeaderSize; at < end && m.integrity == 0; { // all are multiples of four
		kind, n := binary.BigEndian.Uint16(b[at:]), int(binary.BigEndian.Uint16(b[at+2:]))
		value := at + 4
		next := value + (n+3)&^3
		if next > end || !m.attribute(kind, b[value:value+n], at) {
			return m, false
		}
		at = next
	}
	return m, m.integrity > 0 || m.Kind == Error
}

// attribute takes one at an offset. It reports false if the message is not to be
// used.
func (m *Message) attribute(kind uint16, value []byte, at int) bool {
	switch kind {
	case AttrUsername:
		m.Username = value
	case attrIntegrity:
		m.integrity = at // what comes after it is not authentic
		return len(value) == integritySize
	case AttrControlling, AttrControlled:
		m.Controlling = m.Controlling || kind == AttrControlling
		m.Controlled = m.Controlled || kind == AttrControlled
		if len(value) == 8 {
			m.TieBreaker = binary.BigEndian.Uint64(value)
		}
	case AttrPriority:
		if len(value) == 4 {
			m.Priority = binary.BigEndian.Uint32(value)
		}
	case AttrUseCandidate:
		m.UseCandidate = true
	case AttrNomination:
		if len(value) == 4 {
			m.Nominates, m.Nomination = true, binary.BigEndian.Uint32(value)
		}
	case attrErrorCode:
		if m.Kind == Error && len(value) >= 4 {
			m.ErrorCode = int(value[2]&7)*100 + int(value[3]) // RFC 8489 §14.8
		}
		return m.Kind == Error
	case attrXORMapped, attrMapped:
	default:
		return kind >= optional
	}
	return true
}

// HasIntegrity says whether there is something to be Authentic: always, but for
// an Error.
func (m *Message) HasIntegrity() bool { return m.integrity > 0 }

// Authentic checks the integrity of b, of which m was parsed.
func (m *Message) Authentic(b []byte, k *Key) bool {
	if m.integrity == 0 {
		return false
	}
	sum := k.integrity(b[:m.integrity])
	return subtle.ConstantTimeCompare(sum[:], b[m.integrity+4:m.integrity+4+integritySize]) == 1
}

// Ufrag returns our user name fragment in a connectivity check (RFC 8445 §7.2.2),
// nil if b is none. It looks no further than it must: for what comes from an
// address that nobody is known to have.
func Ufrag(b []byte) []byte {
	if len(b) < HeaderSize || binary.BigEndian.Uint16(b) != Request || binary.BigEndian.Uint32(b[4:]) != cookie {
		return nil
	}
	n := int(binary.BigEndian.Uint16(b[2:]))
	if HeaderSize+n > len(b) {
		return nil
	}
	for b = b[HeaderSize : HeaderSize+n]; len(b) >= 4; {
		kind, n := binary.BigEndian.Uint16(b), int(binary.BigEndian.Uint16(b[2:]))
		b = b[4:]
		if n > len(b) {
			return nil
		}
		if kind == AttrUsername {
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
