package delivery

import (
	"fmt"
	"testing"
	"time"
)

// breakerTest drives a breaker through a script in virtual time.
type breakerTest struct {
	t   *testing.T
	b   *breaker
	now time.Time
}

func newBreakerTest(t *testing.T, concurrency int) *breakerTest {
	var p BreakerPolicy
	p.setDefaults()
	return &breakerTest{t, newBreaker(p, concurrency), time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)}
}

func (bt *breakerTest) advance(d time.Duration) { bt.now = bt.now.Add(d) }

func (bt *breakerTest) fail(lane string) bool {
	return bt.b.failure(bt.now, laneKey{roomLane, lane}, false, 0.5)
}

func (bt *breakerTest) failProbe(lane string) {
	bt.t.Helper()
	if bt.b.failure(bt.now, laneKey{roomLane, lane}, true, 0.5) {
		bt.t.Error("a failing probe opened an open breaker")
	}
}

func (bt *breakerTest) want(why string, state State, inFlight, wantAny, wantFresh int, wantProbe bool) {
	bt.t.Helper()
	anyLane, fresh, probe := bt.b.slots(bt.now, inFlight)
	if bt.b.state != state || anyLane != wantAny || fresh != wantFresh || probe != wantProbe {
		bt.t.Errorf("%s: %s with slots any=%d fresh=%d probe=%v, want %s any=%d fresh=%d probe=%v",
			why, bt.b.state, anyLane, fresh, probe, state, wantAny, wantFresh, wantProbe)
	}
}

func (bt *breakerTest) open() {
	bt.t.Helper()
	for i := range 10 {
		if opened := bt.fail(fmt.Sprint("room", i)); opened != (i == 9) {
			bt.t.Fatalf("failure %d: opened=%v", i+1, opened)
		}
	}
}

func TestClosedBreakerFillsTheConcurrency(t *testing.T) {
	bt := newBreakerTest(t, 64)
	bt.want("idle", Closed, 0, 64, 0, false)
	bt.want("busy", Closed, 60, 4, 0, false)
	bt.want("more in flight than slots", Closed, 70, 0, 0, false)
}

func TestTenFailuresInARowOpenTheBreaker(t *testing.T) {
	bt := newBreakerTest(t, 64)
	for range 9 {
		bt.fail("blue")
	}
	bt.b.success(bt.now, false)
	bt.want("a success in between", Closed, 0, 64, 0, false)
	bt.advance(40 * time.Second) // out of the window of the ratio
	bt.open()
	bt.want("down", Open, 0, 0, 0, false)
}

func TestSeventyPercentWithinThirtySecondsOpenTheBreaker(t *testing.T) {
	bt := newBreakerTest(t, 64)
	for i := range 10 {
		if i%4 == 3 { // never four failures in a row
			bt.b.success(bt.now, false)
		} else if opened := bt.fail("blue"); opened != (i == 9) {
			t.Fatalf("attempt %d: opened=%v", i+1, opened)
		}
		bt.advance(2900 * time.Millisecond)
	}

	spread := newBreakerTest(t, 64)
	for i := range 40 {
		if i%4 == 3 {
			spread.b.success(spread.now, false)
		} else if spread.fail("blue") {
			t.Fatalf("attempt %d opened although there are fewer than ten in 30 s", i+1)
		}
		spread.advance(4 * time.Second)
	}
}

func TestHalfAMinuteOfNothingButFailuresOpensTheBreaker(t *testing.T) {
	bt := newBreakerTest(t, 64)
	bt.fail("blue")
	bt.advance(29 * time.Second)
	if bt.fail("blue") {
		t.Error("opened after 29 s")
	}
	bt.advance(time.Second)
	if !bt.fail("blue") {
		t.Error("still closed after 30 s")
	}
}

