package studio

import (
	"testing"
	"time"
)

// drawn is how many of so many pictures are drawn, by an encoder that takes some time
// for each that is and less for each that is not, and how late the last is.
func drawn(p *pace, pictures int, takes, repeats, start time.Duration) (n int, late time.Duration) {
	const step = time.Second / 30
	late = p.debt
	for i := range pictures {
		took := repeats
		if i == 1 {
			late += start
		}
		if p.draw(late, step) {
			n++
			took = takes
		}
		late = max(late+took-step, 0)
	}
	return n, late
}

// Decoders are not waited for when it is too late for that, and are when it was late
// from the beginning on.
func TestOnlyWhoFallsBehindHurries(t *testing.T) {
	p := &pace{debt: 5 * time.Second, begun: starting}
	for _, c := range []struct {
		late    time.Duration
		hurries bool
	}{{5 * time.Second, false}, {4 * time.Second, false}, {4400 * time.Millisecond, false}, {4600 * time.Millisecond, true}, {0, false}, {400 * time.Millisecond, false}, {time.Second, true}} {
		if p.draw(c.late, 0); p.hurries() != c.hurries {
			t.Errorf("%v late it hurries: %v", c.late, p.hurries())
		}
	}
}

func TestSlowMachineRepeatsPictures(t *testing.T) {
	for _, c := range []struct {
		name           string
		debt           time.Duration
		takes, repeats time.Duration
		start          time.Duration // that programs take
		least, most    int           // of 3000
		late           time.Duration // at most
	}{
		{"fast enough", 0, 30 * time.Millisecond, 8 * time.Millisecond, 0, 3000, 3000, 0},
		{"fast enough, slow to start", 0, 20 * time.Millisecond, 8 * time.Millisecond, time.Second, 3000, 3000, 0},
		{"fast enough, from the past", 5 * time.Second, 20 * time.Millisecond, 8 * time.Millisecond, 0, 3000, 3000, 0},
		{"a bit too slow", 0, 40 * time.Millisecond, 8 * time.Millisecond, 0, 2300, 2500, 170 * time.Millisecond},
		{"four times too slow", 0, 133 * time.Millisecond, 20 * time.Millisecond, 0, 300, 400, 1100 * time.Millisecond},
		{"too slow from the past on", 5 * time.Second, 66 * time.Millisecond, 10 * time.Millisecond, 0, 1000, 1300, 400 * time.Millisecond},
	} {
		p := &pace{debt: c.debt}
		n, late := drawn(p, 3000, c.takes, c.repeats, c.start)
		if n < c.least || n > c.most || late > c.late || int(p.repeated) != 3000-n {
			t.Errorf("%s: %d are drawn, %d repeated, %v late at the end", c.name, n, p.repeated, late)
		}
	}
}
