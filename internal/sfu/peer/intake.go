package peer

import (
	"time"

	"github.com/rollcall-rtc/rollcall/internal/rate"
	"github.com/rollcall-rtc/rollcall/internal/sfu/uptrack"
)

const (
	// mediaBurst is how many seconds' worth of media a client may have saved up.
	mediaBurst = 2
	// soundShare is the part of that which pictures leave to sound.
	soundShare = 0.25
)

// intake limits the bits of media that a client sends. What is beyond is left out
// before the client is told that it has arrived: it takes its own path for narrow, and
// sends less. It belongs to who holds packets.mu.
type intake struct {
	bits    rate.Bucket
	leave   float64 // bits that pictures leave to sound
	told    bool
	exceeds func() // called when the first packet is left out; must not block
}

// newIntake returns nil for no limit. bits are a second.
func newIntake(bits int, exceeds func(), now time.Time) *intake {
	if bits <= 0 {
		return nil
	}
	// However narrow the limit is, any packet fits.
	burst := max(mediaBurst*float64(bits), 2*8*uptrack.MaxPacket)
	return &intake{bits: rate.NewBucket(float64(bits), burst, now), leave: soundShare * burst, exceeds: exceeds}
}

// admits counts a packet of size bytes, and reports false for one that is left out.
func (in *intake) admits(size int, sound bool, now time.Time) bool {
	leave := in.leave
	if sound {
		leave = 0
	}
	if in.bits.TakeAbove(8*size, leave, now) {
		return true
	}
	if !in.told {
		in.told = true
		in.exceeds()
	}
	return false
}
