package egress

import (
	"testing"
	"time"

	"github.com/livekit/protocol/livekit"

	"github.com/rollcall-rtc/rollcall/internal/egress/wire"
)

func TestLeastLimitOfItsOutputsEndsAJob(t *testing.T) {
	l := Limits{Duration: time.Hour, Size: 9, FileSize: 5, Outputs: map[wire.OutputKind]time.Duration{wire.Segments: time.Minute, wire.Stream: 2 * time.Hour}}
	for _, c := range []struct {
		kinds []wire.OutputKind
		want  time.Duration
	}{
		{[]wire.OutputKind{wire.File}, time.Hour},
		{[]wire.OutputKind{wire.Stream}, time.Hour},
		{[]wire.OutputKind{wire.File, wire.Segments}, time.Minute},
	} {
		var outputs []wire.Output
		for _, k := range c.kinds {
			outputs = append(outputs, wire.Output{Kind: k})
		}
		if after, files, all := l.bounds(outputs); after != c.want || files != 5 || all != 9 {
			t.Errorf("%v: %v, %d, %d", c.kinds, after, files, all)
		}
	}
	none := Limits{Outputs: map[wire.OutputKind]time.Duration{wire.Stream: time.Second}}
	if after, files, all := none.bounds([]wire.Output{{Kind: wire.File}}); after != 0 || files != 0 || all != 0 {
		t.Errorf("%v, %d, %d without a limit", after, files, all)
	}
}

func TestTimeOfALimitCountsFromTheFirstMedia(t *testing.T) {
	info := &livekit.EgressInfo{StartedAt: 1, FileResults: []*livekit.FileInfo{{}}, StreamResults: []*livekit.StreamInfo{{StartedAt: 9}, {}}}
	if got := firstMedia(info); got != 9 {
		t.Errorf("it came at %d", got)
	}
	info.ImageResults = []*livekit.ImagesInfo{{StartedAt: 7}}
	info.SegmentResults = []*livekit.SegmentsInfo{{StartedAt: 8}}
	if got := firstMedia(info); got != 7 {
		t.Errorf("it came at %d", got)
	}
	if got := firstMedia(&livekit.EgressInfo{StartedAt: 1}); got != 1 {
		t.Errorf("of nothing it came at %d", got)
	}
}

// What the clock shows counts once: where it is set to later does not.
func TestAgeOfAJobIsThatOfTheRunningProcess(t *testing.T) {
	j, now := new(job), time.Now()
	first := now.Add(-10 * time.Minute)
	for _, c := range []struct {
		first time.Time
		after time.Duration
		want  time.Duration
	}{
		{first, 0, 10 * time.Minute},
		{first, time.Second, 10*time.Minute + time.Second},
		{now.Add(time.Second), 3 * time.Second, 2 * time.Second}, // the first media has come
		{now.Add(time.Second), time.Minute, 59 * time.Second},
		{now.Add(time.Hour), time.Minute, 0}, // by a clock that was ahead
		{now.Add(time.Hour), 2 * time.Minute, time.Minute},
	} {
		if got := j.age(c.first.UnixNano(), now.Add(c.after)); got != c.want {
			t.Errorf("%v after the first look, %v since the media: %v, want %v", c.after, now.Sub(c.first), got, c.want)
		}
	}
}
