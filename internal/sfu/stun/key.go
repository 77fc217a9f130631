package stun

import (
	"crypto/sha1" // RFC 8489 §14.5 knows no other for checks
	"encoding/binary"
	"hash"
	"sync"
)

const blockSize = sha1.BlockSize

// Key is a password, ready for HMAC-SHA1 (RFC 2104).
type Key [blockSize]byte

// NewKey returns the key of a password.
func NewKey(password string) Key {
	var k Key
	if len(password) > blockSize {
		sum := sha1.Sum([]byte(password))
		copy(k[:], sum[:])
	} else {
		copy(k[:], password)
	}
	return k
}

// scratch is what one HMAC needs.
type scratch struct {
	hash  hash.Hash
	block [blockSize]byte
	sum   [integritySize]byte
}

var scratches = sync.Pool{New: func() any { return &scratch{hash: sha1.New()} }}

func (k *Key) mask(into *[blockSize]byte, with byte) []byte {
	for i, b := range k {
		into[i] = b ^ with
	}
	return into[:]
}

// integrity returns what an integrity attribute behind the message says: its
// length counts as if the message ended with that attribute.
func (k *Key) integrity(message []byte) [integritySize]byte {
	s := scratches.Get().(*scratch)
	defer scratches.Put(s)
	s.hash.Reset()
	s.hash.Write(k.mask(&s.block, 0x36))
	copy(s.block[:], message[:HeaderSize])
	binary.BigEndian.PutUint16(s.block[2:], uint16(len(message)+IntegritySize-HeaderSize))
	s.hash.Write(s.block[:HeaderSize])
	s.hash.Write(message[HeaderSize:])
	inner := s.hash.Sum(s.sum[:0])
	s.hash.Reset()
	s.hash.Write(k.mask(&s.block, 0x5c))
	s.hash.Write(inner)
	s.hash.Sum(s.sum[:0])
	return s.sum
}
