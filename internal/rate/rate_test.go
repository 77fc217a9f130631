package rate

import (
	"testing"
	"time"
)

func TestBurstIsTakenAndTheRateHolds(t *testing.T) {
	now := time.Unix(0, 0)
	b := NewBucket(10, 3, now)
	for i := range 3 {
		if !b.Take(1, now) {
			t.Fatalf("token %d of the burst is missing", i)
		}
	}
	if b.Take(1, now) {
		t.Error("one more than the burst")
	}
	for i := range 20 {
		if now = now.Add(100 * time.Millisecond); !b.Take(1, now) {
			t.Fatalf("token %d at the rate is missing", i)
		}
	}
	if now = now.Add(time.Hour); b.Take(4, now) || !b.Take(3, now) {
		t.Error("an hour saves up the burst, and no more")
	}
	if b.Take(1, now.Add(-time.Hour)) || b.Take(1, now.Add(-time.Hour).Add(50*time.Millisecond)) {
		t.Error("a clock that jumps back brings tokens")
	}
}

func TestReservingTellsHowLongToWait(t *testing.T) {
	now := time.Unix(0, 0)
	b := NewBucket(10, 5, now)
	for _, want := range []time.Duration{0, 300 * time.Millisecond, 700 * time.Millisecond} {
		if got := b.Reserve(4, now); got != want {
			t.Errorf("wait %v, want %v", got, want)
		}
	}
	if got := b.Reserve(1, now.Add(time.Second)); got != 0 {
		t.Errorf("wait %v after a second", got)
	}
}

func TestKeysHaveBucketsOfTheirOwnAndAreForgotten(t *testing.T) {
	now := time.Unix(0, 0)
	k := NewKeyed[int](1, 2)
	for key := range 3 * maxKeys {
		if !k.Take(key, now) {
			t.Fatalf("key %d finds its bucket empty", key)
		}
		now = now.Add(time.Millisecond)
	}
	if n := len(k.buckets); n > maxKeys {
		t.Errorf("%d are kept", n)
	}
	if last := 3*maxKeys - 1; !k.Take(last, now) || k.Take(last, now) {
		t.Error("the last key has the burst, and no more")
	}
}
