package srtp

import (
	"errors"
	"fmt"
)

// Errors of opening a packet.
var (
	ErrShort  = errors.New("packet too short")
	ErrAuth   = errors.New("packet not authentic")
	ErrReplay = errors.New("packet replayed or too old")
)

// Profile is an SRTP protection profile as the DTLS registry numbers it.
type Profile uint16

// The profiles that are known here (RFC 5764 §4.1.2, RFC 7714 §14.2).
const (
	AES128CMHMACSHA180 Profile = 0x0001
	AEADAES128GCM      Profile = 0x0007
	AEADAES256GCM      Profile = 0x0008
)

// String implements fmt.Stringer.
func (p Profile) String() string {
	switch p {
	case AES128CMHMACSHA180:
		return "AES128_CM_HMAC_SHA1_80"
	case AEADAES128GCM:
		return "AEAD_AES_128_GCM"
	case AEADAES256GCM:
		return "AEAD_AES_256_GCM"
	}
	return fmt.Sprintf("profile %#04x", uint16(p))
}

func (p Profile) known() bool { return p.keyLen() != 0 }

func (p Profile) keyLen() int {
	switch p {
	case AES128CMHMACSHA180, AEADAES128GCM:
		return 16
	case AEADAES256GCM:
		return 32
	}
	return 0
}

func (p Profile) saltLen() int {
	if p == AES128CMHMACSHA180 {
		return 14
	}
	return 12
}

const (
	gcmTag  = 16
	sha1Tag = 10
	indexed = 4 // the SRTCP index and its flag

	// MaxOverhead is the most that sealing adds to a packet, RTCP included.
	MaxOverhead = gcmTag + indexed
)

// Keys are the master keys of both directions.
type Keys struct {
	Profile               Profile
	LocalKey, LocalSalt   []byte // of what we send
	RemoteKey, RemoteSalt []byte // of what we receive
}

// KeyingLen is how much keying material the profile needs.
func (p Profile) KeyingLen() int { return 2 * (p.keyLen() + p.saltLen()) }

// Split divides the keying material that DTLS exports (RFC 5764 §4.2): the
// keys of client and server, then their salts.
func (p Profile) Split(material []byte, client bool) (Keys, error) {
	if !p.known() {
		return Keys{}, fmt.Errorf("%v is not supported", p)
	}
	if len(material) != p.KeyingLen() {
		return Keys{}, fmt.Errorf("%d bytes of keying material, want %d", len(material), p.KeyingLen())
	}
	n, m := p.keyLen(), p.saltLen()
	k := Keys{
		Profile:  p,
		LocalKey: material[n : 2*n], LocalSalt: material[2*n+m:],
		RemoteKey: material[:n], RemoteSalt: material[2*n : 2*n+m],
	}
	if client {
		k.LocalKey, k.RemoteKey = k.RemoteKey, k.LocalKey
		k.LocalSalt, k.RemoteSalt = k.RemoteSalt, k.LocalSalt
	}
	return k, nil
}
