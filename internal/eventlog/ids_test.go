package eventlog

import (
	"testing"
	"time"

	"github.com/google/uuid"
)

func TestIDsRiseThroughEverything(t *testing.T) {
	var s ids
	now := time.Unix(1_700_000_000, 123_456_789)
	var last uuid.UUID
	mint := func(when string) {
		t.Helper()
		for range 5000 { // more than fit into a millisecond
			id := s.next(now)
			if id.String() <= last.String() {
				t.Fatalf("%s: %s after %s", when, id, last)
			}
			if id.Version() != 7 || id.Variant() != uuid.RFC4122 {
				t.Fatalf("%s: %s has version %d, variant %d", when, id, id.Version(), id.Variant())
			}
			last = id
		}
	}
	first := s.next(now)
	if ms := idTime(first) >> 12; ms != 1_700_000_000_123 {
		t.Errorf("the id holds %d ms, want 1700000000123", ms)
	}
	mint("in one instant")
	now = now.Add(time.Second)
	mint("later")
	now = now.Add(-time.Hour)
	mint("with the clock set back")
	s = ids{}
	s.resume(last)
	mint("after a restart")
}
