package frames

import (
	"time"

	"github.com/pion/rtp"

	"github.com/rollcall-rtc/rollcall/internal/egress/container"
)

// Frame is one encoded picture, or one packet of sound, as package container keeps
// them.
type Frame struct {
	At   time.Time // when it was captured, on the server's clock
	Came time.Time // when it was here; a clock that is being corrected may have At be later
	Key  bool      // nothing before it is needed
	Data []byte    // until the track's next frame is asked for
}

// Track makes frames of the packets of a track.
type Track struct{ frames *assembler }

// New makes one of a track with that clock, in hertz.
func New(codec container.Codec, rate uint32) (*Track, error) {
	a, err := newAssembler(codec, rate)
	if err != nil {
		return nil, err
	}
	return &Track{a}, nil
}

// Patience is how long a packet that is missing is waited for: a second, unless it is set
// before the first comes.
func (t *Track) Patience(d time.Duration) { t.frames.packets.patience = d }

// Join says, before the first packet comes, that the track is of the publisher of another:
// what is wrong with their clock is wrong with both, and they stay in step. One goroutine
// has both.
func (t *Track) Join(other *Track) { t.frames.clock.of = other.frames.clock.of }

// Gap says whether a packet is missing that is being waited for: what is behind it is
// here. It is asked when Next has returned all that there is.
func (t *Track) Gap() bool { return len(t.frames.packets.held) > 0 }

// Codec is how the frames are encoded.
func (t *Track) Codec() container.Codec { return t.frames.codec }

// Push takes a packet that arrived at that time, and keeps a copy.
func (t *Track) Push(p *rtp.Packet, at time.Time) { t.frames.push(p, at) }

// Next returns the next frame that can be decoded; ok is false if there is none
// yet. lost says that pictures are missing up to the next key frame: please have
// one sent. At the end nothing is waited for.
func (t *Track) Next(now time.Time, end bool) (f Frame, lost, ok bool) {
	return t.frames.next(now, end)
}

// Clock says what the track's clock shows at that moment, as its publisher's
// sender reports have it.
func (t *Track) Clock(at time.Time, timestamp uint32) {
	a := t.frames
	if !a.begun {
		a.clock.early = &report{at, timestamp}
		return
	}
	a.clock.report(at, a.time(a.elapsed+int64(int32(timestamp-a.timestamp))))
}

// Missing is how much could not be made into frames: pictures that were lost, and
// those that need them.
func (t *Track) Missing() time.Duration { return t.frames.missing }
