package srtp

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha1"
	"encoding"
	"encoding/binary"
	"fmt"
	"hash"
)

// Labels of the key derivation, RFC 3711 §4.3.1 and §4.3.2.
const (
	labelRTPKey   = 0
	labelRTPAuth  = 1
	labelRTPSalt  = 2
	labelRTCPKey  = 3
	labelRTCPAuth = 4
	labelRTCPSalt = 5
)

// derive is the key derivation of RFC 3711 §4.3.3 with a rate of 0.
func derive(masterKey, masterSalt []byte, label byte, n int) ([]byte, error) {
	block, err := aes.NewCipher(masterKey)
	if err != nil {
		return nil, err
	}
	var iv [16]byte
	copy(iv[:14], masterSalt)
	iv[7] ^= label
	out := make([]byte, n)
	cipher.NewCTR(block, iv[:]).XORKeyStream(out, out)
	return out, nil
}

// half is what seals or opens RTP, or RTCP, in one direction. It is immutable.
type half struct {
	salt [14]byte
	aead cipher.AEAD // nil for AES-CM

	block        cipher.Block // AES-CM
	inner, outer []byte       // states of SHA-1 after the padded key of HMAC
}

func newHalf(p Profile, key, salt []byte, keyLabel, authLabel, saltLabel byte) (half, error) {
	var h half
	sessionKey, err := derive(key, salt, keyLabel, p.keyLen())
	if err != nil {
		return h, err
	}
	sessionSalt, err := derive(key, salt, saltLabel, p.saltLen())
	if err != nil {
		return h, err
	}
	authKey, err := derive(key, salt, authLabel, sha1.Size)
	if err != nil {
		return h, err
	}
	return sessionHalf(p, sessionKey, sessionSalt, authKey)
}

func sessionHalf(p Profile, key, salt, authKey []byte) (half, error) {
	var h half
	copy(h.salt[:], salt)
	block, err := aes.NewCipher(key)
	if err != nil {
		return h, err
	}
	if p != AES128CMHMACSHA180 {
		h.aead, err = cipher.NewGCM(block)
		return h, err
	}
	h.block = block
	if h.inner, err = paddedState(authKey, 0x36); err != nil {
		return h, err
	}
	h.outer, err = paddedState(authKey, 0x5c)
	return h, err
}

// paddedState is SHA-1 after a key that is padded as HMAC has it (RFC 2104), so
// that a packet costs two blocks of SHA-1 less.
func paddedState(key []byte, with byte) ([]byte, error) {
	var pad [sha1.BlockSize]byte
	copy(pad[:], key)
	for i := range pad {
		pad[i] ^= with
	}
	d := sha1.New()
	d.Write(pad[:])
	return d.(encoding.BinaryMarshaler).MarshalBinary()
}

// Scratch is what one goroutine needs to seal and open. The zero value is
// ready for use. It must not be copied.
type Scratch struct {
	iv   [16]byte
	aad  [12]byte
	sha  hash.Hash
	sum  [sha1.Size]byte
	word [4]byte
}

// nonce is the initialization vector of AES-GCM, RFC 7714 §8.1 and §9.1: the
// SSRC and a 48-bit index, both on the salt.
func (h *half) nonce(sc *Scratch, ssrc uint32, index uint64) []byte {
	iv := sc.iv[:12]
	copy(iv, h.salt[:12])
	binary.BigEndian.PutUint32(iv[2:], binary.BigEndian.Uint32(iv[2:])^ssrc)
	binary.BigEndian.PutUint32(iv[6:], binary.BigEndian.Uint32(iv[6:])^uint32(index>>16))
	binary.BigEndian.PutUint16(iv[10:], binary.BigEndian.Uint16(iv[10:])^uint16(index))
	return iv
}

// keyStream is AES in counter mode, RFC 3711 §4.1.1. It allocates 512 bytes, a copy of the
// key; to count the blocks here instead is twice as slow for a packet of video, as it does
// them one by one.
func (h *half) keyStream(sc *Scratch, ssrc uint32, index uint64) cipher.Stream {
	iv := sc.iv[:16]
	copy(iv, h.salt[:])
	iv[14], iv[15] = 0, 0
	binary.BigEndian.PutUint32(iv[4:], binary.BigEndian.Uint32(iv[4:])^ssrc)
	binary.BigEndian.PutUint32(iv[8:], binary.BigEndian.Uint32(iv[8:])^uint32(index>>16))
	binary.BigEndian.PutUint16(iv[12:], binary.BigEndian.Uint16(iv[12:])^uint16(index))
	return cipher.NewCTR(h.block, iv)
}

// mac is HMAC-SHA1 of the packet and, unless nil, a suffix. It is valid until
// the next call.
func (h *half) mac(sc *Scratch, b, suffix []byte) []byte {
	if sc.sha == nil {
		sc.sha = sha1.New()
	}
	state := sc.sha.(encoding.BinaryUnmarshaler)
	if err := state.UnmarshalBinary(h.inner); err != nil {
		panic(fmt.Sprintf("BUG: state of SHA-1: %v", err))
	}
	sc.sha.Write(b)
	sc.sha.Write(suffix)
	sum := sc.sha.Sum(sc.sum[:0])
	if err := state.UnmarshalBinary(h.outer); err != nil {
		panic(fmt.Sprintf("BUG: state of SHA-1: %v", err))
	}
	sc.sha.Write(sum)
	return sc.sha.Sum(sc.sum[:0])
}
