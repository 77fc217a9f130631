package delivery

import (
	"runtime"
	"testing"
	"time"
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

// An event of a track may be small, and have all of its room and participant beside it.
func TestWhatIsKeptIsBoundedWithFullBodies(t *testing.T) {
	full := make([]byte, 100<<10)
	kept := func(entries []entry) (n int) {
		for _, e := range entries {
			n += len(e.rec.Body) + len(e.rec.FullBody)
		}
		return n
	}
	f := &feed{}
	ep := &endpoint{dirty: make(map[laneKey]struct{})}
	l := &lane{}
	for seq := uint64(0); seq < 9000; {
		recs := make([]event.Record, 100)
		for i := range recs {
			seq++
			recs[i] = event.Record{Seq: seq, Body: []byte("{}"), FullBody: full}
		}
		f.append(asEntries(recs), seq, 0)
		if n := kept(f.entries); n > 2*feedBytes {
			t.Fatalf("the feed keeps %d bytes", n)
		}
		for i := range recs {
			ep.add(l, entry{rec: &recs[i]})
		}
	}
	held := 0
	for _, it := range l.items {
		if it.rec != nil {
			held += len(it.rec.FullBody)
		}
	}
	if held == 0 || held > retainBytes {
		t.Errorf("a lane holds %d bytes, want at most %d", held, retainBytes)
	}
	for len(l.items) > 0 {
		ep.drop(l, time.Now())
	}
	if ep.retained != 0 {
		t.Errorf("%d bytes are retained of an empty lane", ep.retained)
	}
}
