//go:build linux

package main

import (
	"math"
	"testing"
	"time"
)

var start = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

func TestPerfectCableDelaysNothing(t *testing.T) {
	i := newImpairment(1)
	if at, ok := i.pass(start, 1500); !ok || !at.Equal(start) {
		t.Errorf("arrives %v, %v; want at once", at.Sub(start), ok)
	}
}

func TestFramesArriveLateAndInOrder(t *testing.T) {
	i := newImpairment(1)
	i.set(settings{DelayMs: 40, JitterMs: 30}, start)
	last := start
	for n := range 1000 {
		now := start.Add(time.Duration(n) * time.Millisecond)
		at, ok := i.pass(now, 100)
		if !ok || at.Before(last) || at.Sub(now) < 40*time.Millisecond || at.Sub(now) > 70*time.Millisecond {
			t.Fatalf("frame %d arrives after %v (%v), the one before at %v", n, at.Sub(now), ok, last.Sub(start))
		}
		last = at
	}
}

func TestLossIsAsOftenAsSaidAndRepeats(t *testing.T) {
	lost := func() uint64 {
		i := newImpairment(7)
		i.set(settings{Loss: 0.2}, start)
		for range 10_000 {
			i.pass(start, 100)
		}
		return i.Lost
	}
	first := lost()
	if math.Abs(float64(first)-2000) > 200 {
		t.Errorf("lost %d of 10000, want about 2000", first)
	}
	if second := lost(); second != first {
		t.Errorf("the same seed lost %d and %d", first, second)
	}
}

func TestRateSpacesFramesAndItsQueueOverflows(t *testing.T) {
	i := newImpairment(1)
	i.set(settings{Rate: 1_000_000, Queue: 10_000}, start) // 1,000 bytes take 8 ms
	var passed int
	var last time.Time
	for range 100 {
		if at, ok := i.pass(start, 1000); ok {
			passed++
			last = at
		}
	}
	if passed != 10 || last.Sub(start) != 80*time.Millisecond || i.Overflowed != 90 {
		t.Errorf("passed %d, the last after %v, %d too many; want 10, 80ms, 90", passed, last.Sub(start), i.Overflowed)
	}
	// Ten milliseconds later there is room for one more.
	later := start.Add(10 * time.Millisecond)
	if at, ok := i.pass(later, 1000); !ok || at.Sub(start) != 88*time.Millisecond {
		t.Errorf("arrives at %v (%v), want 88ms", at.Sub(start), ok)
	}
}

func TestCutCableCarriesNothingUntilMended(t *testing.T) {
	i := newImpairment(1)
	i.set(settings{Cut: true}, start)
	if _, ok := i.pass(start, 100); ok || i.Lost != 1 {
		t.Errorf("passed %v, lost %d", ok, i.Lost)
	}
	i.set(settings{}, start)
	if _, ok := i.pass(start, 100); !ok {
		t.Error("lost after mending")
	}
}
