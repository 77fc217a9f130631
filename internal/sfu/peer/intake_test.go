package peer

import (
	"testing"
	"time"

	"github.com/rollcall-rtc/rollcall/internal/sfu/uptrack"
)

func TestMediaBeyondItsLimitIsLeftOutPicturesBeforeSound(t *testing.T) {
	const bits, size = 800_000, 1000
	now, told := time.Unix(0, 0), 0
	in := newIntake(bits, func() { told++ }, now)
	pictures := 0
	for in.admits(size, false, now) {
		pictures++
	}
	if want := int(mediaBurst * (1 - soundShare) * bits / 8 / size); pictures != want {
		t.Errorf("%d packets of pictures pass at once, want %d", pictures, want)
	}
	// Pictures take all that comes, and sound has what it needs of it.
	var passed, sound int
	for range 100 {
		now = now.Add(20 * time.Millisecond)
		for range 10 { // twice the limit and more
			if in.admits(size, false, now) {
				passed++
			}
		}
		if in.admits(100, true, now) {
			sound++
		}
	}
	if sound != 100 {
		t.Errorf("%d of 100 packets of sound pass", sound)
	}
	if want := 2 * bits / 8 / size; passed < want*9/10 || passed > want {
		t.Errorf("%d packets of pictures pass in two seconds, want some %d", passed, want)
	}
	for range 2 * bits {
		if !in.admits(size, true, now) {
			sound = -1
			break
		}
	}
	if sound != -1 {
		t.Error("sound has no limit")
	}
	if told != 1 {
		t.Errorf("told %d times", told)
	}
}

func TestAnyPacketFitsTheNarrowestLimit(t *testing.T) {
	now := time.Unix(0, 0)
	if newIntake(0, nil, now) != nil {
		t.Error("0 is a limit")
	}
	if !newIntake(1, nil, now).admits(uptrack.MaxPacket, true, now) {
		t.Error("a packet of sound is left out")
	}
}

// So that its client believes that they were lost, and sends less.
func TestWhatIsLeftOutHasNotArrived(t *testing.T) {
	s := newSorted(t, &mediaSection{mid: "cam", ssrcs: []uint32{9}})
	const idTransportCC = 4
	s.demux.exts.transportCC = idTransportCC
	s.arrivals.armed = true // so that no report goes out meanwhile
	s.intake = newIntake(1, func() {}, time.Now())
	full := string(make([]byte, 1000))
	for seq := range uint16(10) {
		s.packet(9, ptMedia, seq, full, map[uint8]string{idTransportCC: string([]byte{0, byte(seq)})})
	}
	arrived := len(s.got["cam"])
	if arrived == 0 || arrived == 10 {
		t.Fatalf("%d of 10 packets arrive", arrived)
	}
	s.arrivals.mu.Lock()
	defer s.arrivals.mu.Unlock()
	if n := s.arrivals.recorder.PacketsHeld(); n != arrived {
		t.Errorf("%d packets are reported, and %d arrived", n, arrived)
	}
}
