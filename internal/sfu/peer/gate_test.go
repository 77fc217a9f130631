package peer

import (
	"testing"
	"time"
)

func TestReliableDataBeyondTheLimitWaitsAndLossyDataIsDropped(t *testing.T) {
	now := time.Unix(0, 0)
	g := newDataGate(DataLimit{Messages: 20_000, Bytes: 100_000}, now)
	passed := 0
	for {
		wait, drop, first := g.admit(Lossy, 10_000, now)
		if wait > 0 {
			t.Fatal("lossy data waits")
		}
		if drop {
			if !first {
				t.Error("nobody is told")
			}
			break
		}
		passed++
	}
	if want := dataBurst * 10; passed != want {
		t.Errorf("%d messages passed, want %d", passed, want)
	}
	wait, drop, first := g.admit(Reliable, 10_000, now)
	if drop || first || wait != 100*time.Millisecond {
		t.Errorf("reliable data: wait %v, drop %v, told again %v", wait, drop, first)
	}
	if wait, _, _ := g.admit(Reliable, 10_000, now.Add(10*time.Second)); wait != 0 {
		t.Errorf("after ten seconds it waits %v", wait)
	}
}

func TestDataOfTracksBeyondTheLimitIsDroppedToo(t *testing.T) {
	now := time.Unix(0, 0)
	g := newDataGate(DataLimit{Bytes: 100_000}, now)
	for range dataBurst * 10 {
		if wait, drop, _ := g.admit(DataTrack, 10_000, now); drop || wait > 0 {
			t.Fatal("it does not pass")
		}
	}
	if wait, drop, _ := g.admit(DataTrack, 10_000, now); !drop || wait > 0 {
		t.Errorf("wait %v, drop %v", wait, drop)
	}
}

func TestTooManySmallMessagesAreTooMuchToo(t *testing.T) {
	now := time.Unix(0, 0)
	g := newDataGate(DataLimit{Messages: 20_000}, now)
	for i := range dataBurst * 20_000 {
		if _, drop, _ := g.admit(Lossy, 1, now); drop {
			t.Fatalf("message %d is dropped", i)
		}
	}
	if _, drop, _ := g.admit(Lossy, 1, now); !drop {
		t.Error("one more passes")
	}
	open := newDataGate(DataLimit{}, now)
	for range 1000 {
		if wait, drop, _ := open.admit(Reliable, MaxMessageSize, now); drop || wait > 0 {
			t.Fatal("without a limit there is one")
		}
	}
}
