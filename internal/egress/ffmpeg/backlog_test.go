package ffmpeg

import (
	"testing"
	"time"
)

// fed has an encoder that takes so long for each picture be given those of so
// many that fit, and returns how many it got, and how long the last waited at most.
func fed(takes time.Duration, pictures int64) (got int, waited time.Duration) {
	const step = time.Second / 30
	begin := time.Unix(1000, 0)
	b := backlog{step: step}
	type work struct {
		n         int64
		at, until time.Time
	}
	var doing []work
	free := begin // when the encoder is done
	for n := range pictures {
		now := begin.Add(time.Duration(n) * step)
		for len(doing) > 1 && !doing[1].until.After(now) { // which has the first come out
			b.out(doing[0].n, doing[1].until)
			if waits := doing[1].until.Sub(doing[1].at); doing[1].n > 90 {
				waited = max(waited, waits)
			}
			doing = doing[1:]
		}
		if b.full(n) {
			continue
		}
		got++
		b.put(n, now)
		free = later(free, now).Add(takes)
		doing = append(doing, work{n, now, free})
	}
	return got, waited
}

// An encoder that is fast enough gets all pictures. One that is not gets as many as it
// can encode, and none of them waits for long.
func TestSlowEncoderGetsWhatItCanEncode(t *testing.T) {
	for _, c := range []struct {
		takes       time.Duration
		least, most int // of 900
		waited      time.Duration
	}{
		{5 * time.Millisecond, 900, 900, 5 * time.Millisecond},
		{33 * time.Millisecond, 900, 900, 33 * time.Millisecond},
		{50 * time.Millisecond, 560, 605, 200 * time.Millisecond},
		{100 * time.Millisecond, 270, 305, 250 * time.Millisecond},
		{400 * time.Millisecond, 65, 80, 450 * time.Millisecond},
		{2 * time.Second, 13, 20, 2100 * time.Millisecond},
	} {
		got, waited := fed(c.takes, 900)
		if got < c.least || got > c.most || waited > c.waited {
			t.Errorf("at %v a picture it gets %d of 900, and one waits %v; want %d to %d, and %v", c.takes, got, waited, c.least, c.most, c.waited)
		}
	}
}

// One that stands still gets no more than fits, and goes on with what is new then.
func TestFrozenEncoderGetsNoMore(t *testing.T) {
	const step = time.Second / 30
	b := backlog{step: step}
	now := time.Unix(1000, 0)
	n := int64(0)
	for ; n < 30; n++ {
		b.put(n, now)
		if n > 0 {
			b.out(n-1, now)
		}
		now = now.Add(step)
	}
	got := 0
	for ; n < 300; n++ {
		if !b.full(n) {
			b.put(n, now)
			got++
		}
		now = now.Add(step)
	}
	if want := int(maxBacklog/step) + 1; got != want {
		t.Errorf("it gets %d, want %d", got, want)
	}
	last := b.under[len(b.under)-1].n
	b.out(last-1, now)
	if b.full(n) {
		t.Error("it gets nothing once it is done")
	}
}

// A hiccup costs no picture.
func TestHiccupOfAnEncoderCostsNothing(t *testing.T) {
	const step = time.Second / 30
	b := backlog{step: step}
	now := time.Unix(1000, 0)
	var waiting []int64
	for n := int64(0); n < 300; n++ {
		if b.full(n) {
			t.Fatalf("picture %d does not fit", n)
		}
		b.put(n, now)
		waiting = append(waiting, n)
		if n%100 < 96 || n%100 == 99 { // three steps of a hundred nothing comes
			for len(waiting) > 1 {
				b.out(waiting[0], now.Add(time.Duration(len(waiting))*time.Millisecond))
				waiting = waiting[1:]
			}
		}
		now = now.Add(step)
	}
}
