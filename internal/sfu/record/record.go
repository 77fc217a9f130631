package record

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"errors"
	"fmt"
)

// Errors of opening a record.
var (
	ErrShort  = errors.New("record too short")
	ErrAuth   = errors.New("record not authentic")
	ErrReplay = errors.New("record replayed or too old")
	ErrSpent  = errors.New("no numbers are left for records")
)

// Kind is the content type of a record.
type Kind uint8

// The kinds that we make and take (RFC 5246 §6.2.1).
const (
	Alert           Kind = 21
	Handshake       Kind = 22
	ApplicationData Kind = 23
)

const (
	header = 13 // kind, version, epoch, number, length
	nonce  = 8  // the part of it that is in the record
	salt   = 4  // the part of it that is a secret
	tag    = 16

	// Overhead is what sealing adds to a payload, in bytes.
	Overhead = header + nonce + tag

	version = 0xfefd // DTLS 1.2
	epoch   = 1      // there is no renegotiation

	// FirstNumber is the number of a Sealer's first record. The handshake's own
	// are below it: its last message, with its repetitions, and alerts.
	FirstNumber = 1 << 16
	lastNumber  = 1<<48 - 1
)

// SaltLen is how much of the nonce the keys bring along, in bytes (RFC 5288 §3).
const SaltLen = salt

// Split returns the next record of a datagram and what follows it. It is not ok
// when none is whole.
func Split(b []byte) (one, rest []byte, ok bool) {
	if len(b) < header {
		return nil, nil, false
	}
	n := header + int(binary.BigEndian.Uint16(b[11:]))
	if n > len(b) {
		return nil, nil, false
	}
	return b[:n], b[n:], true
}

// IsData reports whether a record is application data under the keys of a
// handshake.
func IsData(b []byte) bool {
	return len(b) >= header && Kind(b[0]) == ApplicationData && binary.BigEndian.Uint16(b[3:]) == epoch
}

// IsAlert reports whether a record is an alert under the keys of a handshake.
func IsAlert(b []byte) bool {
	return len(b) >= header && Kind(b[0]) == Alert && binary.BigEndian.Uint16(b[3:]) == epoch
}

// IsHandshake reports whether a record is of a handshake, under keys or not.
func IsHandshake(b []byte) bool { return len(b) >= header && Kind(b[0]) == Handshake }

// IsServerHello reports whether a record, in the clear, says what the server of a
// handshake has chosen (RFC 6347 §4.2.2).
func IsServerHello(b []byte) bool {
	const serverHello = 2
	return len(b) > header && IsHandshake(b) && binary.BigEndian.Uint16(b[3:]) == 0 && b[header] == serverHello
}

func newAEAD(key, iv []byte) (cipher.AEAD, error) {
	if len(iv) != salt {
		return nil, fmt.Errorf("%d bytes of salt, want %d", len(iv), salt)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

// half is one direction.
type half struct {
	aead  cipher.AEAD
	nonce [salt + nonce]byte
	extra [header]byte // additional data, RFC 5246 §6.2.3.3
}

func (h *half) init(key, iv []byte) (err error) {
	h.aead, err = newAEAD(key, iv)
	copy(h.nonce[:], iv)
	return err
}

func (h *half) prepare(kind byte, number uint64, n int) {
	binary.BigEndian.PutUint64(h.extra[:], number|epoch<<48)
	h.extra[8] = kind
	binary.BigEndian.PutUint16(h.extra[9:], version)
	binary.BigEndian.PutUint16(h.extra[11:], uint16(n))
}

// Sealer seals what is sent on one connection.
type Sealer struct {
	half
	next uint64
}

// NewSealer returns a Sealer for the key and the salt of our side.
func NewSealer(key, iv []byte) (*Sealer, error) {
	s := &Sealer{next: FirstNumber}
	return s, s.init(key, iv)
}

// Seal appends the record of a payload to b. Nothing is allocated where b has
// room for it and Overhead.
func (s *Sealer) Seal(b []byte, kind Kind, payload []byte) ([]byte, error) {
	if s.next > lastNumber {
		return b, ErrSpent
	}
	number := s.next
	s.next++
	b = append(b, byte(kind))
	b = binary.BigEndian.AppendUint16(b, version)
	b = binary.BigEndian.AppendUint64(b, number|epoch<<48)
	b = binary.BigEndian.AppendUint16(b, uint16(nonce+len(payload)+tag))
	b = binary.BigEndian.AppendUint64(b, number|epoch<<48)
	copy(s.nonce[salt:], b[len(b)-nonce:])
	s.prepare(byte(kind), number, len(payload))
	return s.aead.Seal(b, s.nonce[:], payload, s.extra[:]), nil
}

// Opener opens what is received on one connection.
type Opener struct {
	half
	seen window
}

// NewOpener returns an Opener for the key and the salt of the other side.
func NewOpener(key, iv []byte) (*Opener, error) {
	o := &Opener{}
	return o, o.init(key, iv)
}

// Open opens a record in place and returns its payload. What fails leaves the
// state as it was.
func (o *Opener) Open(b []byte) ([]byte, error) {
	one, _, ok := Split(b)
	if !ok || len(one) < Overhead {
		return nil, ErrShort
	}
	number := binary.BigEndian.Uint64(one[3:])
	if number>>48 != epoch {
		return nil, ErrAuth
	}
	number &= lastNumber
	if o.seen.has(number) {
		return nil, ErrReplay
	}
	copy(o.nonce[salt:], one[header:])
	o.prepare(one[0], number, len(one)-Overhead)
	sealed := one[header+nonce:]
	payload, err := o.aead.Open(sealed[:0], o.nonce[:], sealed, o.extra[:])
	if err != nil {
		return nil, ErrAuth
	}
	o.seen.add(number)
	return payload, nil
}

// window remembers which numbers were received (RFC 6347 §4.1.2.6).
type window struct {
	next uint64 // highest + 1
	bits uint64 // bit i is next-1-i
}

func (w *window) has(number uint64) bool {
	if number >= w.next {
		return false
	}
	back := w.next - 1 - number
	return back >= 64 || w.bits&(1<<back) != 0
}

func (w *window) add(number uint64) {
	if number >= w.next {
		w.bits <<= min(number-w.next+1, 64)
		w.next = number + 1
	}
	w.bits |= 1 << (w.next - 1 - number)
}
