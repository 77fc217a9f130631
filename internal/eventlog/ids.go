package eventlog

import (
	"crypto/rand"
	"encoding/binary"
	"time"

	"github.com/google/uuid"
)

// ids mints UUIDs of version 7 (RFC 9562 §5.7) that rise with every call, also
// across a restart and when the clock steps back: the time in milliseconds and
// the 12 bits after it (method 3, §6.2) form one counter that never falls.
type ids struct {
	last   uint64    // ms<<12 | fraction of the id minted last
	random [512]byte // drawn ahead, 8 bytes an id
	left   int
}

// resume continues above an id of an earlier run.
func (s *ids) resume(id uuid.UUID) {
	s.last = max(s.last, idTime(id))
}

func (s *ids) next(now time.Time) uuid.UUID {
	ns := uint64(max(now.UnixNano(), 0))
	ms := ns / uint64(time.Millisecond)
	fraction := (ns % uint64(time.Millisecond)) << 12 / uint64(time.Millisecond)
	s.last = max(s.last+1, ms<<12|fraction)

	if s.left == 0 {
		rand.Read(s.random[:]) // never fails, see its documentation
		s.left = len(s.random) / 8
	}
	s.left--
	var id uuid.UUID
	binary.BigEndian.PutUint64(id[:8], s.last>>12<<16|7<<12|s.last&0xfff)
	copy(id[8:], s.random[s.left*8:])
	id[8] = id[8]&0x3f | 0x80 // variant, RFC 9562 §4.1
	return id
}

// idTime returns the counter in a UUID of version 7.
func idTime(id uuid.UUID) uint64 {
	hi := binary.BigEndian.Uint64(id[:8])
	return hi>>16<<12 | hi&0xfff
}