func TestProbesGoOneAtATimeAtGrowingGaps(t *testing.T) {
	bt := newBreakerTest(t, 64)
	bt.open()
	for _, gap := range []time.Duration{1, 2, 4, 8, 15, 30, 30, 30} {
		gap *= time.Second
		if got := bt.b.deadline(bt.now); !got.Equal(bt.now.Add(gap)) {
			t.Errorf("next probe in %s, want %s", got.Sub(bt.now), gap)
		}
		bt.advance(gap - 1)
		bt.want("just before the probe", Open, 0, 0, 0, false)
		bt.advance(1)
		bt.want("probe", Open, 0, 1, 0, true)
		bt.want("what was in flight does not hold it up", Open, 64, 1, 0, true)
		bt.b.probed()
		bt.want("one at a time", Open, 1, 0, 0, false)
		bt.advance(time.Second)
		bt.failProbe("blue")
	}
}

func TestLanesNotTriedYetPassUntilThreeLanesFailed(t *testing.T) {
	bt := newBreakerTest(t, 64)
	for range 10 {
		bt.fail("poison")
	}
	bt.want("one room's word", Open, 0, 0, 2, false)
	bt.want("with one on its way", Open, 1, 0, 1, false)
	bt.fail("second")
	bt.want("two rooms' word", Open, 0, 0, 1, false)
	bt.fail("third")
	bt.want("it is the receiver", Open, 0, 0, 0, false)
}

func TestRecoveryStartsSlowly(t *testing.T) {
	bt := newBreakerTest(t, 8)
	bt.open()
	bt.advance(time.Second)
	bt.b.probed()
	if !bt.b.success(bt.now, true) {
		t.Fatal("the probe's success is not the recovery")
	}
	for _, limit := range []int{1, 2, 4} {
		bt.want("round", Recovering, 0, limit, 0, false)
		for range limit {
			if bt.b.success(bt.now, false) {
				t.Error("recovered twice")
			}
		}
	}
	bt.want("back at full width", Closed, 0, 8, 0, false)
}

func TestFailuresDuringRecoveryNarrowItAndThenOpen(t *testing.T) {
	bt := newBreakerTest(t, 64)
	bt.open()
	bt.advance(time.Second)
	bt.b.probed()
	bt.b.success(bt.now, true)
	for range 7 {
		bt.b.success(bt.now, false)
	}
	bt.want("eight", Recovering, 0, 8, 0, false)
	bt.fail("blue")
	bt.want("four", Recovering, 0, 4, 0, false)
	bt.fail("blue")
	bt.want("two", Recovering, 0, 2, 0, false)
	if !bt.fail("red") {
		t.Error("three failures in a row during recovery do not open")
	}
	if got := bt.b.deadline(bt.now); !got.Equal(bt.now.Add(time.Second)) {
		t.Errorf("after a recovery the next probe comes in %s, want 1s", got.Sub(bt.now))
	}
}

func TestPauseHoldsEverythingAndEndsInASlowStart(t *testing.T) {
	bt := newBreakerTest(t, 64)
	bt.b.pause(bt.now.Add(7 * time.Second))
	bt.b.pause(bt.now.Add(3 * time.Second))
	bt.want("paused", Recovering, 0, 0, 0, false)
	if got := bt.b.deadline(bt.now); !got.Equal(bt.now.Add(7 * time.Second)) {
		t.Errorf("deadline %s", got.Sub(bt.now))
	}
	bt.advance(7 * time.Second)
	bt.want("over", Recovering, 0, 1, 0, false)
}

func TestAbortedProbeMakesRoomForAnother(t *testing.T) {
	bt := newBreakerTest(t, 64)
	bt.open()
	bt.advance(time.Second)
	bt.b.probed()
	bt.b.aborted(true)
	bt.want("again", Open, 0, 1, 0, true)
}

func TestSampleWindowForgetsAndSurvivesAClockThatStepsBack(t *testing.T) {
	var w sampleWindow
	now := time.Unix(1_700_000_000, 0)
	w.add(now, false)
	w.add(now.Add(29*time.Second), true)
	if total, failed := w.count(now.Add(29 * time.Second)); total != 2 || failed != 1 {
		t.Errorf("within 30 s: %d, %d", total, failed)
	}
	if total, failed := w.count(now.Add(30 * time.Second)); total != 1 || failed != 0 {
		t.Errorf("after 30 s: %d, %d", total, failed)
	}
	w.add(time.Unix(-5, 0), false)
	w.count(time.Unix(-5, 0))
}
