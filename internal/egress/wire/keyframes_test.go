package wire

import (
	"testing"
	"time"
)

func TestKeyFramesComeInTimeForSegments(t *testing.T) {
	of := func(length time.Duration) []Output { return []Output{{Kind: Segments, Length: length}} }
	for _, c := range []struct {
		name   string
		job    Job
		length time.Duration
		every  time.Duration
		due    time.Duration
	}{
		{"rooms", Job{Kind: Encode, Outputs: of(6 * time.Second)}, 6 * time.Second, 3 * time.Second, 6*time.Second - time.Second/30},
		{"pages", Job{Kind: Browse, Outputs: of(2 * time.Second)}, 2 * time.Second, 2 * time.Second, time.Second},
		{"long segments", Job{Kind: Browse, Outputs: of(5 * time.Second)}, 5 * time.Second, (5*time.Second + 2) / 3, 25 * time.Second / 6},
		{"short ones", Job{Kind: Browse, Outputs: of(time.Second)}, time.Second, time.Second, time.Second / 2},
		{"as is asked for", Job{Kind: Encode, Encoding: &Encoding{Framerate: 25, KeyFrameInterval: 0.5}, Outputs: of(time.Second)},
			time.Second, 500 * time.Millisecond, 960 * time.Millisecond},
		{"all are key frames", Job{Kind: Encode, Encoding: &Encoding{Framerate: 25, KeyFrameInterval: 0.04}, Outputs: of(time.Second)},
			time.Second, 40 * time.Millisecond, 980 * time.Millisecond},
		{"as they are", Job{Kind: Pass, Outputs: of(time.Second)}, time.Second, time.Second, time.Second},
		{"no segments", Job{Kind: Browse, Outputs: []Output{{Kind: File}}}, 2 * time.Second, 2 * time.Second, time.Second},
	} {
		every, due := c.job.KeyFrames(), c.job.Due(c.length)
		if every != c.every || (due-c.due).Abs() > time.Microsecond {
			t.Errorf("%s: each %v, due at %v, want %v and %v", c.name, every, due, c.every, c.due)
		}
	}
}
