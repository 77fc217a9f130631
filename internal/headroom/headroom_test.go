package headroom

import (
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"testing"
	"time"
)

// percent is what GOGC is now.
func percent() int {
	s := []metrics.Sample{{Name: "/gc/gogc:percent"}}
	metrics.Read(s)
	return int(s[0].Value.Uint64())
}

// collected returns how often garbage is collected while size bytes of it are made.
func collected(size int) uint32 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range size >> 14 {
		garbage = make([]byte, 1<<14)
	}
	garbage = nil
	runtime.ReadMemStats(&after)
	return after.NumGC - before.NumGC
}

var garbage, alive []byte

// eventually waits until a collection, of which there is one every 10 ms, has led to it.
func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for range 1000 {
		runtime.GC()
		if is() {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Errorf("never %s: GOGC is %d", what, percent())
}

func TestASmallHeapIsCollectedWhenItHasGrownByTheHeadroom(t *testing.T) {
	t.Setenv("GOGC", "")
	defer debug.SetGCPercent(debug.SetGCPercent(usual))
	stop := Keep(32 << 20)
	if now := percent(); now <= 4*usual {
		t.Errorf("GOGC is %d with next to nothing alive", now)
	}
	runtime.GC()
	if n := collected(256 << 20); n > 12 { // 60 without headroom, if the processor has nothing else to do
		t.Errorf("256 MB of garbage were collected %d times with headroom of 32 MB", n)
	}

	alive = make([]byte, 64<<20)
	eventually(t, "collected as Go does, with 64 MB alive", func() bool { return percent() == usual })
	alive = nil
	eventually(t, "more headroom when they had gone", func() bool { return percent() > 4*usual })

	stop()
	stop()
	if now := percent(); now != usual {
		t.Errorf("GOGC is %d after the stop", now)
	}
	runtime.GC()
	time.Sleep(50 * time.Millisecond)
	if now := percent(); now != usual {
		t.Errorf("GOGC is %d after the stop and a collection", now)
	}
}

func TestWhatIsInTheEnvironmentIsLeftAsItIs(t *testing.T) {
	t.Setenv("GOGC", "70")
	defer debug.SetGCPercent(debug.SetGCPercent(70))
	stop := Keep(32 << 20)
	if now := percent(); now != 70 {
		t.Errorf("GOGC is %d", now)
	}
	stop()
	if now := percent(); now != 70 {
		t.Errorf("GOGC is %d after the stop", now)
	}
}

func TestGrowth(t *testing.T) {
	for _, tc := range []struct {
		base uint64
		want int
	}{{0, 800}, {4 << 20, 800}, {8 << 20, 400}, {31 << 20, 103}, {32 << 20, 100}, {1 << 30, 100}} {
		if got := growth(32<<20, tc.base); got != tc.want {
			t.Errorf("with %d MB alive, %d %%, want %d", tc.base>>20, got, tc.want)
		}
	}
}
