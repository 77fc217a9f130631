package studio

import (
	"testing"
	"time"
)

const paceStep = time.Second / 30

// drawn has so many pictures come due that take that long each to be drawn, and a moment
// to be left out; before the second of them programs start. It returns how many are
// drawn, and how late one is at most in the last half.
func drawn(p *pace, pictures int, takes, start time.Duration) (n int, late time.Duration) {
	now := p.debt
	for i := range pictures {
		due := time.Duration(i) * paceStep
		now = max(now, due)
		if i >= pictures/2 {
			late = max(late, now-due)
		}
		took := time.Millisecond / 2
		if p.draw(due, now-due, encoderState{starting: i < 3}) {
			n++
			if took = takes; i == 1 {
				took += start
			}
		}
		now += took
	}
	return n, late
}

// A machine that is too slow leaves pictures out, and is no later than a moment, however
// slow it is; one that is fast enough leaves none out, also if it begins late.
func TestSlowMachineLeavesPicturesOut(t *testing.T) {
	for _, c := range []struct {
		name        string
		debt        time.Duration
		takes       time.Duration
		start       time.Duration // that programs take
		least, most int           // of 3000
		late        time.Duration // at most
	}{
		{"fast enough", 0, 30 * time.Millisecond, 0, 3000, 3000, 0},
		{"fast enough, slow to start", 0, 15 * time.Millisecond, 300 * time.Millisecond, 3000, 3000, 0},
		{"fast enough, much too slow to start", 0, 15 * time.Millisecond, 5 * time.Second, 2840, 2870, 0},
		{"fast enough, from the past", 5 * time.Second, 15 * time.Millisecond, 0, 3000, 3000, 0},
		{"a bit too slow", 0, 40 * time.Millisecond, 0, 2450, 2550, 170 * time.Millisecond},
		{"four times too slow", 0, 133 * time.Millisecond, 0, 720, 770, 270 * time.Millisecond},
		{"too slow from the past on", 5 * time.Second, 66 * time.Millisecond, 0, 1400, 1550, 200 * time.Millisecond},
		{"fifty times too slow", 0, 1700 * time.Millisecond, 0, 50, 70, 1900 * time.Millisecond},
	} {
		p := new(pace)
		p.begin(c.debt)
		n, late := drawn(p, 3000, c.takes, c.start)
		if n < c.least || n > c.most || late > c.late || int(p.dropped) != 3000-n {
			t.Errorf("%s: %d are drawn, %d left out, one is %v late; want %d to %d, and %v", c.name, n, p.dropped, late, c.least, c.most, c.late)
		}
	}
}

// What an encoder has no room for is left out; while it starts, and while what is late
// from the beginning on is caught up, it is waited for.
func TestFullEncoderGetsNoPicture(t *testing.T) {
	p := new(pace)
	p.begin(time.Second)
	for i, c := range []struct {
		late  time.Duration
		state encoderState
		draws bool
	}{
		{0, encoderState{starting: true, full: true}, true},
		{time.Second, encoderState{starting: true, full: true}, true},
		{900 * time.Millisecond, encoderState{full: true}, true}, // catching up
		{0, encoderState{}, true},
		{0, encoderState{full: true}, false},
		{30 * time.Millisecond, encoderState{full: true}, false},
		{30 * time.Millisecond, encoderState{}, true},
	} {
		if p.draw(time.Duration(i)*paceStep, c.late, c.state) != c.draws {
			t.Errorf("step %d is drawn: %v", i, !c.draws)
		}
	}
	if p.dropped != 2 {
		t.Errorf("%d were left out, want 2", p.dropped)
	}
}

// Decoders are waited for as long as nothing is late by it.
func TestDecodersAreWaitedForWhileThereIsTime(t *testing.T) {
	p := new(pace)
	p.begin(time.Second)
	for i, c := range []struct {
		late  time.Duration
		state encoderState
		want  time.Duration
	}{
		{0, encoderState{starting: true}, decodePatience},
		{time.Second, encoderState{starting: true}, decodePatience},
		{900 * time.Millisecond, encoderState{}, decodePatience},
		{0, encoderState{}, slack},
		{100 * time.Millisecond, encoderState{}, slack - 100*time.Millisecond},
		{time.Second, encoderState{}, 0},
	} {
		p.draw(time.Duration(i)*paceStep, c.late, c.state)
		if got := p.patience(c.state); got != c.want {
			t.Errorf("step %d: they are waited for %v, want %v", i, got, c.want)
		}
	}
}
