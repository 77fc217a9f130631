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

func TestWhatIsLeftForOthersIsThere(t *testing.T) {
	now := time.Unix(0, 0)
	b := NewBucket(10, 10, now)
	if !b.TakeAbove(6, 4, now) || b.TakeAbove(1, 4, now) {
		t.Error("six of ten may be taken if four are left, and no more")
	}
	if !b.Take(4, now) || b.Take(1, now) {
		t.Error("the four are there")
	}
	if now = now.Add(500 * time.Millisecond); b.TakeAbove(2, 4, now) || !b.TakeAbove(1, 4, now) {
		t.Error("five that have come are one above four")
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

func TestConnectionMaySendSoMuchAndNoMore(t *testing.T) {
	now := time.Unix(0, 0)
	m := NewMessages(100, 1000, 2000, now)
	for i := range messagesBurst * 100 {
		if err := m.Take(1, now); err != nil {
			t.Fatalf("message %d: %v", i, err)
		}
	}
	if err := m.Take(1, now); err != ErrTooManyMessages {
		t.Errorf("one more: %v", err)
	}
	if err := m.Take(1, now.Add(time.Second)); err != nil {
		t.Errorf("a second later: %v", err)
	}
	m = NewMessages(100, 1000, 2000, now)
	for range bytesBurst * 1000 / 2000 {
		if err := m.Take(2000, now); err != nil {
			t.Fatal(err)
		}
	}
	if err := m.Take(1, now); err != ErrTooManyBytes {
		t.Errorf("one more byte: %v", err)
	}
	if err := NewMessages(1, 1, 2000, now).Take(2000, now); err != nil {
		t.Errorf("a single message: %v", err)
	}
	for range maxUnreadable {
		if err := m.Unreadable(); err != nil {
			t.Fatal(err)
		}
	}
	if err := m.Unreadable(); err != ErrUnreadable {
		t.Errorf("one more: %v", err)
	}
}
