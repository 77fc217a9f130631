package rtmp

import (
	"crypto/rand"
	"fmt"
	"io"
)

// handshakeSize is that of C1, C2, S1 and S2 (§5.2.3).
const handshakeSize = 1536

// handshake answers a client's, in the plain form. What Flash players proved to
// each other by digests is asked for by no encoder.
func handshake(rw io.ReadWriter) error {
	var c [1 + handshakeSize]byte
	if _, err := io.ReadFull(rw, c[:1]); err != nil {
		return fmt.Errorf("read C0: %w", err)
	}
	switch c[0] {
	case 3:
	case 6:
		return fmt.Errorf("%w: RTMPE, please use RTMPS", ErrHandshake)
	case 22:
		return fmt.Errorf("%w: TLS where there is none", ErrHandshake)
	default: // §5.2.2
		return fmt.Errorf("%w: version %d", ErrHandshake, c[0])
	}
	if _, err := io.ReadFull(rw, c[1:]); err != nil {
		return fmt.Errorf("read C1: %w", err)
	}
	s := make([]byte, 1+2*handshakeSize)
	s[0] = 3
	if _, err := rand.Read(s[9 : 1+handshakeSize]); err != nil {
		return err
	}
	copy(s[1+handshakeSize:], c[1:]) // S2 is C1
	if _, err := rw.Write(s); err != nil {
		return fmt.Errorf("write S0, S1 and S2: %w", err)
	}
	if _, err := io.ReadFull(rw, c[1:]); err != nil {
		return fmt.Errorf("read C2: %w", err)
	}
	return nil
}
