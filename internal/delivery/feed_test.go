package delivery

import (
	"runtime"
	"testing"
	"weak"

	"github.com/rollcall-rtc/rollcall/event"
)

func TestFeedLetsGoOfWhatWasReadTogetherWithWhatItKeeps(t *testing.T) {
	recs := make([]event.Record, 64)
	for i := range recs {
		recs[i] = event.Record{Seq: uint64(i + 1), Body: make([]byte, 512<<10)}
	}
	oldest := weak.Make(&recs[0].Body[0])
	f := &feed{}
	f.append(asEntries(recs), 64, 0)
	recs = nil
	if n := len(f.entries); n != feedBytes/(512<<10) || f.entries[n-1].rec.Seq != 64 || f.start != uint64(64-n) {
		t.Errorf("%d entries after %d, want the last %d bytes", n, f.start, feedBytes)
	}
	runtime.GC()
	if oldest.Value() != nil {
		t.Error("the oldest body is still there")
	}
	runtime.KeepAlive(f)
}
